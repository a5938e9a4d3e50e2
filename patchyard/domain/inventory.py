"""The inventory: machines, how they are reached, and what is asked of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_validator

from patchyard.domain.credential import CredentialReference
from patchyard.domain.value import Value

Scalar = str | int | float | bool


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
    """A host to go through: the name of an inventory machine, or an address of its own."""

    machine: str | None = Field(None, description="Name of the inventory machine to go through.")
    address: str | None = Field(None, description="Address, where the host is in no inventory.")
    user: str | None = Field(None, description="Login user on the jump host.")
    port: int = Field(22, ge=1, le=65535, description="SSH port of the jump host.")
    key: CredentialReference | None = Field(None, description="Reference to the private key.")


class Timeouts(Value):
    """Limits of a connection's phases, in seconds."""

    connect: float = Field(10, gt=0, le=300, description="TCP connection, seconds.")
    banner: float = Field(15, gt=0, le=300, description="SSH banner, seconds.")
    auth: float = Field(20, gt=0, le=300, description="Log-in, seconds.")
    command: float = Field(120, gt=0, le=7200, description="One question to a machine, seconds.")


class Connection(Value):
    """How a machine is reached. Secrets are references, never values."""

    transport: Literal["ssh", "winrm", "local"] = Field("ssh", description="Protocol to use.")
    user: str | None = Field(None, description="Login user.")
    port: int | None = Field(None, ge=1, le=65535, description="Port; the protocol's own if empty.")
    key: CredentialReference | None = Field(None, description="Reference to the private key.")
    passphrase: CredentialReference | None = Field(
        None, description="Reference to the key's passphrase."
    )
    password: CredentialReference | None = Field(None, description="Reference to the password.")
    agent: bool = Field(False, description="Ask the SSH agent of the controller for keys.")
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
        description="known_hosts file, relative to the inventory's folder; the user's own if empty.",
    )
    host_keys: Literal["strict", "trust_on_first_use"] = Field(
        "strict", description="What to do about a host key that is not known."
    )
    keepalive: int = Field(15, ge=0, le=600, description="Seconds between keep-alives; 0 for none.")
    timeouts: Timeouts = Field(Timeouts(), description="Limits of the connection's phases.")


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
    stable_seconds: int = Field(
        5, ge=0, le=3600, description="How long checks must hold before they count, in seconds."
    )
    check_seconds: int = Field(
        60, ge=1, le=7200, description="How long checks may take to become good, in seconds."
    )
    reboot_seconds: int = Field(
        900, ge=10, le=7200, description="Deadline for a machine to be back after a reboot."
    )
    lock_seconds: int = Field(
        300, ge=0, le=7200, description="How long to wait for another process's package lock."
    )
    install_seconds: int = Field(
        3600, ge=30, le=86400, description="After this long an install is reported as stuck."
    )
    max_clock_skew: int = Field(
        300, ge=1, le=86400, description="Largest clock difference to the controller, in seconds."
    )


class Group(Value):
    """Settings that machines share. Later groups of a machine win over earlier ones."""

    connection: dict[str, Any] = Field({}, description="Connection fields for these machines.")
    policy: dict[str, Any] = Field({}, description="Policy fields for these machines.")
    checks: tuple[CheckSpec, ...] = Field(
        (), description="Health questions, added to other groups'."
    )
    tags: dict[str, Scalar] = Field({}, description="Tags, merged into the machines' own.")
    facts: dict[str, Any] = Field({}, description="Free facts, merged into the machines' own.")


class Machine(Value):
    """One machine, with everything its groups gave it already merged in."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    address: str
    platform: Platform = Platform.OTHER
    os_family: OsFamily = OsFamily.DEBIAN
    region: str | None = None
    zone: str | None = None
    availability_set: str | None = None
    cluster: str | None = None
    site: str | None = None
    tags: dict[str, Scalar] = {}
    facts: dict[str, Any] = {}
    groups: tuple[str, ...] = ()
    connection: Connection = Connection()
    policy: Policy = Policy()
    checks: tuple[CheckSpec, ...] = ()

    @field_validator("zone", mode="before")
    @classmethod
    def _zone_is_text(cls, zone: object) -> object:
        return str(zone) if isinstance(zone, int) else zone

    @property
    def domains(self) -> tuple[str, ...]:
        """The failure domains in which few machines may be at work at once."""
        named = (("availability_set", self.availability_set), ("cluster", self.cluster))
        return tuple(f"{kind}:{name}" for kind, name in named if name)


class Inventory(Value):
    """All machines of one inventory folder."""

    name: str
    folder: str
    machines: tuple[Machine, ...]

    def machine(self, name: str) -> Machine | None:
        """Return the machine of that name, or None."""
        return next((machine for machine in self.machines if machine.name == name), None)
