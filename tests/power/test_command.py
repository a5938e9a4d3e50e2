from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.power import PowerState
from patchyard.errors import PowerTimedOut
from patchyard.power import PowerFailed, PowerSwitch, open_switch


def switch(folder: Path, **options: Any) -> PowerSwitch:
    given = {"state": ["true"], "start": ["true"], "stop": ["true"], **options}
    machine = Machine.model_validate(
        {"name": "db-1", "address": "127.0.0.9", "power": {"command": given}}
    )
    inventory = Inventory(name="x", folder=str(folder), machines=(machine,))
    found = open_switch(machine, inventory)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("on", PowerState.ON),
        ("Chassis Power is On", PowerState.ON),
        ("VM running\n", PowerState.ON),
        ("off", PowerState.OFF),
        ("stopped", PowerState.OFF),
        ("rebooting", PowerState.UNKNOWN),
        ("off?", PowerState.UNKNOWN),
        ("", PowerState.UNKNOWN),
    ],
)
def test_the_last_word_tells_the_state(tmp_path: Path, said: str, state: PowerState) -> None:
    assert switch(tmp_path, state=["printf", "%s", said]).state() == state


def test_the_words_are_the_operators(tmp_path: Path) -> None:
    own = {"running": ["VM_UP"], "stopped": ["TERMINATED"]}
    assert switch(tmp_path, state=["echo", "vm_up"], **own).state() == PowerState.ON
    assert switch(tmp_path, state=["echo", "TERMINATED"], **own).state() == PowerState.OFF
    assert switch(tmp_path, state=["echo", "on"], **own).state() == PowerState.UNKNOWN
    both = {"running": ["x"], "stopped": ["x"]}
    assert switch(tmp_path, state=["echo", "x"], **both).state() == PowerState.UNKNOWN


def test_no_shell_reads_what_is_run_and_the_machines_values_are_filled_in(tmp_path: Path) -> None:
    words = ["touch", "{name};{address}", "$(id)", "a b"]
    switch(tmp_path, start=words).start()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "$(id)",
        "a b",
        "db-1;127.0.0.9",
    ]


def test_a_program_lies_beside_the_inventory(tmp_path: Path) -> None:
    program = tmp_path / "power.sh"
    program.write_text('#!/bin/sh\necho "$1" >>done\n')
    program.chmod(0o755)
    own = switch(tmp_path, start=["./power.sh", "start"], stop=["./power.sh", "stop"])
    own.start()
    own.stop()
    assert (tmp_path / "done").read_text() == "start\nstop\n"


def test_a_program_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    failing = switch(tmp_path, state=["sh", "-c", "echo no such node >&2; exit 3"])
    with pytest.raises(PowerFailed, match="sh ended with 3: no such node"):
        failing.state()
    with pytest.raises(PowerFailed, match="/nowhere/ipmitool cannot be started"):
        switch(tmp_path, start=["/nowhere/ipmitool"]).start()


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    script = "(sleep 3; touch late) & echo $! >child; wait"
    hanging = switch(tmp_path, stop=["sh", "-c", script], seconds=0.3)
    began = time.monotonic()
    with pytest.raises(PowerFailed, match="did not end within"):
        hanging.stop()
    child = (tmp_path / "child").read_text().strip()
    while alive(child):  # it was killed, and takes a moment to die
        assert time.monotonic() - began < 2.5
    assert not (tmp_path / "late").exists()


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_machine_of_whose_power_nothing_is_written_has_no_switch(tmp_path: Path) -> None:
    machine = Machine(name="a", address="a.example")
    inventory = Inventory(name="x", folder=str(tmp_path), machines=(machine,))
    assert open_switch(machine, inventory) is None


def test_a_program_that_leaves_something_at_work_has_ended_when_it_has(tmp_path: Path) -> None:
    """As one does that starts a machine in the background, with its output still open."""
    own = switch(tmp_path, start=["sh", "-c", "sleep 2 && touch late & exit 0"], seconds=30)
    begun = time.monotonic()
    own.start()
    assert time.monotonic() - begun < 2
    assert not (tmp_path / "late").exists()
    deadline = time.monotonic() + 20
    while not (tmp_path / "late").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_order_that_did_not_end_in_time_is_told_apart_from_one_that_was_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(PowerTimedOut, match=r"sleep did not end within 0\.2 s"):
        switch(tmp_path, start=["sleep", "20"], seconds=0.2).start()
    with pytest.raises(PowerFailed) as refused:
        switch(tmp_path, start=["false"]).start()
    assert not isinstance(refused.value, PowerTimedOut)
