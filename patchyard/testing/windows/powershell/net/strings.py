"""System.String and System.Char."""

from __future__ import annotations

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.compare import text_key
from patchyard.testing.windows.powershell.convert import elements, to_int
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.kinds import CHAR, STRING, enumeration
from patchyard.testing.windows.powershell.textual import format_string, text_of
from patchyard.testing.windows.powershell.values import Char, EnumValue, TypedArray, Value

COMPARISON = enumeration(
    "System.StringComparison",
    {
        "CurrentCulture": 0,
        "CurrentCultureIgnoreCase": 1,
        "InvariantCulture": 2,
        "InvariantCultureIgnoreCase": 3,
        "Ordinal": 4,
        "OrdinalIgnoreCase": 5,
    },
)
OPTIONS = enumeration("System.StringSplitOptions", {"None": 0, "RemoveEmptyEntries": 1})
BLANKS = " \t\n\r\v\f\x85\xa0\u2028\u2029\u3000"


def _folds(how: Value) -> bool:
    if how is None:
        return False
    name = how.name if isinstance(how, EnumValue) else text_of(how)
    return name.lower().endswith("ignorecase")


def _pair(text: str, other: Value, how: Value) -> tuple[str, str]:
    wanted = text_of(other)
    return (text.lower(), wanted.lower()) if _folds(how) else (str(text), wanted)


def _characters(given: tuple[Value, ...]) -> str:
    flat = [c for item in given for c in (elements(item) or [item])]
    return "".join(text_of(c) for c in flat)


@STRING.property("Length")
def _length(text: str) -> Value:
    return len(text)


@STRING.method("StartsWith")
def _starts(text: str, _rt: Value, other: Value, how: Value = None) -> Value:
    whole, wanted = _pair(text, other, how)
    return whole.startswith(wanted)


@STRING.method("EndsWith")
def _ends(text: str, _rt: Value, other: Value, how: Value = None) -> Value:
    whole, wanted = _pair(text, other, how)
    return whole.endswith(wanted)


@STRING.method("Contains")
def _contains(text: str, _rt: Value, other: Value) -> Value:
    return text_of(other) in text


@STRING.method("Equals")
def _equals(text: str, _rt: Value, other: Value, how: Value = None) -> Value:
    whole, wanted = _pair(text, other, how)
    return isinstance(other, str) and whole == wanted


@STRING.method("IndexOf")
def _index_of(text: str, _rt: Value, other: Value, start: Value = 0, how: Value = None) -> Value:
    if isinstance(start, EnumValue):
        start, how = 0, start
    whole, wanted = _pair(text, other, how)
    return whole.find(wanted, to_int(start))


@STRING.method("LastIndexOf")
def _last_index_of(text: str, _rt: Value, other: Value) -> Value:
    return text.rfind(text_of(other))


@STRING.method("Substring")
def _substring(text: str, _rt: Value, start: Value, length: Value = None) -> Value:
    first = to_int(start)
    last = len(text) if length is None else first + to_int(length)
    if not 0 <= first <= len(text) or not first <= last <= len(text):
        raise NetError(
            "System.ArgumentOutOfRangeException",
            "Index and length must refer to a location within the string.",
        )
    return text[first:last]


@STRING.method("Remove")
def _remove(text: str, _rt: Value, start: Value, count: Value = None) -> Value:
    first = to_int(start)
    last = len(text) if count is None else first + to_int(count)
    return text[:first] + text[last:]


@STRING.method("Insert")
def _insert(text: str, _rt: Value, at: Value, other: Value) -> Value:
    return text[: to_int(at)] + text_of(other) + text[to_int(at) :]


@STRING.method("Replace")
def _replace(text: str, _rt: Value, old: Value, new: Value) -> Value:
    if not text_of(old):
        raise NetError("System.ArgumentException", "String cannot be of zero length.")
    return text.replace(text_of(old), text_of(new))


