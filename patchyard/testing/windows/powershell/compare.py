"""Comparisons, containment and regular expressions, with their rules about case and arrays."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.convert import convert, elements, number_of, truth
from patchyard.testing.windows.powershell.dates import DateTime, TimeSpan
from patchyard.testing.windows.powershell.errors import NetError, Thrown, failure
from patchyard.testing.windows.powershell.kinds import Guid, Version, comparable, enum_of
from patchyard.testing.windows.powershell.objects import NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import (
    Char,
    EnumValue,
    NetType,
    Value,
    is_number,
)

NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z_])")
BACKREFERENCE = re.compile(r"\$(?:(\d+)|\{(\w+)\}|(\$)|(&))")


def _fold(text: str, *, case: bool) -> str:
    return text if case else text.lower()


def equal(left: Value, right: Value, *, case: bool = False) -> bool:
    """Return what -eq answers for single values; the left one decides what is compared."""
    if left is None or right is None:
        return left is None and right is None
    if isinstance(left, Char) and isinstance(right, int):
        return ord(left) == right
    if isinstance(left, str):
        return _texts_equal(left, right, case=case)
    for kind, test in _EQUAL:
        if isinstance(left, kind):
            return test(left, right)
    return left is right or (isinstance(left, NetType) and left == right)


def _texts_equal(left: str, right: Value, *, case: bool) -> bool:
    other = text_of(right) if elements(right) is None else None
    return other is not None and _fold(left, case=case) == _fold(other, case=case)


def _numbers_equal(left: Value, right: Value) -> bool:
    try:
        return bool(left == number_of(right))
    except Thrown:
        return False


def _enums_equal(left: EnumValue, right: Value) -> bool:
    try:
        return left.number == enum_of(left.type_name, right).number
    except NetError:
        return False


def _converted_equal(left: NetObject, right: Value) -> bool:
    try:
        return bool(left == convert(right, left.type_name))
    except Thrown:
        return False


_EQUAL: tuple[tuple[Any, Callable[[Any, Value], bool]], ...] = (
    (bool, lambda left, right: left == truth(right)),
    ((int, float, Decimal), _numbers_equal),
    (EnumValue, _enums_equal),
    ((DateTime, TimeSpan, Guid, Version), _converted_equal),
)


def order(left: Value, right: Value, *, case: bool = False) -> int:
    """Return below, equal or above zero, as -lt and its like see two single values.

    Raises:
        Thrown: they cannot be compared.
    """
    if left is None or right is None:
        return _null_order(left, right)
    if isinstance(left, str) and not isinstance(left, Char):
        return _sign(text_key(left, case=case), text_key(text_of(right), case=case))
    if is_number(left) or isinstance(left, Decimal):
        return _sign(left, number_of(right))
    if isinstance(left, EnumValue):
        return _sign(left.number, enum_of(left.type_name, right).number)
    if isinstance(left, DateTime | TimeSpan | Version):
        return _sign(comparable(left), comparable(convert(right, left.type_name)))
    if isinstance(left, bool):
        return _sign(left, truth(right))
    raise failure(
        f'Cannot compare "{text_of(left)}" because it is not IComparable.',
        error_id="NotIcomparable",
    )


def text_key(text: str, *, case: bool = False) -> tuple[str, str]:
    """Return what decides the order of strings: letters first, and lower case before upper."""
    return (text.lower(), text.swapcase() if case else "")


def _null_order(left: Value, right: Value) -> int:
    if left is None and right is None:
        return 0
    other = left if right is None else right
    lesser = is_number(other) and other < 0
    below = 1 if lesser else -1
    return below if left is None else -below


def _sign(left: Value, right: Value) -> int:
    return int(left > right) - int(left < right)


def wildcard(pattern: str, *, case: bool = False) -> re.Pattern[str]:
    """Return a wildcard pattern as a regular expression for a whole string."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "`" and at + 1 < len(pattern):
            at += 1
            parts.append(re.escape(pattern[at]))
        elif char == "[" and (end := pattern.find("]", at + 1)) > 0:
            parts.append(f"[{re.escape(pattern[at + 1 : end]).replace(chr(92) + '-', '-')}]")
            at = end
        else:
            parts.append({"*": ".*", "?": "."}.get(char, re.escape(char)))
        at += 1
    flags = re.DOTALL | (0 if case else re.IGNORECASE)
    return re.compile("".join(parts), flags)


def like(text: Value, pattern: Value, *, case: bool = False) -> bool:
    """Return what -like answers."""
    return wildcard(text_of(pattern), case=case).fullmatch(text_of(text)) is not None


def regex(pattern: Value, *, case: bool = False) -> re.Pattern[str]:
    """Return a .NET regular expression as Python's.

    Raises:
        NotSimulated: it has something that Python's engine reads otherwise.
    """
    text = NAMED_GROUP.sub("(?P<", text_of(pattern))
    if re.search(r"\\[pPkGZ]|\(\?(?:'|<-|>)|\\h|\[[^\]]*-\[", text):
        raise NotSimulated(f"the regular expression {text!r}")
    if "(?P<" in text and re.search(r"(?<!\\)\\[1-9]", text):
        raise NotSimulated(f"a numbered reference beside a named group in {text!r}")
    text = text.replace(r"\z", r"\Z")
    try:
        return re.compile(text, 0 if case else re.IGNORECASE)
    except re.error as error:
        raise failure(f"The regular expression pattern {text} is not valid: {error}.") from None


def numbered(expression: re.Pattern[str]) -> list[int]:
    """Return the groups in the order in which .NET numbers them: those without a name first."""
    named = sorted(expression.groupindex.values())
    plain = [number for number in range(1, expression.groups + 1) if number not in named]
    return [0, *plain, *named]


def groups(found: re.Match[str]) -> list[tuple[Value, Value]]:
    """Return what $Matches holds: numbered groups and named ones, without those not matched."""
    names = {number: name for name, number in found.re.groupindex.items()}
    keyed = ((names.get(n, at), found[n]) for at, n in enumerate(numbered(found.re)))
    return [(key, text) for key, text in keyed if text is not None]


def group_of(found: re.Match[str], key: int | str) -> int | None:
    """Return Python's number of a group that .NET calls by a number or a name."""
    if isinstance(key, str):
        return found.re.groupindex.get(key)
    order = numbered(found.re)
    return order[key] if key < len(order) else None


def replacement(text: str) -> Callable[[re.Match[str]], str]:
    """Return how a .NET replacement is filled in."""

    def one(found: re.Match[str], sign: re.Match[str]) -> str:
        if sign[3]:
            return "$"
        if sign[4]:
            return found[0]
        name = sign[1] or sign[2]
        group = group_of(found, int(name) if name.isdigit() else name)
        return sign[0] if group is None else found[group] or ""

    return lambda found: BACKREFERENCE.sub(lambda sign: one(found, sign), text)


def contains(items: Value, wanted: Value, *, case: bool = False) -> bool:
    """Return what -contains answers."""
    found = elements(items)
    found = [items] if found is None else found
    return any(equal(item, wanted, case=case) for item in found)
