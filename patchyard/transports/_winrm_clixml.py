"""CLIXML: how PowerShell writes its other streams to standard error when nobody watches.

    #< CLIXML
    <Objs ...><S S="Error">It failed_x000D__x000A_</S><Obj S="progress">...</Obj></Objs>

Only errors are errors: progress, warnings and verbose talk would make a success look like a
failure. Source of the form: MS-PSRP 2.2.5 (serialisation).
"""

from __future__ import annotations

import html
import re

_DOCUMENT = re.compile(r"#< CLIXML\r?\n(?:<Objs\b.*?</Objs>|<Objs\b.*\Z)?", re.DOTALL)
"""A document, or one whose end was cut off with its program."""

_ERROR = re.compile(r'<S S="Error">([^<]*)</S>')
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""A UTF-16 unit that XML cannot hold (MS-PSRP 2.2.5.3.2)."""


def errors(text: str) -> str:
    """Return the errors in a standard error; what is no CLIXML stays as it is."""
    if "#< CLIXML" not in text:
        return text
    return _DOCUMENT.sub(lambda found: _errors_of(found[0]), text).lstrip("\n")


def _errors_of(document: str) -> str:
    return "".join(map(_plain, _ERROR.findall(document)))


def _plain(value: str) -> str:
    units = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), html.unescape(value))
    # Characters beyond the first 65,536 come as two halves: join them, replace a lone one.
    joined = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\r\n", "\n")
