"""System.Text: encodings and StringBuilder; cultures; regular expressions."""

from __future__ import annotations

import re

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.compare import group_of, regex, replacement
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.net.numbers import bytes_of
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import format_string, text_of
from patchyard.testing.windows.powershell.values import Value


class Encoding(NetObject):
    """System.Text.Encoding; `strict` ones raise where bytes are no text."""

    net = NetInfo("System.Text.Encoding", "text.encoding", base=kinds.OBJECT)

    def __init__(self, codec: str, *, mark: bytes = b"", strict: bool = False) -> None:
        self.codec = codec
        self.mark = mark
        self.strict = strict

    def decode(self, data: bytes) -> str:
        """Return bytes as text.

        Raises:
            NetError: they are none, and the encoding is strict.
        """
        try:
            return data.decode(self.codec, "strict" if self.strict else "replace")
        except UnicodeDecodeError as error:
            raise NetError(
                "System.ArgumentException",
                f"Unable to translate bytes at {error.start} from specified code page to Unicode.",
            ) from None

    def encode(self, text: str) -> bytes:
        """Return text as bytes, without a mark."""
        return text.encode(self.codec, "replace")

    @net.method("GetString")
    def _get_string(self, _rt: Value, data: Value, at: Value = 0, count: Value = None) -> Value:
        raw = bytes_of(data)
        end = len(raw) if count is None else to_int(at) + to_int(count)
        return self.decode(raw[to_int(at) : end])

    @net.method("GetBytes")
    def _get_bytes(self, _rt: Value, text: Value) -> Value:
        return bytearray(self.encode(text_of(text)))

    @net.property("WebName")
    def _web_name(self) -> Value:
        return self.codec


UTF8_MARK = b"\xef\xbb\xbf"
for _name, _codec, _mark in (
    ("UTF8", "utf-8", UTF8_MARK),
    ("Unicode", "utf-16-le", b"\xff\xfe"),
    ("ASCII", "ascii", b""),
):
    Encoding.net.static_property(_name)(
        lambda _rt, codec=_codec, mark=_mark: Encoding(codec, mark=mark)
    )


class Utf8(Encoding):
    """System.Text.UTF8Encoding."""

    net = NetInfo("System.Text.UTF8Encoding", base=Encoding.net)


@Utf8.net.constructor
def _new_utf8(_rt: Value, mark: Value = False, strict: Value = False) -> Value:
    return Utf8("utf-8", mark=UTF8_MARK if mark else b"", strict=bool(strict))


@Encoding.net.static("GetEncoding")
def _get_encoding(_rt: Value, name: Value) -> Value:
    known = {
        "utf-8": "utf-8",
        "65001": "utf-8",
        "ascii": "ascii",
        "us-ascii": "ascii",
        "1252": "cp1252",
        "437": "cp437",
        "iso-8859-1": "latin-1",
    }
    if text_of(name).lower() not in known:
        raise NotSimulated(f"the encoding {text_of(name)}")
    return Encoding(known[text_of(name).lower()])


class Builder(NetObject):
    """System.Text.StringBuilder."""

    net = NetInfo("System.Text.StringBuilder", base=kinds.OBJECT)

    def __init__(self, text: str = "") -> None:
        self.parts = [text]

    def shown(self) -> str:
        """Return the text."""
        return "".join(self.parts)

    @net.method("Append")
    def _append(self, _rt: Value, value: Value) -> Value:
        self.parts.append(text_of(value))
        return self

    @net.method("AppendLine")
    def _append_line(self, _rt: Value, value: Value = "") -> Value:
        self.parts.append(f"{text_of(value)}\r\n")
        return self

    @net.method("AppendFormat")
    def _append_format(self, _rt: Value, pattern: Value, *items: Value) -> Value:
        self.parts.append(format_string(text_of(pattern), list(items)))
        return self

    @net.property("Length")
    def _length(self) -> Value:
        return len(self.shown())

    @net.method("ToString")
    def _to_string(self, _rt: Value) -> Value:
        return self.shown()


Builder.net.constructor(lambda _rt, text="": Builder(text_of(text)))


class Culture(NetObject):
    """System.Globalization.CultureInfo: all formatting here is invariant."""

    net = NetInfo("System.Globalization.CultureInfo", "cultureinfo", base=kinds.OBJECT)

    def __init__(self, name: str) -> None:
        self.name = name

    net.property("Name")(lambda culture: culture.name)


