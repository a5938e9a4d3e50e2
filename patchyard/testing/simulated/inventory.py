"""A simulated yard written down as an inventory of Patchyard's own form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from patchyard.testing.simulated.machine import SimulatedMachine

USER = "patchyard"
GROUP = "simulated"

Groups = Mapping[str, Mapping[str, Any]]


def write_inventory(
    folder: Path, machines: Sequence[SimulatedMachine], port: int, host_key: str, groups: Groups
) -> None:
    """Write the files of the inventory; its keys are there already.

    Args:
        folder: the inventory's folder.
        machines: the machines.
        port: the port on which all of them listen.
        host_key: the public host key that all of them show.
        groups: settings of groups, in the inventory's own words.
    """
    listing = {machine.name: _entry(machine, folder) for machine in machines}
    _dump(folder / "machines.yaml", {"machines": listing})
    used: dict[str, Any] = {name: {} for machine in machines for name in machine.groups}
    known = {name: dict(settings) for name, settings in groups.items()}
    connection = {
        "user": USER,
        "port": port,
        "key": "file:keys/id_ed25519",
        "known_hosts": "known_hosts",
        "sudo": "nopasswd",
    }
    _dump(
        folder / "groups.yaml",
        {"defaults": {"connection": connection}, "groups": used | known},
    )
    kind, blob = host_key.split()[:2]
    lines = (f"[{machine.address}]:{port} {kind} {blob}\n" for machine in machines)
    (folder / "known_hosts").write_text("".join(lines))


def _entry(machine: SimulatedMachine, folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"address": machine.address, "groups": list(machine.groups)}
    connection: dict[str, Any] = {}
    if machine.password:
        connection |= {"key": None, "password": _secret(folder, machine, "login", machine.password)}
    if machine.sudo_password:
        reference = _secret(folder, machine, "sudo", machine.sudo_password)
        connection |= {"sudo": "password", "sudo_password": reference}
    if connection:
        entry["connection"] = connection
    return entry | dict(machine.settings)


def _secret(folder: Path, machine: SimulatedMachine, what: str, value: str) -> str:
    name = f"keys/{machine.name}.{what}"
    (folder / name).touch(mode=0o600)
    (folder / name).write_text(value)
    return f"file:{name}"


def _dump(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False, width=200), encoding="utf-8")
