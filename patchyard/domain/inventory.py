"""The inventory: machines, how they are reached, and what is asked of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from patchyard.domain.credential import CredentialReference
from patchyard.domain.power import PowerSpec
from patchyard.domain.value import Value
from patchyard.domain.winrm import Winrm

Scalar = str | int | float | bool

# A number in quotes or a truth value must not turn into a number by itself.
_Whole = Annotated[int, Field(strict=True)]
_Seconds = Annotated[float, Field(strict=True)]

# An address and a user become part of commands: nothing in them may act or look like an option.
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:\[][A-Za-z0-9_.:%\[\]-]{0,254}$")]
"""A host name or an IP address."""

_User = Annotated[str, Field(pattern=r"^[^\s\-'\"`$;&|<>(){}][^\s'\"`$;&|<>(){}]{0,127}$")]

_DEFAULT_PORTS = {"ssh": 22, "winrm": 5986, "local": 0}
_WINRM_OVER_HTTP = 5985
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""The name of a machine."""

_PLACEHOLDER = re.compile(r"\{(address|port|user|name)\}")
# A number where text is meant is taken as that text. Values stay out of messages: a password
# that was written in the wrong place must not be repeated.
_WRITTEN = ConfigDict(coerce_numbers_to_str=True, hide_input_in_errors=True)


class Platform(StrEnum):
    """Where a machine runs. `arc` is a machine reached the way Azure Arc reaches one."""

    AZURE = "azure"
    AWS = "aws"
    GCP = "gcp"
    ON_PREM = "on_prem"
    ARC = "arc"
    OTHER = "other"


class OsFamily(StrEnum):
    """The family of operating systems a machine belongs to."""

    DEBIAN = "debian"
    RHEL = "rhel"
    SUSE = "suse"
    WINDOWS = "windows"


