"""Expressions: what each kind of node is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import arithmetic, compare, kinds
from patchyard.testing.windows.powershell.convert import convert, elements, truth
from patchyard.testing.windows.powershell.errors import failure
from patchyard.testing.windows.powershell.expressions import COMPARISONS
from patchyard.testing.windows.powershell.members import (
    call,
    call_static,
    get_index,
    get_member,
    get_static,
    set_index,
    set_member,
)
from patchyard.testing.windows.powershell.runtime import EVALUATORS, Evaluator, Runtime, ScriptBlock
from patchyard.testing.windows.powershell.splitting import join, replace, split
from patchyard.testing.windows.powershell.syntax import (
    ArrayOf,
    Assign,
    Binary,
    BlockOf,
    Cast,
    Comma,
    Expandable,
    Expression,
    HashOf,
    Index,
    Invoke,
    Member,
    Node,
    Number,
    Paren,
    Pipeline,
    Step,
    Sub,
    Text,
    TypeName,
    Unary,
    Variable,
)
from patchyard.testing.windows.powershell.textual import format_string, text_of
from patchyard.testing.windows.powershell.values import (
    NOTHING,
    Hashtable,
    NetType,
    Ordered,
    Record,
    Value,
)

Some = TypeVar("Some", bound=Callable[..., Value])


def evaluates(kind: type[Node]) -> Callable[[Some], Some]:
    """Declare a function to be what a kind of node is worth."""

    def add(function: Some) -> Some:
        evaluator: Evaluator = function
        EVALUATORS[kind] = evaluator
        return function

    return add


@evaluates(Number)
def _number(_rt: Runtime, node: Number) -> Value:
    return node.value


@evaluates(Text)
def _text(_rt: Runtime, node: Text) -> Value:
    return node.value


@evaluates(Expandable)
def _expandable(rt: Runtime, node: Expandable) -> Value:
    return "".join(text_of(rt.value(part)) for part in node.parts)


@evaluates(Variable)
def _variable(rt: Runtime, node: Variable) -> Value:
    if node.splat:
        raise NotSimulated(f"line {node.line}: @{node.name} outside of a command")
    return rt.get(node.name, node.scope)


@evaluates(Comma)
def _comma(rt: Runtime, node: Comma) -> Value:
    return [rt.value(item) for item in node.items]


@evaluates(ArrayOf)
def _array(rt: Runtime, node: ArrayOf) -> Value:
    found: list[Value] = []
    rt.run(node.body, found.append)
    return [None if item is NOTHING else item for item in found]


@evaluates(Sub)
def _sub(rt: Runtime, node: Sub) -> Value:
    return folded(rt.collect(node.body))


def folded(items: list[Value]) -> Value:
    """Return collected output as a value: none is nothing, one is itself."""
    if not items:
        return NOTHING
    return items[0] if len(items) == 1 else list(items)


@evaluates(Paren)
def _paren(rt: Runtime, node: Paren) -> Value:
    inner = node.inner
    if isinstance(inner, Assign):
        rt.run(inner, lambda _: None)
        return rt.raw(inner.target)
    return statement_value(rt, inner)


def statement_value(rt: Runtime, node: Node) -> Value:
    """Return what an assignment takes from a statement: an expression's value as it is."""
    plain = plain_expression(node)
    if plain is not None:
        return rt.raw(plain)
    if isinstance(node, Assign):
        rt.run(node, lambda _: None)
        return rt.raw(node.target)
    return folded(rt.collect(node))


def plain_expression(node: Node) -> Node | None:
    """Return the expression that a pipeline consists of, if it is nothing more."""
    if isinstance(node, Pipeline) and len(node.stages) == 1:
        stage = node.stages[0]
        if isinstance(stage, Expression) and not stage.redirections:
            return stage.value
    return None


@evaluates(HashOf)
def _hash(rt: Runtime, node: HashOf) -> Value:
    return _filled(rt, node, Hashtable())


def _filled(rt: Runtime, node: HashOf, table: Hashtable) -> Hashtable:
    for key_node, value_node in node.entries:
        key = rt.value(key_node)
        if key is None:
            raise failure("A null key is not allowed in a hash literal.", error_id="InvalidNullKey")
        if key in table:
            raise failure(
                f"Item has already been added. Key in dictionary: '{text_of(key)}'",
                error_id="DuplicateKeyInHashLiteral",
            )
        table[key] = statement_value(rt, value_node)
    return table


