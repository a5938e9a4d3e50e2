"""Jobs on a real machine with systemd, as a login user with the rules of docs/sudoers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patchyard._job_calls import poll, start
from patchyard.domain.inventory import Inventory
from patchyard.errors import PrivilegeRefused, ScriptFailed
from patchyard.jobs import Finished, Job, JobBusy, JobOrphaned, Kind, State, run_job
from patchyard.link import Link
from patchyard.providers import load_inventory
from patchyard.systems.linux import SYSTEM
from patchyard.transports import open_transport
from tests.yard import faults
from tests.yard.box import YardError
from tests.yard.machine import Machine
from tests.yard.spec import MachineSpec
from tests.yard.yard import Yard

pytestmark = [
    pytest.mark.yard,
    pytest.mark.skipif(os.geteuid() != 0, reason="a yard needs root"),
]
RULES = (Path(__file__).parents[1] / "docs/sudoers").read_text()
SOON = timedelta(seconds=20)
NOW = timedelta(0)


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    spec = MachineSpec("web-1", sudoers=RULES, var_size="256M")
    with Yard(tmp_path_factory.mktemp("yard"), (spec,)) as made:
        yield made


@pytest.fixture
def machine(yard: Yard) -> Machine:
    return yard["web-1"]


@pytest.fixture
def link(yard: Yard) -> Iterator[Link]:
    inventory: Inventory = load_inventory(yard.folder)
    (known,) = inventory.machines
    with Link(lambda: open_transport(known, inventory)) as made:
        yield made


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).replace("[", "-").replace("]", "")[:80]


def clock() -> datetime:
    return datetime.now(UTC)


def follow(link: Link, job: Job, *, seconds: float = 60) -> Finished:
    deadline = clock() + timedelta(seconds=seconds)
    return run_job(link, job, system=SYSTEM, deadline=deadline, clock=clock, sleep=time.sleep)


def begin(link: Link, job: Job) -> None:
    """Start a job and wait until its script runs."""
    start(
        link, Job(job.id, job.kind, f"echo begun >$PATCHYARD_JOB/progress\n{job.script}"), wait=NOW
    )
    until = time.monotonic() + 20
    while poll(link, job.id, job.kind, wait=NOW).progress != "begun":
        assert time.monotonic() < until


@pytest.mark.parametrize("kind", ["read", "change"])
def test_the_documented_rules_are_enough_for_jobs(link: Link, name: str, kind: Kind) -> None:
    text = 'it\'s "quoted" $HOME ${HOME} $$ %n %% %h `id` \\ é'
    finished = follow(link, Job(name, kind, f"id -un; cat <<'X'\n{text}\nX\nexit 3"))
    assert finished == Finished(3, f"root\n{text}\n", started_here=True)


@pytest.mark.parametrize(
    "command",
    [
        "id",
        "systemd-run id",
        "systemd-run --quiet --collect --no-block --unit=patchyard-x --pty /bin/sh",
        "systemd-run --quiet --collect --no-block --unit=patchyard-x /bin/sh -c id",
    ],
)
def test_the_documented_rules_allow_nothing_else(link: Link, command: str) -> None:
    with pytest.raises(PrivilegeRefused):
        link.run(f"root {command}", timeout=SOON)


def test_a_large_script_gets_through_sudo(link: Link, name: str) -> None:
    noise = "# " + os.urandom(45_000).hex()
    assert follow(link, Job(name, "change", f"{noise}\necho ok")).output == "ok\n"


def test_a_change_holds_off_a_shutdown_and_a_read_does_not(link: Link, name: str) -> None:
    who = "systemd-inhibit --list --no-legend | grep -c Patchyard"
    assert follow(link, Job(f"{name}-c", "change", who)).output == "1\n"
    assert follow(link, Job(f"{name}-r", "read", who)).output == "0\n"


def test_a_second_change_is_refused_by_name(link: Link, name: str) -> None:
    first = Job(f"{name}-first", "change", "sleep 7")
    begin(link, first)
    with pytest.raises(JobBusy, match=first.id):
        follow(link, Job(f"{name}-second", "change", "true"))
    follow(link, first)


def test_a_door_that_closes_in_mid_job_costs_only_time(
    link: Link, machine: Machine, name: str
) -> None:
    job = Job(name, "change", "sleep 4; echo whole")
    begin(link, job)
    faults.stop_sshd(machine)
    link.close()
    try:
        until = time.monotonic() + 20
        status = f"/var/lib/patchyard/jobs/{name}/status"
        while not machine.exec(["cat", status], check=False):
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        faults.start_sshd(machine)
    assert follow(link, job) == Finished(0, "whole\n", started_here=False)


def test_a_full_var_lets_questions_through_and_refuses_changes(
    link: Link, machine: Machine, name: str
) -> None:
    job = Job(f"{name}-change", "change", "touch /root/changed\n# " + os.urandom(9000).hex())
    faults.fill_var(machine)
    try:
        assert follow(link, Job(f"{name}-read", "read", "echo ok")).output == "ok\n"
        with pytest.raises(ScriptFailed, match="/var"):
            follow(link, job)
    finally:
        faults.free_var(machine)
    assert not machine.exec(["ls", "/root/changed"], check=False)
    assert follow(link, job).exit_status == 0


def test_a_change_that_fills_var_still_tells_its_end(
    link: Link, machine: Machine, name: str
) -> None:
    fill = "dd if=/dev/zero of=/var/ballast bs=1M 2>/dev/null; dd if=/dev/zero of=/var/rest; exit 9"
    try:
        assert follow(link, Job(name, "change", fill)).exit_status == 9
    finally:
        machine.exec(["rm", "-f", "/var/ballast", "/var/rest"])


def test_a_shutdown_waits_for_a_change(link: Link, machine: Machine, name: str) -> None:
    """Root's own `systemctl reboot` passes by inhibitors; then the unit itself holds on."""
    job = Job(name, "change", "sleep 5; echo whole")
    begin(link, job)
    before = machine.boot_id()
    machine.exec(["systemctl", "--no-block", "-i", "reboot"])
    link.close()
    _back(machine, before)
    assert follow(link, job) == Finished(0, "whole\n", started_here=False)


def test_a_machine_that_went_down_hard_orphans_a_change_and_forgets_a_question(
    link: Link, machine: Machine, name: str
) -> None:
    change, read = Job(f"{name}-c", "change", "sleep 90"), Job(f"{name}-r", "read", "sleep 90")
    begin(link, change)
    begin(link, read)
    before = machine.boot_id()
    machine.exec(["systemctl", "--no-block", "-ff", "reboot"], check=False)
    link.close()
    _back(machine, before)
    assert poll(link, read.id, "read", wait=NOW).state == State.ABSENT
    with pytest.raises(JobOrphaned):
        follow(link, change)


def _back(machine: Machine, before: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.5)
        try:
            if machine.boot_id() not in {"", before}:
                machine.wait_ready()
                return
        except YardError:
            continue
    raise AssertionError("the machine did not come back")
