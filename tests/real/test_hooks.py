"""Hooks and messages on a real machine: real systemd, real timeout(1), real wall(1)."""

from __future__ import annotations

import json
import time

import pytest

from patchyard.domain.outcome import Status
from tests.real.driving import Controller, of, run_patch, wait_until
from tests.yard.machine import Machine
from tests.yard.yard import Yard

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

NOTE = 'cat >>/var/log/hook; id -un >>/var/log/hook; echo "on $PATCHYARD_MACHINE"'


def test_scripts_run_as_root_in_their_order_and_one_that_hangs_is_ended(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    hang = {"script": "sleep 300", "timeout": "2s", "on_failure": "warn"}
    hooks = [
        {"name": "drain", "when": "before", "of": "machine", "script": NOTE},
        {"name": "hang", "when": "after", "of": "machine", **hang},
    ]
    notices = [{"at": ["start"], "to": "machine"}]
    report = run_patch(yard, hooks=hooks, notices=notices)

    found = of(report, "box-1")
    assert found.status == Status.COMPLETED_WITH_WARNINGS, found.reason
    assert "hook hang: not ended after 2 s, so it was ended" in found.reason
    told, user = box.read_file("/var/log/hook").splitlines()
    assert user == "root"
    assert json.loads(told)["key"] == f"{report.run_id}/before/machine/box-1/drain"
    titles = [step.title for step in found.steps]
    assert titles.index("Hook before: drain") < titles.index("Ask the checks")
    assert box.exec(["sh", "-c", "pgrep -fx 'sleep 300'; :"]) == ""
    assert [(n.to, n.state) for n in report.notices] == [("machine", "sent")]


def test_a_controller_killed_in_a_script_is_resumed_and_the_script_runs_once(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    slow = "echo begun >>/var/log/slow; sleep 15; echo ended >>/var/log/slow"
    given = {"hooks": [{"name": "slow", "when": "before", "of": "machine", "script": slow}]}
    controller = Controller(yard, **given)
    wait_until("the script", lambda: "begun" in _log(box), 120)
    controller.kill()
    time.sleep(1)
    report = run_patch(yard, **given)
    assert report.resumed
    assert of(report, "box-1").status == Status.SUCCEEDED, of(report, "box-1").reason
    assert _log(box) == ["begun", "ended"]


def _log(box: Machine) -> list[str]:
    return box.exec(["sh", "-c", "cat /var/log/slow 2>/dev/null; :"]).split()