@evaluates(BlockOf)
def _block(_rt: Runtime, node: BlockOf) -> Value:
    return ScriptBlock(node.script)


@evaluates(TypeName)
def _type(_rt: Runtime, node: TypeName) -> Value:
    info = kinds.find_type(node.name)
    if info is None and node.name.endswith("[]"):
        inner = kinds.find_type(node.name.removesuffix("[]"))
        if inner is not None:
            return NetType(f"{inner.name}[]")
    if info is None:
        raise NotSimulated(f"line {node.line}: the type [{node.name}]")
    return NetType(info.name)


@evaluates(Member)
def _member(rt: Runtime, node: Member) -> Value:
    name = _name(rt, node.name)
    if node.static:
        return get_static(rt, rt.value(node.target), name)
    return get_member(rt, rt.value(node.target), name)


def _name(rt: Runtime, name: str | Node) -> str:
    return name if isinstance(name, str) else text_of(rt.value(name))


@evaluates(Invoke)
def _invoke(rt: Runtime, node: Invoke) -> Value:
    name = _name(rt, node.name)
    target = rt.value(node.target)
    arguments = [rt.value(argument) for argument in node.arguments]
    return (call_static if node.static else call)(rt, target, name, arguments)


@evaluates(Index)
def _index(rt: Runtime, node: Index) -> Value:
    return get_index(rt, rt.value(node.target), rt.value(node.index))


@evaluates(Step)
def _step(rt: Runtime, node: Step) -> Value:
    before = rt.value(node.operand)
    after = arithmetic.add(0 if before is None else before, node.delta)
    assign(rt, node.operand, after)
    return after if node.before else before


@evaluates(Cast)
def _cast(rt: Runtime, node: Cast) -> Value:
    name = node.type.lower()
    if isinstance(node.operand, HashOf):
        if name == "ordered":
            return _filled(rt, node.operand, Ordered())
        if name == "pscustomobject":
            return Record(_filled(rt, node.operand, Ordered()).items())
    if name == "ordered":
        raise failure("The ordered attribute can be specified only on a hash literal node.")
    if name == "scriptblock":
        raise NotSimulated(f"line {node.line}: a cast to [scriptblock]")
    return convert(rt.raw(node.operand), node.type)


@evaluates(Unary)
def _unary(rt: Runtime, node: Unary) -> Value:
    value = rt.value(node.operand)
    operations: dict[str, Callable[[Value], Value]] = {
        "not": lambda v: not truth(v),
        "-": arithmetic.negate,
        "+": lambda v: arithmetic.add(0, v),
        "bnot": arithmetic.invert,
        "join": lambda v: join(v, ""),
        "split": lambda v: split(v, None),
    }
    if node.operator not in operations:
        raise NotSimulated(f"line {node.line}: the unary operator -{node.operator}")
    return operations[node.operator](value)


@evaluates(Binary)
def _binary(rt: Runtime, node: Binary) -> Value:
    left = rt.value(node.left)
    if node.operator == "and":
        return truth(left) and truth(rt.value(node.right))
    if node.operator == "or":
        return truth(left) or truth(rt.value(node.right))
    right = rt.value(node.right)
    plain = _PLAIN.get(node.operator)
    if plain is not None:
        return plain(left, right)
    if node.operator in {"is", "isnot", "as"}:
        return _typed(node.operator, left, right)
    return _compared(rt, node.operator, left, right)


_PLAIN: dict[str, Callable[[Value, Value], Value]] = {
    "+": arithmetic.add,
    "-": arithmetic.subtract,
    "*": arithmetic.multiply,
    "/": lambda a, b: arithmetic.calculate("/", a, b),
    "%": lambda a, b: arithmetic.calculate("%", a, b),
    "..": arithmetic.span,
    "xor": arithmetic.exclusive,
    "band": lambda a, b: arithmetic.bitwise("band", a, b),
    "bor": lambda a, b: arithmetic.bitwise("bor", a, b),
    "bxor": lambda a, b: arithmetic.bitwise("bxor", a, b),
    "shl": lambda a, b: arithmetic.shift("shl", a, b),
    "shr": lambda a, b: arithmetic.shift("shr", a, b),
    "f": lambda a, b: format_string(text_of(a), list(b) if isinstance(b, list) else [b]),
    "join": lambda a, b: join(a, text_of(b)),
}


