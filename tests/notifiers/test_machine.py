"""Messages on simulated machines, each told once."""

from __future__ import annotations

import time
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard import operations
from patchyard.domain.inventory import Inventory, Machine
from patchyard.errors import HostKeyRejected
from patchyard.notifiers import machine as notifier
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


def test_machines_that_cannot_be_asked_keep_nobody_waiting_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notifier, "AT_ONCE", 1)
    monkeypatch.setattr(notifier, "LONGEST", timedelta(seconds=0.3))
    who = ContextVar("who", default="nobody")
    asked: list[str] = []

    def open_slowly(machine: Machine, _inventory: Inventory) -> None:
        asked.append(f"{machine.name} {who.get()}")
        time.sleep(0.2)
        raise RuntimeError("a bug") if machine.name == "a" else HostKeyRejected("no answer")

    monkeypatch.setattr(notifier, "open_transport", open_slowly)
    machines = tuple(Machine(name=name, address="127.66.0.1") for name in "abcde")
    token = who.set("me")
    told = send(letter("", Inventory(name="x", folder=".", machines=machines), *"abcde"))
    who.reset(token)
    assert asked == ["a me", "b me"]
    assert told == (
        "5 of 5 machines could not be told: a: Patchyard itself failed here: RuntimeError('a bug');"
        " b: no answer; c: not tried within 0.3 s; and 2 more"
    )
