"""What a machine of the yard shall be: said by a test, kept beside the machine as JSON."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

# The rules that the documentation gives, so that the yard proves them with every run.
SUDOERS = (Path(__file__).parents[2] / "docs" / "sudoers").read_text(encoding="utf-8")
PASSWORD_SUDOERS = SUDOERS.replace("patchyard ALL=(root) NOPASSWD:", "operator ALL=(root)")


class Reach(StrEnum):
    """How one gets to a machine."""

    DIRECT = "direct"
    ROOT = "root"
    PASSWORD_SUDO = "password_sudo"
    GATEWAY = "gateway"  # a direct machine that also stands in the private network
    BASTION = "bastion"  # only in the private network, through the gateway
    PROXY_COMMAND = "proxy_command"  # no port at all: a tunnel is its only door


@dataclass(frozen=True)
class MachineSpec:
    """One machine, as a test or the demo wants it."""

    name: str
    reach: Reach = Reach.DIRECT
    platform: str = "on_prem"
    zone: str | None = None
    availability_set: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    sudoers: str = SUDOERS
    var_size: str | None = None  # a /var of its own of this size, such as "64M"
    cold_archives: bool = False  # must download its packages itself


@dataclass(frozen=True)
class Place:
    """Where one machine lives on this box, decided by its yard."""

    home: Path
    base: Path
    address: str
    network: str | None  # a named network namespace, or the box's own network
    owner: int | None  # ends itself when this process is gone
    public_key: str
    password_hash: str


def save(path: Path, spec: MachineSpec, place: Place) -> None:
    """Write a machine down beside it, for the supervisor and for later commands."""
    whole = {"spec": asdict(spec), "place": asdict(place)}
    path.write_text(json.dumps(whole, default=str, indent=1), encoding="utf-8")
    path.chmod(0o600)


def load(path: Path) -> tuple[MachineSpec, Place]:
    """Read a machine back."""
    whole = json.loads(path.read_text(encoding="utf-8"))
    spec, place = whole["spec"], whole["place"]
    spec |= {"reach": Reach(spec["reach"]), "groups": tuple(spec["groups"])}
    place |= {"home": Path(place["home"]), "base": Path(place["base"])}
    return MachineSpec(**spec), Place(**place)
