"""Where a machine's WinRM service is, and with what to log in there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from patchyard.domain.inventory import Inventory, Machine, Timeouts
from patchyard.domain.winrm import Winrm
from patchyard.errors import AuthenticationFailed, HostKeyRejected, MachineError, PatchyardError
from patchyard.secrets import resolve

WITH_PASSWORD = frozenset({"ntlm", "basic", "credssp"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One machine's service, with all that a log-in needs. Only the password is a secret here.

    Attributes:
        name: the machine's name.
        label: its name and place, for messages.
        url: the whole URL: pywinrm takes apart no other form rightly.
        user: who logs in; empty for a certificate, or for whoever holds a Kerberos ticket.
        password: their password, where there is one.
        winrm: what the inventory says about WinRM.
        ca: the file with the authorities to trust; None for the public ones.
        certificate: the client certificate, for auth certificate.
        key: its private key as plain PEM.
        timeouts: the limits of the phases.
    """

    name: str
    label: str
    url: str
    user: str
    password: SecretStr | None
    winrm: Winrm
    ca: Path | None
    certificate: Path | None
    key: SecretStr | None
    timeouts: Timeouts

    @property
    def seals(self) -> bool:
        """Whether every message must be sealed, for no TLS does it."""
        return self.winrm.scheme == "http"

    @classmethod
    def of(cls, machine: Machine, inventory: Inventory) -> Endpoint:
        """Read a machine's connection, and fetch its secrets.

        Raises:
            AuthenticationFailed: there is no user or credential, or it cannot be had.
            HostKeyRejected: the file with the authorities is missing.
            MachineError: the connection contradicts itself.
        """
        connection, folder = machine.connection, Path(inventory.folder)
        place = _place(machine.address, connection.effective_port)
        label = f"{machine.name} ({place})"
        for found in connection.contradictions():
            raise MachineError(f"{machine.name}: connection.{found.field} {found.message}")
        winrm = connection.winrm
        _must_have_credential(machine, label)
        return cls(
            name=machine.name,
            label=label,
            url=f"{winrm.scheme}://{place.replace('%', '%25')}/wsman",
            user=connection.user or "",
            password=_secret(connection.password, folder, label),
            winrm=winrm,
            ca=_authorities(winrm.ca, folder, label),
            certificate=_certificate(winrm, folder, label),
            key=_key(machine, folder, label),
            timeouts=connection.timeouts,
        )


def _place(address: str, port: int) -> str:
    """Write address and port as a URL does; an address may come with brackets or without."""
    plain = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    return f"[{plain}]:{port}" if ":" in plain else f"{plain}:{port}"


def _must_have_credential(machine: Machine, label: str) -> None:
    connection = machine.connection
    auth = connection.winrm.auth
    if auth in WITH_PASSWORD and not (connection.user and connection.password):
        raise AuthenticationFailed(
            f"{label}: auth {auth} needs a user and a password; "
            "set connection.user and connection.password"
        )
    if auth == "kerberos" and connection.password and not connection.user:
        raise AuthenticationFailed(
            f"{label}: a password without a user; set connection.user to USER@REALM"
        )


def _secret(reference: str | None, folder: Path, label: str) -> SecretStr | None:
    if reference is None:
        return None
    try:
        return resolve(reference, folder)
    except PatchyardError as error:
        raise AuthenticationFailed(f"{label}: {error}") from error


def _authorities(written: str | None, folder: Path, label: str) -> Path | None:
    if written is None:
        return None
    path = folder / Path(written).expanduser()
    if not path.is_file() or not os.access(path, os.R_OK):
        raise HostKeyRejected(
            f"{label}: connection.winrm.ca: there is no readable file {path}, so its "
            "certificate cannot be checked"
        )
    return path


def _certificate(winrm: Winrm, folder: Path, label: str) -> Path | None:
    if winrm.auth != "certificate" or winrm.certificate is None:
        return None
    path = folder / Path(winrm.certificate).expanduser()
    if not path.is_file() or not os.access(path, os.R_OK):
        raise AuthenticationFailed(
            f"{label}: connection.winrm.certificate: there is no readable file {path}"
        )
    return path


def _key(machine: Machine, folder: Path, label: str) -> SecretStr | None:
    """Return the key unlocked: OpenSSL would ask the terminal for a passphrase, and wait."""
    connection = machine.connection
    reference = connection.winrm.certificate_key
    if connection.winrm.auth != "certificate" or reference is None:
        return None
    held = _secret(reference, folder, label)
    passphrase = _secret(connection.passphrase, folder, label)
    assert held is not None  # noqa: S101 - there is a reference
    try:
        return SecretStr(_unlocked(held.get_secret_value(), passphrase))
    except TypeError as error:
        raise AuthenticationFailed(
            f"{label}: the key {reference} is encrypted; set connection.passphrase"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        wrong = "is the passphrase right?" if passphrase else "is it a private key in PEM?"
        raise AuthenticationFailed(
            f"{label}: the key {reference} cannot be read; {wrong}"
        ) from error


def _unlocked(text: str, passphrase: SecretStr | None) -> str:
    data = text.encode()
    locked = b"ENCRYPTED" in data
    word = passphrase.get_secret_value().encode() if passphrase and locked else None
    key = load_pem_private_key(data, word)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
