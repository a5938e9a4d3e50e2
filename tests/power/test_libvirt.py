"""The libvirt provider against a real libvirt, a real hypervisor, and guests that run there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.outcome import Status
from patchyard.domain.power import PowerState
from patchyard.power import PowerFailed, PowerSwitch, open_switch
from patchyard.powering import leave
from patchyard.runs import begin, now
from tests.power.hypervisor import Hypervisor, hypervisor, system, until

OBEYS, DEAF = "obeys", "deaf"


@pytest.fixture(scope="module")
def host() -> Iterator[Hypervisor]:
    """A host with two guests, which are off: one with a system, and one that obeys no button."""
    with hypervisor() as host:
        host.define(OBEYS, system(host.folder))
        host.define(DEAF)
        yield host


@pytest.fixture
def deaf(host: Hypervisor) -> PowerSwitch:
    """The switch of a guest that runs, and obeys no button."""
    host.virsh("managedsave-remove", DEAF, check=False)
    host.virsh("destroy", DEAF, check=False)
    host.virsh("start", DEAF)
    return switch(host.uri, DEAF)


def switch(uri: str, name: str, **options: object) -> PowerSwitch:
    power = {"libvirt": {"uri": uri, **options}}
    machine = Machine.model_validate({"name": name, "address": "127.0.0.9", "power": power})
    found = open_switch(machine, Inventory(name="x", folder="/", machines=(machine,)))
    assert found is not None
    return found


def test_a_guest_is_started_and_shut_down_by_its_power_button(host: Hypervisor) -> None:
    guest = switch(host.uri, "web-1", domain=OBEYS)
    assert guest.state() == PowerState.OFF
    guest.start()
    assert guest.state() == PowerState.ON
    host.wait_until_up(OBEYS)
    guest.stop()
    until("off", lambda: guest.state() == PowerState.OFF)
    assert host.virsh("domstate", "--reason", OBEYS) == "shut off (shutdown)"
    assert "reboot: Power down" in Path(host.path(f"{OBEYS}.serial")).read_text(errors="replace")


def test_a_guest_that_does_not_obey_stays_on_and_is_not_cut_off(
    host: Hypervisor, deaf: PowerSwitch
) -> None:
    before = host.pid(DEAF)
    deaf.stop()
    deaf.stop()
    assert deaf.state() == PowerState.ON
    assert host.pid(DEAF) == before


INVENTORY = """
machines:
  {name}:
    address: 127.0.0.9
    power: {{libvirt: {{uri: "{uri}"}}}}
    policy: {{when_off: start, reboot_seconds: 10}}
"""


def test_one_that_was_started_for_a_run_and_does_not_obey_is_told_as_left_on(
    host: Hypervisor, deaf: PowerSwitch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/machines.yaml").write_text(INVENTORY.format(name=DEAF, uri=host.uri))
    given = {"inventory": str(tmp_path / "mine"), "scope": "all"}
    with begin("patch", **given, parameters={"slots": 1}, flow_run_id="") as run:
        run.store.add_machines(run.id, [(DEAF, 1, 0)])
        run.store.record_start(run.id, DEAF, run.clock())
        late = iter(range(0, 1000, 4))
        run.clock = lambda: now() + timedelta(seconds=next(late))
        machine = run.inventory.machine(DEAF)
        assert machine is not None
        why = leave(run, machine, Status.SUCCEEDED)
        assert why == "it could not be put back off: 10 s after it was told to stop its power is on"
        assert deaf.state() == PowerState.ON
        host.virsh("destroy", DEAF)
        assert leave(run, machine, Status.SUCCEEDED) == ""


def test_what_is_paused_or_saved_or_died_is_neither_on_nor_off(
    host: Hypervisor, deaf: PowerSwitch
) -> None:
    host.virsh("suspend", DEAF)
    assert deaf.state() == PowerState.UNKNOWN
    host.virsh("managedsave", DEAF)
    assert deaf.state() == PowerState.UNKNOWN
    host.virsh("start", DEAF)
    host.virsh("resume", DEAF)
    assert deaf.state() == PowerState.ON

    os.kill(host.pid(DEAF), signal.SIGKILL)
    until("libvirt sees it", lambda: "crashed" in host.virsh("domstate", "--reason", DEAF))
    assert deaf.state() == PowerState.UNKNOWN


@pytest.mark.skipif(os.geteuid() != 0, reason="a host of another name needs root")
def test_a_guest_that_was_migrated_is_not_off_where_it_was(
    host: Hypervisor, deaf: PowerSwitch
) -> None:
    with hypervisor("other") as other:
        there = ("--desturi", other.uri, "--migrateuri", f"unix://{other.folder}/migration")
        host.virsh("migrate", DEAF, "--live", "--persistent", *there)
        assert host.virsh("domstate", DEAF) == "shut off"
        assert deaf.state() == PowerState.UNKNOWN
        assert switch(other.uri, DEAF).state() == PowerState.ON


def test_a_libvirt_that_was_killed_knows_its_guests_again(
    host: Hypervisor, deaf: PowerSwitch
) -> None:
    before = host.pid(DEAF)
    host.kill()
    with pytest.raises(PowerFailed) as away:
        deaf.state()
    assert str(away.value) == (
        "virsh ended with 1: error: failed to connect to the hypervisor error: Failed to connect "
        f"socket to '{host.folder}/libvirt-sock': Connection refused"
    )
    host.start()
    assert (deaf.state(), host.pid(DEAF)) == (PowerState.ON, before)

    # It forgets why a guest is off, and yet would lose the memory of one that was saved.
    host.virsh("managedsave", DEAF)
    host.kill()
    host.start()
    assert host.virsh("domstate", "--reason", DEAF) == "shut off (unknown)"
    assert deaf.state() == PowerState.UNKNOWN
    host.virsh("managedsave-remove", DEAF)
    assert deaf.state() == PowerState.OFF


def test_a_libvirt_that_hangs_is_left_within_the_limit(host: Hypervisor) -> None:
    host.signal(signal.SIGSTOP)
    try:
        with pytest.raises(PowerFailed) as hangs:
            switch(host.uri, DEAF, seconds=1).state()
    finally:
        host.signal(signal.SIGCONT)
    assert str(hangs.value) == "virsh did not end within 1 s"


def test_a_guest_that_is_not_there_is_told_in_libvirts_words(host: Hypervisor) -> None:
    nothing = switch(host.uri, "web-1")
    for ask in (nothing.state, nothing.start, nothing.stop):
        with pytest.raises(PowerFailed) as missing:
            ask()
        assert str(missing.value) == "virsh ended with 1: error: failed to get domain 'web-1'"


def test_what_libvirt_refuses_is_told_in_its_words(host: Hypervisor, deaf: PowerSwitch) -> None:
    with pytest.raises(PowerFailed) as refused:
        deaf.start()
    assert str(refused.value) == "virsh ended with 1: error: Domain is already active"
    host.virsh("destroy", DEAF)
    with pytest.raises(PowerFailed) as refused:
        deaf.stop()
    assert str(refused.value) == (
        f"virsh ended with 1: error: Failed to shutdown domain '{DEAF}' error: Requested operation "
        "is not valid: domain is not running"
    )


def test_virsh_is_asked_in_english_whatever_the_controller_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in that answers as virsh does in a language that need not be installed here."""
    stand_in = tmp_path / "virsh"
    stand_in.write_text(
        '#!/bin/sh\n[ "$LC_ALL$LANGUAGE" = CC ] && echo "running (booted)" || echo "laufend"\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")

    assert switch("test:///default", "test").state() == PowerState.ON
