"""The syntax tree of a script: what the parser makes, the interpreter runs and the lint reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """Anything in a script, with the line on which it begins."""

    line: int


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number as it was written; `text` is kept because a native program is given the text."""

    value: Any
    text: str


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string without anything to expand. `bare` is one without quotes, as arguments are."""

    value: str
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Expandable(Node):
    """A string whose parts are text and expressions."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """`$name`, `$scope:name` or, with `splat`, `@name`. Names are in lower case."""

    name: str
    scope: str = ""
    splat: bool = False


@dataclass(frozen=True, slots=True)
class Comma(Node):
    """`a, b, c` and the unary `,a`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Block(Node):
    """Statements in a row."""

    statements: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ArrayOf(Node):
    """`@( ... )`."""

    body: Block


@dataclass(frozen=True, slots=True)
class Sub(Node):
    """`$( ... )`."""

    body: Block


@dataclass(frozen=True, slots=True)
class Paren(Node):
    """`( ... )`."""

    inner: Node


@dataclass(frozen=True, slots=True)
class HashOf(Node):
    """`@{ key = value }`."""

    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """One parameter of a function or a script block."""

    name: str
    type: str
    default: Node | None
    mandatory: bool
    from_pipeline: bool
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script(Node):
    """A script block's content, or a whole script."""

    parameters: tuple[Parameter, ...]
    begin: Block | None
    process: Block | None
    end: Block
    text: str


@dataclass(frozen=True, slots=True)
class BlockOf(Node):
    """`{ ... }` as a value."""

    script: Script


@dataclass(frozen=True, slots=True)
class TypeName(Node):
    """`[name]`."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`target.name`, or with `static` `target::name`."""

    target: Node
    name: str | Node
    static: bool = False


@dataclass(frozen=True, slots=True)
class Invoke(Node):
    """`target.name(arguments)`, or with `static` `target::name(arguments)`."""

    target: Node
    name: str | Node
    arguments: tuple[Node, ...]
    static: bool = False


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`target[index]`."""

    target: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """An operator before its operand."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """An operator between its operands, its name without the dash and in lower case."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """`[type]operand`."""

    type: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Step(Node):
    """`++` and `--`, before or after their operand."""

    operand: Node
    delta: int
    before: bool


@dataclass(frozen=True, slots=True)
class Option(Node):
    """`-Name` or `-Name:value` of a command."""

    name: str
    value: Node | None


@dataclass(frozen=True, slots=True)
class Redirection(Node):
    """`2>&1`, `>$null` and their like; `target` is None where streams are merged."""

    stream: str
    target: Node | None


@dataclass(frozen=True, slots=True)
class Command(Node):
    """A command: its name, `&` or `.` before it, and what follows."""

    name: Node
    operator: str
    elements: tuple[Node, ...]
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Expression(Node):
    """An expression that stands where a command could."""

    value: Node
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline(Node):
    """Commands and expressions joined by `|`."""

    stages: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """`target operator value`, where the value is a whole statement."""

    target: Node
    operator: str
    value: Node


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if`, its `elseif` branches, and `else`."""

    branches: tuple[tuple[Node, Block], ...]
    otherwise: Block | None


@dataclass(frozen=True, slots=True)
class Foreach(Node):
    """`foreach ($variable in values) { }`."""

    label: str
    variable: Variable
    values: Node
    body: Block


@dataclass(frozen=True, slots=True)
class For(Node):
    """`for (first; condition; step) { }`."""

    label: str
    first: Node | None
    condition: Node | None
    step: Node | None
    body: Block


@dataclass(frozen=True, slots=True)
class While(Node):
    """`while`, and with `after` `do ... while`; `until` turns the condition round."""

    label: str
    condition: Node
    body: Block
    after: bool
    until: bool


@dataclass(frozen=True, slots=True)
class Switch(Node):
    """`switch`; a clause without a condition is `default`."""

    label: str
    mode: str
    case_sensitive: bool
    value: Node
    clauses: tuple[tuple[Node | None, Block], ...]


@dataclass(frozen=True, slots=True)
class Catch(Node):
    """One `catch`; without types it catches everything."""

    types: tuple[str, ...]
    body: Block


@dataclass(frozen=True, slots=True)
class Try(Node):
    """`try`, `catch`, `finally`."""

    body: Block
    catches: tuple[Catch, ...]
    final: Block | None


@dataclass(frozen=True, slots=True)
class Leave(Node):
    """`return`, `throw` and `exit` with their value; `break` and `continue` with their label."""

    word: str
    value: Node | None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Function(Node):
    """`function name { }`; a filter's body is its process block."""

    name: str
    script: Script


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it, in the order of the text."""
    yield node
    for field in fields(node):
        yield from _below(getattr(node, field.name))


def _below(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield from walk(value)
    elif isinstance(value, tuple):
        for item in value:
            yield from _below(item)