class JumpHost(Value):
    """A host to go through: the name of an inventory machine, or an address of its own.

    An inventory machine is reached by its own connection; `user` and `key` given here win.
    """

    model_config = _WRITTEN

    machine: str | None = Field(None, description="Name of the inventory machine to go through.")
    address: Address | None = Field(None, description="Address, where the host is in no inventory.")
    user: _User | None = Field(None, description="Login user on the jump host.")
    port: _Whole = Field(22, ge=1, le=65535, description="SSH port of the jump host.")
    key: CredentialReference | None = Field(None, description="Reference to the private key.")

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, written: object) -> object:
        return {"machine": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _one_of_both(self) -> JumpHost:
        if (self.machine is None) == (self.address is None):
            raise ValueError(
                "a jump host is written with machine (a name in this inventory) "
                "or with address, one of both"
            )
        return self


class Timeouts(Value):
    """Limits of a connection's phases, in seconds."""

    model_config = _WRITTEN

    connect: _Seconds = Field(10, gt=0, le=300, description="TCP connection, seconds.")
    banner: _Seconds = Field(15, gt=0, le=300, description="SSH banner, seconds.")
    auth: _Seconds = Field(20, gt=0, le=300, description="Log-in, seconds.")
    command: _Seconds = Field(120, gt=0, le=7200, description="One question to a machine, seconds.")


def _words(command: str) -> list[str]:
    """Split a command as a shell would; nothing where it cannot be split."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


class Connection(Value):
    """How a machine is reached. Secrets are references, never values."""

    model_config = _WRITTEN

    transport: Literal["ssh", "winrm", "local"] = Field("ssh", description="Protocol to use.")
    user: _User | None = Field(None, description="Login user.")
    port: _Whole | None = Field(
        None, ge=1, le=65535, description="Port; the protocol's own if empty."
    )
    key: CredentialReference | None = Field(None, description="Reference to the private key.")
    passphrase: CredentialReference | None = Field(
        None, description="Reference to the key's passphrase."
    )
    password: CredentialReference | None = Field(None, description="Reference to the password.")
    agent: bool = Field(
        default=False, strict=True, description="Ask the SSH agent of the controller for keys."
    )
    jump: tuple[JumpHost, ...] = Field((), description="Hosts to go through, nearest first.")
    proxy_command: str | None = Field(
        None,
        description="Command whose standard input and output are the link; "
        "{address}, {port}, {user} and {name} are filled in.",
    )
    sudo: Literal["none", "nopasswd", "password"] = Field(
        "nopasswd", description="How the login user starts jobs as root; none for root itself."
    )
    sudo_password: CredentialReference | None = Field(
        None, description="Reference to sudo's password."
    )
    known_hosts: str | None = Field(
        None,
        description="known_hosts file, relative to the inventory's folder; "
        "the user's own if empty.",
    )
    host_keys: Literal["strict", "trust_on_first_use"] = Field(
        "strict", description="What to do about a host key that is not known."
    )
    keepalive: _Whole = Field(
        15, ge=0, le=600, description="Seconds between keep-alives; 0 for none."
    )
    timeouts: Timeouts = Field(Timeouts(), description="Limits of the connection's phases.")
    winrm: Winrm = Field(Winrm(), description="How WinRM is spoken; for transport winrm.")

    @field_validator("jump", mode="before")
    @classmethod
    def _none_is_empty(cls, written: object) -> object:
        return () if written is None else written

    @field_validator("proxy_command")
    @classmethod
    def _known_placeholders(cls, written: str | None) -> str | None:
        if written is None:
            return None
        if not _words(written):
            raise ValueError("holds a quote that is not closed, or nothing at all")
        if "{" in (rest := _PLACEHOLDER.sub("", written)) or "}" in rest:
            raise ValueError(
                "may hold {address}, {port}, {user} and {name}, and no other braces: "
                "no shell reads it"
            )
        return written

    @property
    def effective_port(self) -> int:
        """The port, or the usual one of the transport; 0 for local."""
        if self.port is not None:
            return self.port
        if self.transport == "winrm" and self.winrm.scheme == "http":
            return _WINRM_OVER_HTTP
        return _DEFAULT_PORTS[self.transport]

    def contradictions(self) -> tuple[Contradiction, ...]:
        """Return what does not fit together.

        Only a complete connection is judged so; a part of one may be completed by inheritance.
        """
        found = []
        if self.sudo == "password" and self.sudo_password is None:
            found.append(_SUDO_WITHOUT_REFERENCE)
        if self.jump and self.proxy_command is not None:
            found.append(_TWO_WAYS)
        if self.transport == "winrm":
            found.extend(self._against_winrm())
        return tuple(found)

    def _against_winrm(self) -> Iterator[Contradiction]:
        if self.jump:
            yield _WINRM_DIRECTLY
        if self.proxy_command is not None:
            yield replace(_WINRM_DIRECTLY, field="proxy_command", causes=("proxy_command",))
        for field, message in self.winrm.contradictions():
            yield Contradiction(f"winrm.{field}", message, ("winrm", "transport"))


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Fields that do not fit together: what to change, and the fields that made it so."""

    field: str
    message: str
    causes: tuple[str, ...]


_SUDO_WITHOUT_REFERENCE = Contradiction(
    "sudo_password",
    "is missing, for sudo is password; write a reference, such as env:SUDO_PASSWORD",
    ("sudo",),
)
_TWO_WAYS = Contradiction(
    "proxy_command",
    "cannot stand together with jump, inherited ones included; "
    "write jump: [] or proxy_command: null beside the one that holds",
    ("jump", "proxy_command"),
)
_WINRM_DIRECTLY = Contradiction(
    "jump",
    "cannot stand with transport winrm, inherited ones included: WinRM goes to the machine "
    "directly; write jump: [] or proxy_command: null beside the transport",
    ("jump",),
)


class CheckSpec(Value):
    """A health question as written in an inventory: its kind, and that kind's options."""

    kind: str
    options: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """Say which question this is, in a few words."""
        values = " ".join(str(value) for value in self.options.values())
        return f"{self.kind} {values}".strip()


class Policy(Value):
    """What may be done to a machine, and how its health is judged. Inherited field by field."""

    model_config = _WRITTEN

    reboot: Literal["if_required", "never", "always"] | None = Field(
        None, description="Overrides the run's reboot setting for these machines."
    )
    undo: Literal["required", "preferred", "never"] = Field(
        "preferred",
        description="required: a machine that could not be undone is refused; "
        "preferred: undone where possible; never: left as it is.",
    )
    conffiles: Literal["keep", "replace"] = Field(
        "keep", description="Which version of a locally changed configuration file to keep."
    )
    stable_seconds: _Whole = Field(
        5, ge=0, le=3600, description="How long checks must hold before they count, in seconds."
    )
    check_seconds: _Whole = Field(
        60, ge=1, le=7200, description="How long checks may take to become good, in seconds."
    )
    reboot_seconds: _Whole = Field(
        900,
        ge=10,
        le=7200,
        description="Deadline for a machine to be back after a reboot, and there or off "
        "after its power was changed.",
    )
    lock_seconds: _Whole = Field(
        300, ge=0, le=7200, description="How long to wait for another process's package lock."
    )
    install_seconds: _Whole = Field(
        3600, ge=30, le=86400, description="After this long an install is reported as stuck."
    )
    when_off: Literal["start", "skip"] = Field(
        "skip",
        description="start: a machine that is off is started, and put back off afterwards; "
        "skip: it is left out. Its power says how this is known.",
    )
    max_clock_skew: _Whole = Field(
        300, ge=1, le=86400, description="Largest clock difference to the controller, in seconds."
    )


class Described(Value):
    """What a machine is, as it can be written for one machine or for many at once."""

    model_config = _WRITTEN

    platform: Platform = Field(Platform.OTHER, description="Where it runs.")
    os_family: OsFamily = Field(OsFamily.DEBIAN, description="Family of its operating system.")
    region: str | None = Field(None, description="Region of the cloud, or country.")
    zone: str | None = Field(None, description="Availability zone, or fire compartment.")
    availability_set: str | None = Field(
        None, description="Machines that stand in for each other; few are at work at once."
    )
    update_domain: str | None = Field(
        None, description="Part of an availability set; one part is at work at a time."
    )
    cluster: str | None = Field(
        None, description="Cluster; few of its machines are at work at once."
    )
    service: str | None = Field(
        None, description="What it serves, with others; one zone of it is at work at a time."
    )
    site: str | None = Field(None, description="Network place that one worker can reach.")
    tags: dict[str, Scalar] = Field({}, description="Tags: text, numbers, true or false.")
    facts: dict[str, Any] = Field({}, description="Anything else worth knowing.")
    power: PowerSpec | None = Field(
        None, description="How the machine is started and stopped: a kind with its options."
    )


class Machine(Described):
    """One machine, with everything its groups gave it already merged in."""

    name: str = Field(pattern=f"^{NAME.pattern}$")
    address: Address
    groups: tuple[str, ...] = ()
    connection: Connection = Connection()
    policy: Policy = Policy()
    checks: tuple[CheckSpec, ...] = ()

    @property
    def domains(self) -> tuple[str, ...]:
        """The failure domains in which few machines may be at work at once."""
        named = (("availability_set", self.availability_set), ("cluster", self.cluster))
        return tuple(f"{kind}:{name}" for kind, name in named if name)

    def fill(self, text: str) -> str:
        """Put this machine's values in place of {address}, {port}, {user} and {name}.

        Other braces stay as they are. Without a user, {user} becomes empty.
        """
        if "{" not in text:
            return text
        values = {
            "address": self.address,
            "port": str(self.connection.effective_port),
            "user": self.connection.user or "",
            "name": self.name,
        }
        return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


class Inventory(Value):
    """All machines of one inventory folder."""

    name: str
    folder: str
    machines: tuple[Machine, ...]

    @cached_property
    def _by_name(self) -> dict[str, Machine]:
        return {machine.name: machine for machine in self.machines}

    def machine(self, name: str) -> Machine | None:
        """Return the machine of that name, or None."""
        return self._by_name.get(name)
