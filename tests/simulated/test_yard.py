"""Starting, ending and keeping a simulated yard."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from patchyard.providers import load_inventory
from patchyard.testing.simulated import SimulatedMachine, SimulatedYard, YardFailed, machines
from patchyard.testing.simulated.machine import FIRST_ADDRESS
from tests.simulated.conftest import Workplace

COMMAND = (sys.executable, "-m", "patchyard.testing.simulated")


def answers(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2):
        return True
    return False


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_machines_answer_on_their_own_addresses_and_on_no_other(workplace: Workplace) -> None:
    port = workplace.yard.port
    assert answers(str(FIRST_ADDRESS), port)
    assert not answers("127.0.0.1", port)
    assert not answers(str(FIRST_ADDRESS + 8), port)


def test_each_machine_is_the_one_of_its_address(workplace: Workplace) -> None:
    said = workplace.run("sim-0007", 'echo "$PATCHYARD_ROOT"').stdout.strip()
    assert said == str(workplace.yard.root("sim-0007"))


def test_the_inventory_is_one_that_patchyard_reads(workplace: Workplace) -> None:
    loaded = load_inventory(workplace.yard.inventory)
    assert [machine.name for machine in loaded.machines] == [f"sim-{n:04d}" for n in range(1, 9)]
    assert loaded.machines[0].groups == ("simulated",)
    assert loaded.machines[0].zone == "2"


def test_machines_share_what_they_have_not_changed(tmp_path: Path) -> None:
    with SimulatedYard(tmp_path / "yard", machines(30)) as yard:
        files = [path for path in yard.root("sim-0001").rglob("*") if path.is_file()]
        assert len([path for path in files if not path.is_symlink()]) < 5
        assert yard.packages("sim-0001") == yard.packages("sim-0030")


def test_a_change_of_one_machine_is_not_seen_by_another(workplace: Workplace) -> None:
    call = "apt-get -y -q install libexpat1=2.5.0-1+deb12u5 linux-image-amd64"
    assert workplace.run("sim-0004", f"{call}; exit $?").exit_status == 0
    assert workplace.yard.packages("sim-0008")["libexpat1"] == "2.5.0-1+deb12u2"
    assert workplace.run("sim-0008", 'ls "$PATCHYARD_ROOT/boot"').stdout.count("\n") == 1
    assert workplace.run("sim-0004", 'ls "$PATCHYARD_ROOT/boot"').stdout.count("\n") == 2


def test_nothing_of_a_yard_goes_on_after_its_end(tmp_path: Path) -> None:
    with SimulatedYard(tmp_path / "yard", machines(2)) as yard:
        Workplace(yard).run("sim-0001", "systemd-run --unit=long sleep 300")
        worker = int((yard.root("sim-0001") / ".simulated/units/long").read_text())
        server = yard.pid
        assert not gone_now(worker)
    assert gone(server)
    assert gone(worker)


def gone_now(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_yard_ends_with_whoever_started_it_even_when_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [*COMMAND, "--folder", str(tmp_path / "yard"), "--machines", "2"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    assert "2 machines" in starter.stdout.readline()
    children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text().split()
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert children
    assert all(gone(int(pid)) for pid in children)


def test_the_command_ends_on_a_signal_with_success(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [*COMMAND, "--folder", str(tmp_path / "yard"), "--machines", "1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    starter.send_signal(signal.SIGTERM)
    assert starter.wait(20) == 0
    starter.stdout.close()


def test_a_folder_is_taken_up_as_it_was_left(tmp_path: Path) -> None:
    fleet = (SimulatedMachine("one", "127.20.9.2"),)
    with SimulatedYard(tmp_path / "yard", fleet) as yard:
        first = yard.boot_id("one")
        call = "apt-get -y -q install libexpat1=2.5.0-1+deb12u5"
        assert Workplace(yard).run("one", f"{call}; exit $?").exit_status == 0
    with SimulatedYard(tmp_path / "yard", fleet) as yard:
        assert yard.packages("one")["libexpat1"] == "2.5.0-1+deb12u5"
        assert yard.boot_id("one") != first
        assert Workplace(yard).run("one", "true").exit_status == 0


def test_a_folder_of_other_machines_is_refused(tmp_path: Path) -> None:
    with SimulatedYard(tmp_path / "yard", (SimulatedMachine("one", "127.20.9.3"),)):
        pass
    other = SimulatedYard(tmp_path / "yard", (SimulatedMachine("two", "127.20.9.4"),))
    with pytest.raises(YardFailed, match="no two"):
        other.start()


def test_a_patched_machine_has_nothing_to_install(tmp_path: Path) -> None:
    fleet = (SimulatedMachine("one", "127.20.9.5", patched=True),)
    with SimulatedYard(tmp_path / "yard", fleet) as yard:
        said = Workplace(yard).run("one", "apt-get -y -q -V --print-uris dist-upgrade").stdout
    assert "0 upgraded, 0 newly installed" in said


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.20.9.6", 0))
        taken.listen()
        yard = SimulatedYard(
            tmp_path / "yard",
            (SimulatedMachine("one", "127.20.9.6"),),
            port=taken.getsockname()[1],
        )
        with pytest.raises(YardFailed, match="in use"):
            yard.start()
    assert yard.pid == 0
