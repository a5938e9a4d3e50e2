"""What Windows says, made fit to show: without passwords, in few words; codes as they are known."""

from __future__ import annotations

import re

LONGEST = 400
"""Characters of one message that are kept."""

_LOGIN = re.compile(r"://[^/@\s]*@")
_CODE = re.compile(r"^0x([0-9A-F]{8})\b")
_UNSIGNED = 0xFFFFFFFF


def shortened(text: str) -> str:
    """Return text on one line and not over-long, without the logins that addresses can carry."""
    return _LOGIN.sub("://", " ".join(text.split()))[:LONGEST]


def unsigned(code: int) -> int:
    """Return an HRESULT as it is written: COM hands it over as a signed 32-bit number."""
    return code & _UNSIGNED


def written(code: int) -> str:
    """Write a code as it is looked up: an HRESULT in hexadecimal, an exit status in decimal."""
    number = unsigned(code)
    return str(number) if number < 0x10000 else f"0x{number:08X}"  # noqa: PLR2004 - exit statuses


def code_in(error: str) -> int | None:
    """Return the HRESULT with which a section's error begins."""
    found = _CODE.match(error)
    return int(found[1], 16) if found else None
