"""The local transport keeps the contract of the others."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from patchyard.domain.inventory import Connection, Inventory, Machine
from patchyard.errors import MachineError, PrivilegeRefused, TimedOut
from patchyard.registry import load
from patchyard.transports import Transport, TransportSpec, open_transport

SOON = timedelta(seconds=15)


def local(**changes: object) -> Transport:
    connection = Connection.model_validate({"transport": "local", "sudo": "none", **changes})
    machine = Machine(name="here", address="localhost", connection=connection)
    return open_transport(machine, Inventory(name="t", folder="/", machines=(machine,)))


def test_a_script_is_run_and_answers() -> None:
    done = local().run("echo out; root echo err >&2; cat; exit 3", timeout=SOON)
    assert (done.exit_status, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_large_answer_arrives() -> None:
    assert len(local().run("seq 1 200000", timeout=SOON).stdout) > 1_000_000


def test_a_deadline_holds_and_ends_what_was_started() -> None:
    begun = time.monotonic()
    with pytest.raises(TimedOut, match=r"here: no answer within 0.5 s"):
        local().run("sleep 30 & sleep 30", timeout=timedelta(seconds=0.5))
    assert time.monotonic() - begun < 3


def test_sudo_without_a_password_to_give_is_refused() -> None:
    with pytest.raises(PrivilegeRefused, match=r"set connection.sudo_password"):
        local(sudo="password").run("true", timeout=SOON)


def test_every_transport_is_found_by_its_name() -> None:
    found = load("patchyard.transports", "TRANSPORT", TransportSpec)
    assert {"ssh", "local"} <= set(found)


def test_a_transport_that_is_not_there_is_named() -> None:
    pigeon = Connection().model_copy(update={"transport": "carrier-pigeon"})
    machine = Machine(name="win", address="x", connection=pigeon)
    with pytest.raises(MachineError, match="no transport 'carrier-pigeon'"):
        open_transport(machine, Inventory(name="t", folder="/", machines=()))