@STRING.method("Split")
def _split(text: str, _rt: Value, *given: Value) -> Value:
    """Split at any of the characters: in 5.1 even a string stands for its characters."""
    drop = any(isinstance(item, EnumValue) and item.number == 1 for item in given)
    marks = [item for item in given if not isinstance(item, EnumValue)]
    if any(isinstance(item, int) for item in marks):
        raise NotSimulated("String.Split with a limit")
    separators = _characters(tuple(marks)) or BLANKS
    parts, part = [], ""
    for char in text:
        if char in separators:
            parts.append(part)
            part = ""
        else:
            part += char
    parts.append(part)
    return TypedArray([p for p in parts if p or not drop], "System.String")


def _trimmer(left: bool, right: bool) -> Value:
    def trim(text: str, _rt: Value, *given: Value) -> Value:
        characters = _characters(given) or BLANKS
        found = text.lstrip(characters) if left else str(text)
        return found.rstrip(characters) if right else found

    return trim


STRING.method("Trim")(_trimmer(left=True, right=True))
STRING.method("TrimStart")(_trimmer(left=True, right=False))
STRING.method("TrimEnd")(_trimmer(left=False, right=True))
for _name in ("ToLower", "ToLowerInvariant"):
    STRING.method(_name)(lambda text, _rt: text.lower())
for _name in ("ToUpper", "ToUpperInvariant"):
    STRING.method(_name)(lambda text, _rt: text.upper())


@STRING.method("PadLeft")
def _pad_left(text: str, _rt: Value, width: Value, char: Value = " ") -> Value:
    return text.rjust(to_int(width), text_of(char))


@STRING.method("PadRight")
def _pad_right(text: str, _rt: Value, width: Value, char: Value = " ") -> Value:
    return text.ljust(to_int(width), text_of(char))


@STRING.method("ToCharArray")
def _to_characters(text: str, _rt: Value) -> Value:
    return TypedArray([Char(char) for char in text], "System.Char")


@STRING.method("ToString")
def _to_string(text: str, _rt: Value) -> Value:
    return str(text)


@STRING.method("CompareTo")
def _compare_to(text: str, _rt: Value, other: Value) -> Value:
    return _ordinal(text_key(text, case=True), text_key(text_of(other), case=True))


def _ordinal(left: Value, right: Value) -> int:
    return int(left > right) - int(left < right)


STRING.static_property("Empty")(lambda _rt: "")


@STRING.static("IsNullOrEmpty")
def _is_null_or_empty(_rt: Value, text: Value) -> Value:
    return text_of(text) == ""


@STRING.static("IsNullOrWhiteSpace")
def _is_blank(_rt: Value, text: Value) -> Value:
    return text_of(text).strip() == ""


@STRING.static("Join")
def _join(_rt: Value, separator: Value, *items: Value) -> Value:
    found = elements(items[0]) if len(items) == 1 else list(items)
    return text_of(separator).join(text_of(i) for i in (list(items) if found is None else found))


@STRING.static("Format")
def _format(_rt: Value, pattern: Value, *items: Value) -> Value:
    if pattern is not None and not isinstance(pattern, str):
        pattern, *rest = items
        items = tuple(rest)
    return format_string(text_of(pattern), list(items))


@STRING.static("Concat")
def _concat(_rt: Value, *items: Value) -> Value:
    return "".join(text_of(item) for item in items)


@STRING.static("Equals")
def _static_equals(_rt: Value, left: Value, right: Value, how: Value = None) -> Value:
    if left is None or right is None:
        return left is right
    whole, wanted = _pair(text_of(left), right, how)
    return whole == wanted


@STRING.static("Compare")
def _compare(_rt: Value, left: Value, right: Value, fold: Value = False) -> Value:
    case = not (fold is True or _folds(fold))
    return _ordinal(text_key(text_of(left), case=case), text_key(text_of(right), case=case))


@STRING.static("CompareOrdinal")
def _compare_ordinal(_rt: Value, left: Value, right: Value) -> Value:
    return _ordinal(text_of(left), text_of(right))


@STRING.constructor
def _new(_rt: Value, given: Value, count: Value = None) -> Value:
    return text_of(given) * to_int(count) if count is not None else _characters((given,))


for _test, _check in {
    "IsDigit": str.isdigit,
    "IsLetter": str.isalpha,
    "IsLetterOrDigit": str.isalnum,
    "IsWhiteSpace": str.isspace,
}.items():
    CHAR.static(_test)(lambda _rt, char, check=_check: check(text_of(char)))
