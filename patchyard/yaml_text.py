"""YAML text as plain values, with the line of every one, and without YAML's surprises.

YAML turns `no` into false, 022 into 18 and 1.10 into 1.1. Whatever would read otherwise than it is
written is refused here. No value is repeated in a message: it may be a secret in a wrong place.
"""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from patchyard.errors import Problem

Path = tuple[str | int, ...]
"""The way to a value: keys of mappings, and places in lists counted from 0."""

LARGEST = 1_000_000
"""So many values may a file have after its aliases are followed."""

DEEPEST = 100
"""So deep may values be nested. The C parser ends the whole program some thousands deeper."""

_BRACKET = re.compile(r"[\[\]{}]")
_DEEP_LINE = re.compile(r"^ {200}|(?:[-?:]\s+){50}", re.MULTILINE)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TRUTH = {"true": True, "false": False}
_QUOTED = re.compile(r"'[^' ]{2,}'|\"[^\" ]{2,}\"")

_TRUTH_WORD = (
    "would be read as a truth value; write true or false, "
    "or put the word in quotes where it is text"
)
_OTHER_NUMBER = (
    "would be read as another number than is written; put it in quotes where it is text, "
    "or write the number plainly, such as 22 or 1.5"
)


class Document:
    """One YAML file: its values, and where each stands."""

    def __init__(self, file: str, root: yaml.Node | None) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._root = root
        self._entries: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}
        self._open: set[int] = set()
        self._count = 0
        self.value: Any = None if root is None else self._read(root, ())

    def line(self, path: Path) -> int:
        """Return the line of a value: its key's, or of its nearest holder where there is none."""
        node, line = self._root, 1
        for step in path:
            found = self._step(node, step)
            if found is None:
                break
            node, line = found
        return line

    def holds(self, path: Path) -> bool:
        """Say whether something is written under a path."""
        node = self._root
        for step in path:
            found = self._step(node, step)
            if found is None:
                return False
            node = found[0]
        return True

    def problem(self, path: Path, message: str) -> Problem:
        """Make a problem of the value at a path."""
        return Problem(message, file=self.file, line=self.line(path), field=dotted(path))

    def _step(self, node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, int] | None:
        if isinstance(node, yaml.MappingNode):
            entry = self._mapping(node).get(str(step))
            return None if entry is None else (entry[1], _line(entry[0]))
        if not isinstance(node, yaml.SequenceNode) or not isinstance(step, int):
            return None
        return (node.value[step], _line(node.value[step])) if step < len(node.value) else None

    def _read(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            return self._refuse(node, path, "holds itself through an alias")
        if self._count > LARGEST:
            return self._too_many(node, path)
        self._open.add(id(node))
        value = self._collection(node, path)
        self._open.discard(id(node))
        return value

    def _too_many(self, node: yaml.Node, path: Path) -> None:
        """Say once that it is too much, and read no further."""
        if self._count < 2 * LARGEST:
            self._refuse(node, path, f"holds more than {LARGEST:,} values, aliases followed")
            self._count = 2 * LARGEST

    def _collection(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            entries = self._mapping(node, path).items()
            return {key: self._read(value, (*path, key)) for key, (_, value) in entries}
        return [self._read(each, (*path, index)) for index, each in enumerate(node.value)]

    def _mapping(
        self, node: yaml.MappingNode, path: Path | None = None
    ) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return a mapping's entries by key. Its own keys win over merged ones (`<<`)."""
        if (known := self._entries.get(id(node))) is not None:
            return known
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        self._entries[id(node)] = own
        for key, value in node.value:
            if key.tag == _MERGE:
                merged = self._merge(value, path or ()) | merged
            elif (name := self._key(key, path or ())) in own:
                self._double(key, own[name][0], (*(path or ()), name))
            else:
                own[name] = (key, value)
        self._entries[id(node)] = merged | own
        return self._entries[id(node)]

    def _merge(self, node: yaml.Node, path: Path) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            return dict(self._mapping(node, path))
        parts = node.value if isinstance(node, yaml.SequenceNode) else [None]
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                self._refuse(node, path, "<< takes an alias of a mapping")
                break
            found = self._mapping(part, path) | found
        return found

    def _key(self, node: yaml.Node, path: Path) -> str:
        if isinstance(node, yaml.ScalarNode):
            return cast(str, node.value)
        self._refuse(node, path, "a key must be one word")
        return ""

    def _double(self, key: yaml.Node, first: yaml.Node, path: Path) -> None:
        message = f"stands twice; it is already in line {_line(first)}"
        self.problems.append(Problem(message, self.file, _line(key), dotted(path)))

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text, kind = cast(str, node.value), node.tag.removeprefix(_TAG)
        match kind:
            case "str" | "timestamp" | "value" | "merge":
                return text
            case "null":
                return None
            case "bool" if text.lower() in _TRUTH:
                return _TRUTH[text.lower()]
            case "bool":
                return self._refuse(node, path, _TRUTH_WORD)
            case "int" | "float":
                return self._number(node, path)
        return self._refuse(node, path, "has a tag (!...) in front; put text with a ! in quotes")

    def _number(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = cast(str, node.value)
        for kind in (int, float):
            try:
                if str(kind(text)) == text:
                    return kind(text)
            except ValueError:
                continue
        return self._refuse(node, path, _OTHER_NUMBER)

    def _refuse(self, node: yaml.Node, path: Path, message: str) -> Any:
        """Note a problem, and go on with the text as it is written."""
        self.problems.append(Problem(message, self.file, _line(node), dotted(path)))
        return node.value if isinstance(node, yaml.ScalarNode) else None


def read(text: str, *, file: str) -> Document:
    """Read YAML text. What is wrong with it is in the document's `problems`."""
    try:
        if not _may_be_deep(text) or _depth(text) <= DEEPEST:
            return Document(file, yaml.compose(text, Loader=_LOADER))
        problem = Problem(f"is nested deeper than {DEEPEST} levels", file)
    except yaml.YAMLError as error:
        problem = _syntax(error, file)
    document = Document(file, None)
    document.problems.append(problem)
    return document


def _may_be_deep(text: str) -> bool:
    """Say whether a text is worth the time to measure its depth."""
    depth = deepest = 0
    for bracket in _BRACKET.finditer(text):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest > DEEPEST or _DEEP_LINE.search(text) is not None


def _depth(text: str) -> int:
    depth = deepest = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return deepest


def dotted(path: Path) -> str:
    """Write a path as a field: `machines.web-1.connection.port`."""
    return ".".join(str(step) for step in path)


def _line(node: yaml.Node) -> int:
    return cast(int, node.start_mark.line) + 1


def _syntax(error: yaml.YAMLError, file: str) -> Problem:
    """Turn a syntax error into a sentence; the names it quotes may be secrets and are left out."""
    mark = getattr(error, "problem_mark", None)
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    known = next((told for part, told in _SYNTAX.items() if part in said), None)
    message = known or f"is no valid YAML: {_QUOTED.sub('...', said)}"
    return Problem(message, file, mark.line + 1 if mark else None)


_SYNTAX = {
    "undefined alias": "text that begins with * must stand in quotes",
    "second occurrence": "text that begins with & must stand in quotes, or an anchor stands twice",
    "mapping values": "text that holds a colon and a space must stand in quotes; "
    "otherwise the indent is wrong",
    "cannot start any token": "indent with spaces, not tabs; "
    "put text that begins with %, @ or a backtick in quotes",
    "tab character": "indent with spaces, not tabs",
    "another document": "write one document in each file, without --- in between",
    "unknown escape": "in double quotes a backslash is written twice; "
    "single quotes keep it as it is",
}