def _typed(operator: str, left: Value, right: Value) -> Value:
    if isinstance(right, str):
        right = convert(right, "type")
    if not isinstance(right, NetType):
        raise failure(
            "The right operand of '-is' must be a type.", error_id="IsOperatorRequiresType"
        )
    if operator == "as":
        try:
            return convert(left, right.name)
        except NotSimulated:
            raise
        except Exception:  # noqa: BLE001 - -as answers $null whatever the reason
            return None
    return kinds.is_a(left, right.name) == (operator == "is")


CASES = {"c": True, "i": False}
_ORDER: dict[str, Callable[[int], bool]] = {
    "gt": lambda sign: sign > 0,
    "ge": lambda sign: sign >= 0,
    "lt": lambda sign: sign < 0,
    "le": lambda sign: sign <= 0,
}
_NEGATIVE = {"ne": "eq", "notlike": "like", "notmatch": "match"}


def _compared(rt: Runtime, operator: str, left: Value, right: Value) -> Value:
    name, case = operator, False
    if operator[0] in CASES and operator[1:] in COMPARISONS:
        name, case = operator[1:], CASES[operator[0]]
    if name in {"contains", "notcontains"}:
        return compare.contains(left, right, case=case) == (name == "contains")
    if name in {"in", "notin"}:
        return compare.contains(right, left, case=case) == (name == "in")
    if name == "split":
        return split(left, right, case=case)
    if name == "replace":
        return replace(left, right, case=case)
    test = _test(rt, name, case=case)
    items = elements(left)
    if items is None:
        return test(left, right)
    before = rt.scope.variables.get("matches")
    found = [item for item in items if test(item, right)]
    rt.scope.variables["matches"] = before  # only a single string's match is remembered
    return found


def _test(rt: Runtime, name: str, *, case: bool) -> Callable[[Value, Value], bool]:
    if name in _NEGATIVE:
        positive = _test(rt, _NEGATIVE[name], case=case)
        return lambda left, right: not positive(left, right)
    if name in _ORDER:
        return lambda left, right: _ORDER[name](compare.order(left, right, case=case))
    if name == "eq":
        return lambda left, right: compare.equal(left, right, case=case)
    if name == "like":
        return lambda left, right: compare.like(left, right, case=case)
    if name == "match":
        return lambda left, right: _match(rt, left, right, case=case)
    raise NotSimulated(f"the operator -{name}")


def _match(rt: Runtime, left: Value, right: Value, *, case: bool) -> bool:
    found = compare.regex(right, case=case).search(text_of(left))
    if found is not None:
        rt.set("matches", Hashtable(compare.groups(found)))
    return found is not None


def assign(rt: Runtime, target: Node, value: Value) -> None:
    """Set a variable, a member, an element, or several of them at once.

    Raises:
        NotSimulated: the target is something else.
    """
    if isinstance(target, Variable):
        rt.set(target.name, value, target.scope)
    elif isinstance(target, Cast) and isinstance(target.operand, Variable):
        _assign_typed(rt, target.operand, target.type, value)
    elif isinstance(target, Member) and not target.static:
        set_member(rt.value(target.target), _name(rt, target.name), value)
    elif isinstance(target, Index):
        set_index(rt.value(target.target), rt.value(target.index), value)
    elif isinstance(target, Comma):
        _assign_several(rt, target, value)
    else:
        raise NotSimulated(f"line {target.line}: an assignment to {type(target).__name__}")


def _assign_typed(rt: Runtime, variable: Variable, name: str, value: Value) -> None:
    converted = convert(value, name)
    scope = rt.scope if variable.scope in {"", "local"} else rt.chosen(variable.scope)
    if scope is not None:
        scope.types[variable.name] = name
    rt.set(variable.name, converted, variable.scope)


def _assign_several(rt: Runtime, target: Comma, value: Value) -> None:
    items = elements(value)
    values = [value] if items is None else list(items)
    last = len(target.items) - 1
    for position, item in enumerate(target.items):
        if position == last and len(values) > len(target.items):
            assign(rt, item, values[position:])
        else:
            assign(rt, item, values[position] if position < len(values) else None)