Culture.net.static_property("InvariantCulture")(lambda _rt: Culture(""))
Culture.net.static_property("CurrentCulture")(lambda _rt: Culture("en-US"))
kinds.enumeration(
    "System.Globalization.DateTimeStyles",
    {
        "None": 0,
        "AllowWhiteSpaces": 7,
        "AdjustToUniversal": 16,
        "AssumeLocal": 32,
        "AssumeUniversal": 64,
        "RoundtripKind": 128,
    },
    flags=True,
)
kinds.enumeration(
    "System.Globalization.NumberStyles", {"None": 0, "Integer": 7, "Float": 167, "Any": 511}
)


class Match(NetObject):
    """System.Text.RegularExpressions.Match."""

    net = NetInfo("System.Text.RegularExpressions.Match", base=kinds.OBJECT)

    def __init__(self, found: re.Match[str] | None) -> None:
        self.found = found

    def shown(self) -> str:
        """Return what was matched."""
        return self.found[0] if self.found else ""

    @net.property("Success")
    def _success(self) -> Value:
        return self.found is not None

    @net.property("Value")
    def _value(self) -> Value:
        return self.shown()

    @net.property("Index")
    def _index(self) -> Value:
        return self.found.start() if self.found else 0

    @net.property("Length")
    def _length(self) -> Value:
        return len(self.shown())

    @net.property("Groups")
    def _groups(self) -> Value:
        return Groups(self.found)


class Groups(NetObject):
    """The groups of a match, by number or name."""

    net = NetInfo("System.Text.RegularExpressions.GroupCollection", base=kinds.OBJECT)

    def __init__(self, found: re.Match[str] | None) -> None:
        self.found = found

    def get_item(self, key: Value) -> Value:
        """Return a group; one that is not there did not succeed."""
        if self.found is None:
            return Group(None)
        name = text_of(key)
        group = group_of(self.found, int(name) if name.isdigit() else name)
        return Group(None if group is None else self.found[group])


class Group(NetObject):
    """System.Text.RegularExpressions.Group."""

    net = NetInfo("System.Text.RegularExpressions.Group", base=kinds.OBJECT)

    def __init__(self, text: str | None) -> None:
        self.text = text

    def shown(self) -> str:
        """Return what was matched."""
        return self.text or ""

    net.property("Success")(lambda group: group.text is not None)
    net.property("Value")(lambda group: group.text or "")


REGEX = NetInfo("System.Text.RegularExpressions.Regex", "regex", base=kinds.OBJECT)
kinds.enumeration(
    "System.Text.RegularExpressions.RegexOptions",
    {"None": 0, "IgnoreCase": 1, "Multiline": 2, "Singleline": 16, "CultureInvariant": 512},
    flags=True,
)


def _compiled(pattern: Value, options: Value) -> re.Pattern[str]:
    names = text_of(options).lower() if options is not None else ""
    flags = {"multiline": "m", "singleline": "s"}
    prefix = "".join(flag for name, flag in flags.items() if name in names)
    text = f"(?{prefix}){text_of(pattern)}" if prefix else text_of(pattern)
    return regex(text, case="ignorecase" not in names)


@REGEX.static("Match")
def _match(_rt: Value, text: Value, pattern: Value, options: Value = None) -> Value:
    return Match(_compiled(pattern, options).search(text_of(text)))


@REGEX.static("Matches")
def _all_matches(_rt: Value, text: Value, pattern: Value, options: Value = None) -> Value:
    return [Match(found) for found in _compiled(pattern, options).finditer(text_of(text))]


@REGEX.static("IsMatch")
def _is_match(_rt: Value, text: Value, pattern: Value, options: Value = None) -> Value:
    return _compiled(pattern, options).search(text_of(text)) is not None


@REGEX.static("Replace")
def _replace(_rt: Value, text: Value, pattern: Value, new: Value, options: Value = None) -> Value:
    return _compiled(pattern, options).sub(replacement(text_of(new)), text_of(text))


REGEX.static("Escape")(lambda _rt, text: re.sub(r"([\\*+?|{\[()^$.# ])", r"\\\1", text_of(text)))
