"""A certificate authority for tests: certificates of servers and of people, good and bad ones."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key.

    Attributes:
        path: a PEM file with both.
        certificate: a PEM file with the certificate alone.
        key: a PEM file with the key alone.
        der: the certificate's bytes.
    """

    path: Path
    certificate: Path
    key: Path
    der: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint, as accounts name it."""
        return hashlib.sha256(self.der).hexdigest()


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            self._builder(self._name, self._key, timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / "authority.pem"
        """The authority's own certificate, for those who trust it."""
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + valid)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )

    def server(self, *names: str, expired: bool = False, file: str = "server") -> Issued:
        """Issue a server's certificate for host names and addresses."""
        return self._issue(file, names, ExtendedKeyUsageOID.SERVER_AUTH, expired=expired)

    def client(self, user: str, *, file: str = "client", passphrase: str = "") -> Issued:
        """Issue a person's certificate; its key file is encrypted where a passphrase is given."""
        return self._issue(file, (user,), ExtendedKeyUsageOID.CLIENT_AUTH, passphrase=passphrase)

    def _issue(
        self,
        file: str,
        names: tuple[str, ...],
        usage: x509.ObjectIdentifier,
        *,
        expired: bool = False,
        passphrase: str = "",
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        valid = timedelta(days=-1) if expired else timedelta(days=30)
        certificate = (
            self._builder(subject, key, valid)
            .add_extension(x509.SubjectAlternativeName([_name(n) for n in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        pem = certificate.public_bytes(Encoding.PEM)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
        issued = Issued(
            path=self._folder / f"{file}.pem",
            certificate=self._folder / f"{file}.crt",
            key=self._folder / f"{file}.key",
            der=certificate.public_bytes(Encoding.DER),
        )
        for path, content in (
            (issued.path, pem + secret),
            (issued.certificate, pem),
            (issued.key, secret),
        ):
            path.touch(mode=0o600)
            path.write_bytes(content)
        return issued


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.RFC822Name(text) if "@" in text else x509.DNSName(text)
