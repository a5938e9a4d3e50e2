"""Messages on simulated machines, each told once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from patchyard import operations
from patchyard.domain.inventory import Inventory
from patchyard.notifiers.machine import send
from patchyard.providers import load_inventory
from patchyard.testing.simulated import SimulatedYard, machines
from tests.notifiers.letters import letter

TEXT = "It begins in 1h; don't $(reboot)."


def test_it_is_shown_on_every_machine_once(tmp_path: Path) -> None:
    with SimulatedYard(tmp_path / "yard", machines(2)) as yard:
        inventory = load_inventory(yard.inventory)
        names = [machine.name for machine in yard.machines]
        for _ in range(2):
            assert send(letter("", inventory, *names, text=TEXT)) == ""
        for name in names:
            assert (yard.root(name) / ".simulated/shown").read_text() == f"{TEXT}\n"
        assert yard.refused() == ()


def test_a_machine_that_cannot_be_told_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MESSAGE_LIMIT", timedelta(seconds=3))
    with SimulatedYard(tmp_path / "yard", machines(2)) as yard:
        inventory = load_inventory(yard.inventory)
        good, bad = inventory.machines
        port = bad.connection.model_copy(update={"port": 1})
        wrong = Inventory(
            name="x",
            folder=inventory.folder,
            machines=(good, bad.model_copy(update={"connection": port, "os_family": "windows"})),
        )
        told = send(letter("", wrong, good.name, bad.name))
    assert told.startswith(f"1 of 2 machines could not be told: {bad.name}: ")
