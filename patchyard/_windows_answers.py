"""What a PowerShell script answers: sections of JSON, packed into one marked line, or plain."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any

from patchyard.errors import MalformedOutput, ScriptFailed, Unreachable
from patchyard.transcript import Section, Transcript

BROKEN = "script"
"""The section in which a script tells that it broke outside of its sections."""

_UNSIGNED = 0xFFFFFFFF
"""What makes a signed HRESULT the number that is written everywhere."""


def read(output: str, nonce: str) -> Transcript:
    """Read what a script answered: one marked and packed line, or as a job's output plain JSON.

    A section's standard output is its value as JSON, its standard error the error with its code.

    Raises:
        ScriptFailed: the script broke outside of its sections.
        Unreachable: there is no output at all.
        MalformedOutput: there is no answer in it, or it cannot be read.
    """
    sections = [_section(entry) for entry in _entries(_answer(output, nonce))]
    transcript = Transcript({section.name: section for section in sections})
    broken = transcript.get(BROKEN)
    if broken is not None:
        raise ScriptFailed(f"the script broke: {broken.stderr}", exit_status=1, tail=broken.stderr)
    return transcript


def _answer(output: str, nonce: str) -> str:
    marker = f"@@{nonce} "
    packed = [line for line in output.splitlines() if line.startswith(marker)]
    if packed:
        return _unpacked(packed[-1].removeprefix(marker).strip())
    plain = output.strip().removeprefix("\ufeff")
    if plain.startswith("{"):
        return plain
    if not plain:
        # A shutdown ends a script like that, before the link notices.
        raise Unreachable("the script was ended before it answered")
    raise MalformedOutput(f"the script gave no answer: {plain[-200:]}")


def _unpacked(packed: str) -> str:
    try:
        return gzip.decompress(base64.b64decode(packed, validate=True)).decode()
    except (binascii.Error, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise MalformedOutput(f"the answer did not arrive whole: {error}") from None


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)["sections"]
    except (ValueError, TypeError, KeyError) as error:
        raise MalformedOutput(f"the answer holds no sections: {error}") from None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise MalformedOutput("the answer's sections are no list of objects")
    return found


def _section(entry: Mapping[str, Any]) -> Section:
    """Make a section of an entry; one that tells no status has failed."""
    name, status = entry.get("name"), entry.get("status")
    if not isinstance(name, str) or status not in {0, 1}:
        raise MalformedOutput(f"no section: {json.dumps(entry)[:80]}")
    if status == 1:
        return Section(name, "", _error(entry.get("error")), 1)
    return Section(name, json.dumps(entry.get("value"), ensure_ascii=False), "", 0)


def _error(error: object) -> str:
    """Write an error in one line, its HRESULT first: `0x80240438 there is no route`."""
    if not isinstance(error, dict):
        return "no error is told"
    message = " ".join(str(error.get("message") or error.get("type") or "").split())
    code = error.get("hresult")
    known = f"0x{code & _UNSIGNED:08X} " if isinstance(code, int) and code else ""
    return f"{known}{message}".strip() or "no error is told"
