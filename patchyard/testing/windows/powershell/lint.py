"""Holding templates to the subset: 5.1's syntax, known commands and members, no leftover Jinja.

`python -m patchyard.testing.windows.powershell.lint` looks at every template that is shipped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from patchyard import templates
from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.lint_names import Names, check_node
from patchyard.testing.windows.powershell.runtime import PREFERENCES
from patchyard.testing.windows.powershell.statements import parse
from patchyard.testing.windows.powershell.syntax import (
    Assign,
    Cast,
    Comma,
    Foreach,
    Node,
    Parameter,
    Script,
    Variable,
    walk,
)

JINJA = re.compile(r"\{[%{#]")
ALLOWED_TAG = re.compile(
    r"\{#.*?#\}"
    r"|\{%-?\s*include\s+\"[\w/]+\.ps1\.j2\"\s*-?%\}"
    r"|\{%-?\s*(?:if|elif)\s+(?:not\s+)?(?P<name>\w+)\s*-?%\}"
    r"|\{%-?\s*(?:else|endif)\s*-?%\}",
    re.DOTALL,
)
FREE_VARIABLES = frozenset(
    {
        *("_", "args", "error", "errors", "false", "input", "lastexitcode", "matches", "null"),
        *("ofs", "parameters", "pid", "psitem", "psscriptroot", "pscommandpath", "true"),
        *("psboundparameters", "this", *PREFERENCES),
    }
)
SCOPES = frozenset({"", "script", "global", "local"})
MISREAD = re.compile(
    r"^\s*switch\b.*\{.*\}|-\w+\s+[\w.*]+\s*,|^\s*:\w+|\d[kmgt]b\b|\bbreak \w|\bcontinue \w",
    re.IGNORECASE,
)
"""Lines that the second reader is known to take wrongly: one-line switches, bare lists, labels."""


@dataclass(frozen=True, order=True)
class Finding:
    """Something that must not be in a template."""

    template: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.template}:{self.line}: {self.message}"


def shipped() -> list[str]:
    """Return the names of all PowerShell templates."""
    root = templates.ROOT
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.ps1.j2"))


def lint_template(name: str) -> list[Finding]:
    """Return what is wrong with a template, in each of the ways in which it can come out."""
    source = (templates.ROOT / name).read_text(encoding="utf-8")
    found = set(_tags(name, source))
    if Path(name).name.startswith("_"):
        return sorted(found)  # a part of others, looked at where it is included
    switches = sorted({m["name"] for m in ALLOWED_TAG.finditer(source) if m["name"]})
    for value in (True, False) if switches else (True,):
        try:
            text = templates.render(name, **dict.fromkeys(switches, value))
        except jinja2.TemplateError as error:
            found.add(Finding(name, 0, f"cannot be rendered: {error}"))
            continue
        found |= set(lint_text(text, name))
    return sorted(found)


def _tags(name: str, source: str) -> Iterator[Finding]:
    bare = ALLOWED_TAG.sub(lambda tag: re.sub(r"[^\n]", " ", tag[0]), source)
    for found in JINJA.finditer(bare):
        line = bare.count("\n", 0, found.start()) + 1
        yield Finding(name, line, "Jinja that puts text into a script; values travel as JSON")


def lint_text(text: str, name: str = "script") -> list[Finding]:
    """Return what is wrong with the text of a script."""
    found = [Finding(name, line, message) for line, message in _plain_rules(text)]
    found += [Finding(name, line, message) for line, message in second_opinion(text)]
    try:
        script = parse(text)
    except NotSimulated as unknown:
        line = re.search(r"line (\d+)", str(unknown))
        return sorted({*found, Finding(name, int(line[1]) if line else 0, str(unknown))})
    found += [Finding(name, line, message) for line, message in _tree_rules(script)]
    return sorted(set(found))


def _plain_rules(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if JINJA.search(line):
            yield number, "Jinja is left over"
        if not line.isascii():
            yield number, "a character that is not ASCII: 5.1 reads a file without a mark as ANSI"


def second_opinion(text: str) -> list[tuple[int, str]]:
    """Return what another reader of PowerShell, made by others, cannot read."""
    # Imported late: the parser is a tool of development and no part of the rig.
    import tree_sitter  # noqa: PLC0415
    import tree_sitter_powershell  # noqa: PLC0415

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    lines = text.splitlines()
    found: list[tuple[int, str]] = []
    waiting = [parser.parse(text.encode()).root_node]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            number = node.start_point[0]
            if not MISREAD.search(lines[number] if number < len(lines) else ""):
                found.append((number + 1, "tree-sitter cannot read this"))
        elif node.has_error:
            waiting += node.children
    return found


@cache
def around() -> tuple[Script, ...]:
    """Return the scripts inside which others are run, and whose names those may use."""
    found = (name for name in shipped() if name.endswith("/job.ps1.j2"))
    return tuple(parse(templates.render(name)) for name in found)


@cache
def written_by_others() -> frozenset[str]:
    """Return the names of properties that any template gives: one reads what another wrote."""
    found: set[str] = set()
    for name in shipped():
        try:
            nodes = list(walk(parse(templates.render(name))))
        except (NotSimulated, jinja2.TemplateError):
            continue  # it has findings of its own
        found |= _world()(nodes, []).own_members
    return frozenset(found)


def _tree_rules(script: Script) -> Iterator[tuple[int, str]]:
    nodes = list(walk(script))
    outside = [node for other in around() for node in walk(other)]
    names = _world()(nodes, outside)
    names.own_members |= written_by_others()
    for node in nodes:
        for message in check_node(node, names):
            yield node.line, message
    assigned = {*_assigned(nodes), *_assigned(outside)} | FREE_VARIABLES
    for node in nodes:
        if isinstance(node, Variable) and node.scope in SCOPES and node.name not in assigned:
            yield node.line, f"the variable ${node.name} is never set"


def _assigned(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Assign):
            yield from _targets(node.target)
        elif isinstance(node, Foreach):
            yield node.variable.name
        elif isinstance(node, Parameter):
            yield node.name


def _targets(target: Node) -> Iterator[str]:
    if isinstance(target, Variable):
        yield target.name
    elif isinstance(target, Cast):
        yield from _targets(target.operand)
    elif isinstance(target, Comma):
        for item in target.items:
            yield from _targets(item)


@cache
def _world() -> Callable[[list[Node], list[Node]], Names]:
    # Imported late: the tables of the host import the interpreter.
    from patchyard.testing.windows.host import lint_world  # noqa: PLC0415

    return lint_world.names


def main() -> int:
    """Look at all templates, and tell what is wrong."""
    found = [finding for name in shipped() for finding in lint_template(name)]
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"{len(shipped())} templates, {len(found)} findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
