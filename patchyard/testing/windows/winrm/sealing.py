"""Sealed messages: SOAP inside multipart/encrypted, as MS-WSMV 2.2.9.1 has it."""

from __future__ import annotations

import re
import struct
from typing import Protocol

BOUNDARY = b"--Encrypted Boundary\r\n"
END = b"--Encrypted Boundary--\r\n"
SPNEGO = "application/HTTP-SPNEGO-session-encrypted"
CREDSSP = "application/HTTP-CredSSP-session-encrypted"
KERBEROS = "application/HTTP-Kerberos-session-encrypted"

CREDSSP_PIECE = 16384
"""Bytes of one TLS record: over CredSSP a longer message is sealed in pieces."""

LONGEST_PADDING = 16
"""Bytes by which Kerberos may fill up a block; clients differ in whether they count them."""

_HEAD = re.compile(
    rb"\s*Content-Type: (?P<protocol>application/HTTP-\w+-session-encrypted)\r\n"
    rb"\s*OriginalContent: type=application/soap\+xml;charset=UTF-8;Length=(?P<length>\d+)\r\n"
)
_DATA = b"\tContent-Type: application/octet-stream\r\n"


class Context(Protocol):
    """The part of a pyspnego context that sealing needs."""

    def wrap_winrm(self, data: bytes, /) -> tuple[bytes, bytes, int]:
        """Seal: signature, data, bytes of padding."""
        ...

    def unwrap_winrm(self, header: bytes, data: bytes, /) -> bytes:
        """Unseal."""
        ...


class Unsealable(Exception):
    """A message does not have the form of a sealed one, or was sealed for another context."""


def is_sealed(content_type: str) -> bool:
    """Say whether a message is sealed."""
    return content_type.startswith(("multipart/encrypted", "multipart/x-multi-encrypted"))


def seal(context: Context, protocol: str, plain: bytes) -> tuple[str, bytes]:
    """Seal a message; returns its content type and body."""
    pieces = [plain]
    if protocol == CREDSSP and len(plain) > CREDSSP_PIECE:
        starts = range(0, len(plain), CREDSSP_PIECE)
        pieces = [plain[start : start + CREDSSP_PIECE] for start in starts]
    kind = "multipart/encrypted" if len(pieces) == 1 else "multipart/x-multi-encrypted"
    body = b"".join(_part(context, protocol, piece) for piece in pieces) + END
    return f'{kind};protocol="{protocol}";boundary="Encrypted Boundary"', body


def _part(context: Context, protocol: str, plain: bytes) -> bytes:
    signature, data, padding = context.wrap_winrm(plain)
    return (
        BOUNDARY
        + f"\tContent-Type: {protocol}\r\n".encode()
        + b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;"
        + f"Length={len(plain) + padding}\r\n".encode()
        + BOUNDARY
        + _DATA
        + struct.pack("<I", len(signature))
        + signature
        + data
    )


def unseal(context: Context, content_type: str, body: bytes) -> bytes:
    """Open a sealed message.

    Raises:
        Unsealable: its form is wrong, or it was sealed for another context.
    """
    if not body.endswith(END):
        raise Unsealable("the last boundary is missing")
    parts = body.removesuffix(END).split(BOUNDARY)[1:]
    if not parts or len(parts) % 2:
        raise Unsealable("the parts are not in pairs")
    if len(parts) > 2 and not content_type.startswith("multipart/x-multi-encrypted"):  # noqa: PLR2004 - a head and its data
        raise Unsealable("more than one part, and the content type names one")
    return b"".join(
        _open(context, content_type, head, data)
        for head, data in zip(parts[::2], parts[1::2], strict=True)
    )


def _open(context: Context, content_type: str, head: bytes, data: bytes) -> bytes:
    said = _HEAD.fullmatch(head)
    if said is None or not data.startswith(_DATA):
        raise Unsealable("a part has not the right headers")
    if f'protocol="{said["protocol"].decode()}"' not in content_type:
        raise Unsealable("the content type names another protocol")
    sealed = data.removeprefix(_DATA)
    if len(sealed) < struct.calcsize("<I"):
        raise Unsealable("a part is too short")
    (length,) = struct.unpack_from("<I", sealed)
    if not 0 < length <= len(sealed) - 4:
        raise Unsealable("the signature is longer than the part")
    try:
        plain = context.unwrap_winrm(sealed[4 : 4 + length], sealed[4 + length :])
    except Exception as error:  # each mechanism raises kinds of its own
        raise Unsealable(f"sealed for another context ({type(error).__name__})") from error
    if not 0 <= int(said["length"]) - len(plain) <= LONGEST_PADDING:
        raise Unsealable("not as long as it says")
    return plain
