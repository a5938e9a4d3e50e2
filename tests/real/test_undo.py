"""What went bad is undone: back to exactly the earlier versions, and proven."""

from __future__ import annotations

import json

import pytest

from flows.rollback import rollback
from patchyard.domain.outcome import Status
from patchyard.fleet import BEFORE
from patchyard.store import Store
from tests.real.driving import MakeYard, of, run_patch
from tests.yard import faults, legacy
from tests.yard.machine import Machine
from tests.yard.spec import MachineSpec
from tests.yard.yard import Yard

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]
LEGACY = {"checks": [{"systemd_unit": {"unit": legacy.UNIT}}]}


def test_a_machine_whose_check_fails_is_back_on_exactly_its_earlier_versions(
    make_yard: MakeYard,
) -> None:
    yard = make_yard(MachineSpec("app-1", groups=("yard",)), **LEGACY)
    box = yard["app-1"]
    legacy.install(box)
    before = box.packages()
    told = of(run_patch(yard), "app-1")
    assert told.status == Status.ROLLED_BACK, told.reason
    assert legacy.UNIT in told.reason
    assert box.packages() == before
    assert legacy.is_running(box)


def test_a_past_run_is_taken_back_on_request(machine: tuple[Yard, Machine], store: Store) -> None:
    yard, box = machine
    before = box.packages()
    hooks = [
        {"name": when, "when": when, "of": "machine", "script": f"cat >>/var/log/{when}"}
        for when in ("before", "after")
    ]
    first = run_patch(yard, hooks=hooks, notices=[{"at": ["start"], "to": "machine"}])
    assert of(first, "box-1").status == Status.SUCCEEDED, of(first, "box-1").reason
    assert box.packages() != before
    # What packages are built from is told by a real dpkg: advisories go by it.
    seen = store.assessment(first.run_id, "box-1", BEFORE)
    assert seen is not None
    assert seen.built_from is not None
    assert seen.built_from["libc6:amd64"] == "glibc"
    assert "dpkg:amd64" not in seen.built_from
    report = rollback(run_id=first.run_id, dry_run=False)
    assert of(report, "box-1").status == Status.ROLLED_BACK, of(report, "box-1").reason
    assert box.packages() == before
    # The hooks of the run stand around its undo too, and are told what it is.
    for when in ("before", "after"):
        told = [json.loads(line)["run"] for line in box.read_file(f"/var/log/{when}").splitlines()]
        assert [(run["kind"], run["takes_back"]) for run in told] == [
            ("patch", None),
            ("rollback", first.run_id),
        ]
    assert [(each.to, each.state) for each in report.notices] == [("machine", "sent")]


def test_a_version_that_no_repository_has_any_more_is_kept_on_the_machine_first(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    faults.vanished_version(box)
    before = box.packages()
    first = run_patch(yard, classifications=[], include=["yard-gone"])
    assert box.packages()["yard-gone:all"] == "2.0"
    assert box.read_file(faults.GONE_FILE) == "the new one\n"
    report = rollback(run_id=first.run_id, dry_run=False)
    assert of(report, "box-1").status == Status.ROLLED_BACK, of(report, "box-1").reason
    assert box.packages() == before
    assert box.read_file(faults.GONE_FILE) == "the old one\n"


def test_where_undo_is_demanded_a_machine_without_it_is_refused_and_left_alone(
    make_yard: MakeYard,
) -> None:
    yard = make_yard(MachineSpec("box-1", groups=("yard",)), policy={"undo": "required"})
    box = yard["box-1"]
    faults.vanished_version(box)
    faults.divert(box, faults.GONE_FILE)
    before, log = box.packages(), box.read_file("/var/log/dpkg.log")
    told = of(run_patch(yard, classifications=[], include=["yard-gone"]), "box-1")
    assert told.status == Status.REFUSED
    assert "undo is not possible: yard-gone:all 1.0" in told.reason
    assert box.packages() == before
    assert box.read_file("/var/log/dpkg.log") == log


def test_a_rollback_that_is_only_tried_out_says_what_would_go_back_and_changes_nothing(
    machine: tuple[Yard, Machine],
) -> None:
    yard, box = machine
    faults.slow_package(box, 0)
    first = run_patch(yard, classifications=[], include=["yard-slow"])
    report = rollback(run_id=first.run_id)
    assert report.dry_run
    assert box.packages()["yard-slow:all"] == "2.0"
