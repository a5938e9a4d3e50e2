"""Credentials for SSH: private keys, the agent's keys, and the password, each tried once."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from pydantic import SecretStr

from patchyard.errors import AuthenticationFailed, PatchyardError
from patchyard.secrets import resolve
from patchyard.transports._route import Hop

AGENT_KEYS = 5
"""Keys of an agent that are tried: most servers hang up after six refused ones."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key to log in with, and what to call it in a message."""

    name: str
    key: paramiko.PKey


@contextmanager
def identities(hop: Hop, folder: Path) -> Iterator[Iterator[Identity]]:
    """Lend the keys for a host, in the order in which they are to be tried.

    Raises:
        AuthenticationFailed: a key cannot be read, or the agent does not answer.
    """
    agents: list[paramiko.Agent] = []
    try:
        yield _identities(hop, folder, agents)
    finally:
        for agent in agents:
            agent.close()


def _identities(hop: Hop, folder: Path, agents: list[paramiko.Agent]) -> Iterator[Identity]:
    if hop.key:
        yield Identity(f"the key {hop.key}", private_key(hop, hop.key, folder))
    if not hop.agent:
        return
    try:
        Path(os.environ.get("SSH_AUTH_SOCK", "")).resolve(strict=True)
        agents.append(paramiko.Agent())
        keys = agents[-1].get_keys()
    except (paramiko.SSHException, OSError) as error:
        raise AuthenticationFailed(
            f"{hop.label}: the SSH agent does not answer ({error}); is SSH_AUTH_SOCK right?"
        ) from error
    for key in keys[:AGENT_KEYS]:
        yield Identity(f"the agent's key {key.fingerprint}", key)


def secret(hop: Hop, reference: str, folder: Path) -> SecretStr:
    """Return the secret behind a reference.

    Raises:
        AuthenticationFailed: it cannot be had. The fleet goes on without this machine.
    """
    try:
        return resolve(reference, folder)
    except PatchyardError as error:
        raise AuthenticationFailed(f"{hop.label}: {error}") from error


def private_key(hop: Hop, reference: str, folder: Path) -> paramiko.PKey:
    """Return the private key behind a reference.

    Raises:
        AuthenticationFailed: it cannot be had, read, or decrypted.
    """
    text = secret(hop, reference, folder).get_secret_value()
    passphrase = None
    if hop.passphrase:
        passphrase = secret(hop, hop.passphrase, folder).get_secret_value()
    try:
        return _Loader(text, passphrase).key()
    except TypeError as error:
        raise AuthenticationFailed(
            f"{hop.label}: the key {reference} is encrypted; set connection.passphrase"
        ) from error
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException) as error:
        wrong = "; is the passphrase right?" if passphrase else "; is it a private key file?"
        raise AuthenticationFailed(
            f"{hop.label}: the key {reference} cannot be read{wrong}"
        ) from error


class _Loader:
    """A key's text and passphrase. Equal ones are decrypted once: bcrypt costs 0.1 s of CPU."""

    def __init__(self, text: str, passphrase: str | None) -> None:
        self._text = text.strip() + "\n"
        self._passphrase = passphrase
        material = f"{len(self._text)}\0{self._text}{passphrase}".encode()
        self._digest = hashlib.sha256(material).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Loader) and self._digest == other._digest

    def key(self) -> paramiko.PKey:
        return _load(self)

    def load(self) -> paramiko.PKey:
        data = self._text.encode()
        load = load_pem_private_key
        if "BEGIN OPENSSH PRIVATE KEY" in self._text:
            load = load_ssh_private_key
        if not self._passphrase:
            return _for_paramiko(load(data, None))
        try:
            return _for_paramiko(load(data, self._passphrase.encode()))
        except TypeError:  # the key is not encrypted; a passphrase too many is no error
            return _for_paramiko(load(data, None))


@lru_cache(maxsize=256)
def _load(loader: _Loader) -> paramiko.PKey:
    return loader.load()


def _for_paramiko(key: object) -> paramiko.PKey:
    if isinstance(key, rsa.RSAPrivateKey):
        return paramiko.RSAKey(key=key)
    if not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise UnsupportedAlgorithm(f"keys of the kind {type(key).__name__} are not supported")
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    kind = paramiko.Ed25519Key if isinstance(key, ed25519.Ed25519PrivateKey) else paramiko.ECDSAKey
    return kind.from_private_key(io.StringIO(plain))
