"""The yard written down as Patchyard's own inventory, and as an ssh_config for people."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.yard import tunnel
from tests.yard.machine import Machine
from tests.yard.spec import Reach

PASSWORD = "keys/operator.password"
KEY = "keys/id_ed25519"
DEFAULTS = {
    "transport": "ssh",
    "user": "patchyard",
    "port": 22,
    "key": f"file:{KEY}",
    "known_hosts": "known_hosts",
    "sudo": "nopasswd",
}
Groups = Mapping[str, Mapping[str, Any]]


class _Plain(yaml.SafeDumper):
    """Writes a value out each time it is used; people do not read anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as PyYAML has it
        return True


def write(folder: Path, machines: Sequence[Machine], groups: Groups) -> None:
    """Write the inventory's files; the keys are there already."""
    gateway = next((each.name for each in machines if each.spec.reach is Reach.GATEWAY), None)
    listing = {machine.name: _entry(machine, gateway) for machine in machines}
    _dump(folder / "machines.yaml", {"machines": listing})
    known = {name: dict(group) for name, group in groups.items()}
    used: dict[str, dict[str, Any]] = {n: {} for each in machines for n in each.spec.groups}
    whole = {"defaults": {"connection": DEFAULTS}, "groups": used | known}
    _dump(folder / "groups.yaml", whole)
    lines = [f"{each.name},{each.address} {each.host_key}\n" for each in machines]
    (folder / "known_hosts").write_text("".join(lines), encoding="ascii")
    config = "".join(_ssh_host(folder, machine, gateway) for machine in machines)
    (folder / "ssh_config").write_text(config, encoding="utf-8")


def connection(machine: Machine, gateway: str | None) -> dict[str, Any]:
    """What a machine's connection says beyond the defaults."""
    match machine.spec.reach:
        case Reach.ROOT:
            return {"user": "root", "sudo": "none"}
        case Reach.PASSWORD_SUDO:
            secret = f"file:{PASSWORD}"
            login = {"user": "operator", "key": None, "password": secret}
            return {**login, "sudo": "password", "sudo_password": secret}
        case Reach.BASTION:
            return {"jump": [gateway]}
        case Reach.PROXY_COMMAND:
            return {"proxy_command": tunnel_command(machine)}
    return {}


def tunnel_command(machine: Machine) -> str:
    """The ProxyCommand of a machine that has no port."""
    return f"{sys.executable} -IS {tunnel.__file__} {machine.tunnel}/ssh.sock"


def _entry(machine: Machine, gateway: str | None) -> dict[str, Any]:
    spec = machine.spec
    return {
        "address": machine.address,
        "platform": spec.platform,
        "os_family": "debian",
        "site": "yard",
        "zone": spec.zone,
        "availability_set": spec.availability_set,
        "cluster": None,
        "tags": dict(spec.tags),
        "groups": list(spec.groups),
        "connection": connection(machine, gateway),
    }


def _dump(path: Path, document: dict[str, Any]) -> None:
    text = yaml.dump(document, Dumper=_Plain, sort_keys=False, width=200)
    path.write_text(text, encoding="utf-8")


def _ssh_host(folder: Path, machine: Machine, gateway: str | None) -> str:
    special = connection(machine, gateway)
    options = {
        "HostName": machine.address,
        "User": special.get("user", DEFAULTS["user"]),
        "UserKnownHostsFile": folder / "known_hosts",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "IdentityFile": folder / KEY,
    }
    if machine.spec.reach is Reach.PASSWORD_SUDO:
        options["PreferredAuthentications"] = "password"
    if machine.spec.reach is Reach.BASTION:
        options["ProxyJump"] = gateway
    if machine.spec.reach is Reach.PROXY_COMMAND:
        options["ProxyCommand"] = special["proxy_command"]
    lines = "".join(f"    {key} {value}\n" for key, value in options.items())
    return f"Host {machine.name}\n{lines}"
