"""Writing a computer's state to a file, and taking it up again after a while."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patchyard.testing.windows.host.faults import Caused, Fault

if TYPE_CHECKING:
    from patchyard.testing.windows.host.computer import SimulatedComputer

FORMAT = 1


def save(computer: SimulatedComputer, path: Path) -> None:
    """Write everything that outlives a reboot; what runs is not part of it."""
    computer.settle()
    state: dict[str, Any] = {
        "format": FORMAT,
        "name": computer.name,
        "boots": computer.boots,
        "registry": computer.registry.state(),
        "files": computer.files.state(),
        "services": computer.services.state(),
        "events": computer.events.state(),
        "store": computer.store.state(),
        "updates": computer.updates.state(),
        "tasks": computer.tasks.state(),
        "folders": sorted(computer.tasks.folders),
        "faults": [[c.fault.value, c.detail, c.left] for c in computer.faults.caused],
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(state), encoding="utf-8")
    fresh.replace(path)


def load(computer: SimulatedComputer, path: Path) -> None:
    """Make a computer what another one was that was saved: it has been off, and has booted.

    Raises:
        ValueError: the file is of another computer or another form.
    """
    state = json.loads(path.read_text(encoding="utf-8"))
    if state["format"] != FORMAT or state["name"] != computer.name:
        raise ValueError(f"{path} holds {state['name']!r} in the form {state['format']}")
    for part in ("registry", "files", "services", "events", "store", "updates", "tasks"):
        getattr(computer, part).load(state[part])
    computer.tasks.folders = set(state["folders"])
    computer.faults.caused = [Caused(Fault(name), d, left) for name, d, left in state["faults"]]
    computer.boots = state["boots"]
    computer.supply.boot_at_once()
