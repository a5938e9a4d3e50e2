from __future__ import annotations

import pytest

from patchyard.testing.windows.winrm import sealing
from patchyard.testing.windows.winrm.sealing import CREDSSP, SPNEGO, Unsealable


class Upside:
    """A context whose seal is the text backwards, signed by its length."""

    def __init__(self, padding: int = 0) -> None:
        self._padding = padding

    def wrap_winrm(self, data: bytes) -> tuple[bytes, bytes, int]:
        return b"%06d" % len(data), data[::-1], self._padding

    def unwrap_winrm(self, header: bytes, data: bytes) -> bytes:
        if header != b"%06d" % len(data):
            raise ValueError("wrong signature")
        return data[::-1]


KIND, SEALED = sealing.seal(Upside(), SPNEGO, b"hello")


@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("protocol", [SPNEGO, CREDSSP])
@pytest.mark.parametrize("size", [0, 5, 16384, 16385, 50_000])
def test_what_is_sealed_can_be_unsealed(protocol: str, size: int, padding: int) -> None:
    context = Upside(padding)
    kind, body = sealing.seal(context, protocol, b"x" * size)
    assert sealing.unseal(context, kind, body) == b"x" * size
    assert kind.startswith("multipart/x-multi") == (protocol == CREDSSP and size > 16384)
    assert sealing.is_sealed(kind)


def test_the_parts_are_as_the_specification_has_them() -> None:
    assert SEALED == (
        b"--Encrypted Boundary\r\n"
        b"\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
        b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=5\r\n"
        b"--Encrypted Boundary\r\n"
        b"\tContent-Type: application/octet-stream\r\n"
        b"\x06\x00\x00\x00000005olleh--Encrypted Boundary--\r\n"
    )


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (KIND, SEALED[:-1], "last boundary"),
        (KIND, sealing.END, "pairs"),
        (KIND, SEALED.replace(b"Length=5", b"Length=4"), "as long as"),
        (KIND, SEALED.replace(b"Length=5", b"Length=500"), "as long as"),
        (KIND, SEALED.replace(b"000005", b"000006"), "another context"),
        (KIND, SEALED.replace(b"\x06\x00\x00\x00", b"\xff\x00\x00\x00"), "longer than the part"),
        (KIND, SEALED.replace(b"\x06\x00\x00\x00000005olleh", b"\x06"), "too short"),
        (KIND, SEALED.replace(b"octet", b"octopus"), "headers"),
        (KIND, SEALED.replace(b"SPNEGO", b"CredSSP"), "another protocol"),
        (KIND, SEALED.removesuffix(sealing.END) + SEALED, "names one"),
    ],
)
def test_what_has_not_the_form_is_refused(kind: str, body: bytes, told: str) -> None:
    with pytest.raises(Unsealable, match=told):
        sealing.unseal(Upside(), kind, body)
