"""What an inventory says about WinRM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from patchyard.domain.credential import CredentialReference
from patchyard.domain.value import Value

_HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,254}$")]


class Winrm(Value):
    """How WinRM is spoken. Certificates are always checked."""

    # As in the rest of an inventory: numbers become text, and no message repeats a value.
    model_config = ConfigDict(coerce_numbers_to_str=True, hide_input_in_errors=True)

    auth: Literal["ntlm", "kerberos", "certificate", "basic", "credssp"] = Field(
        "ntlm", description="How to log in; credssp hands the password over to the machine."
    )
    scheme: Literal["https", "http"] = Field(
        "https", description="http only with ntlm, kerberos or credssp: they seal every message."
    )
    ca: str | None = Field(
        None,
        description="File (PEM) with the authorities that machines' certificates come from, "
        "relative to the inventory's folder; the public ones if empty.",
    )
    certificate: str | None = Field(
        None,
        description="File (PEM) with the client certificate for auth certificate, "
        "relative to the inventory's folder.",
    )
    certificate_key: CredentialReference | None = Field(
        None, description="Reference to its private key; connection.passphrase opens a locked one."
    )
    kerberos_hostname: _HostName | None = Field(
        None, description="Host name in the machine's service principal; its address if empty."
    )
    allow_proxy: bool = Field(
        default=False, strict=True, description="Use the proxies of the controller's environment."
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Tell what does not fit together: the field to change, and what to write."""
        if self.scheme == "http" and self.auth in {"basic", "certificate"}:
            yield "scheme", f"must be https, for auth is {self.auth}: http would show the secret"
        if self.auth == "certificate":
            for field in ("certificate", "certificate_key"):
                if getattr(self, field) is None:
                    yield field, "is missing, for auth is certificate"
