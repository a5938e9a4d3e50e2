"""What an emergency is recorded with: what it keeps of the configurations it runs through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from patchyard.domain.emergency import Bypass
from patchyard.domain.outcome import Status
from patchyard.emergencies import declared, let_in
from patchyard.errors import ConfigurationError
from patchyard.fleet import BEFORE
from patchyard.parameters import EmergencyParameters, EmergencyRun
from patchyard.planner import plan_run, select_machines
from patchyard.runs import Run, begin
from patchyard.testing.assessments import assessment

NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)
MAINTENANCE = """
configurations:
  web:
    scope: all
    schedule: {recurrence: Day, start: 2026-01-01 11:00, length: 4h, time_zone: UTC}
    soak: 30m
    budget: {max_failures: 0}
    linux: {exclude: ["docker*"]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "machines.yaml").write_text("machines: {a: {address: a.example}}\n")
    (tmp_path / "maintenance.yaml").write_text(MAINTENANCE)
    return tmp_path


def run(folder: Path, **fields: Any) -> EmergencyRun:
    given = {"inventory": str(folder), "requested_by": "Lea", "reason": "it burns", **fields}
    return declared(EmergencyParameters.model_validate(given), NOON)


def test_what_is_not_bypassed_holds(folder: Path) -> None:
    found = run(folder)
    assert (found.soak_minutes, found.max_failures) == (30, 0)
    assert found.window is not None
    assert (found.window.start, found.window.end) == (NOON, NOON.replace(hour=15))
    assert found.exclude == ["docker*"]
    assert (found.approval, found.dry_run, found.emergency.bypass) == ("run", True, ())


def test_what_is_bypassed_does_not(folder: Path) -> None:
    found = run(folder, bypass=["soak", "windows"])
    assert (found.soak_minutes, found.window) == (0, None)
    assert found.emergency.bypass == (Bypass.WINDOWS, Bypass.SOAK)


def test_what_a_person_names_is_not_held_back_by_what_is_usually_excluded(folder: Path) -> None:
    assert run(folder, fixes=["CVE-2026-7"], exclude=["curl"]).exclude == ["curl"]
    assert run(folder, include=["docker*"]).exclude == []


def test_without_maintenance_files_nothing_is_in_the_way(folder: Path) -> None:
    (folder / "maintenance.yaml").unlink()
    found = run(folder)
    assert (found.emergency.obstacles, found.window, found.max_failures) == ((), None, None)


def test_maintenance_that_cannot_be_read_is_told_and_nothing_begins(folder: Path) -> None:
    (folder / "maintenance.yaml").write_text("freezes: {x: {start: never}}\n")
    with pytest.raises(ConfigurationError):
        run(folder)


def test_a_scope_of_nothing_is_told_and_nothing_begins(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="is in the scope zone == 9"):
        run(folder, scope="zone == 9", bypass=["windows", "freezes", "soak"])


def test_bypassing_what_is_not_there_is_no_more_than_a_word_in_the_evidence(folder: Path) -> None:
    """There is no freeze, and the window is open: nothing was in the way of what was bypassed."""
    found = run(folder, bypass=["freezes", "windows"])
    assert found.emergency.bypass == (Bypass.WINDOWS, Bypass.FREEZES)
    assert [each.rule for each in found.emergency.obstacles] == [Bypass.SOAK]
    assert found.emergency.refused == ""


@pytest.mark.parametrize("name", ["audit", "freeze", "checks", "canary", "budget", "undo", "all"])
def test_only_what_may_be_bypassed_can_be_named(folder: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="bypass"):
        run(folder, bypass=[name])


@contextmanager
def opened(folder: Path, found: EmergencyRun) -> Iterator[Run]:
    with begin(
        "emergency",
        inventory=str(folder),
        scope="all",
        parameters=found.model_dump(mode="json"),
        flow_run_id="",
        resume=found.resume,
    ) as made:
        yield made


@pytest.fixture
def closed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmergencyRun:
    """What an emergency is recorded with that no window lets in."""
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    late = MAINTENANCE.replace("11:00", "20:00")
    (folder / "maintenance.yaml").write_text(late)
    return run(folder)


def test_one_that_was_refused_is_refused_again_by_whoever_takes_it_up(
    folder: Path, closed: EmergencyRun
) -> None:
    """Its controller has died between recording it and refusing it."""
    with opened(folder, closed) as left:
        pass
    again = closed.model_copy(update={"resume": left.id})
    with opened(folder, again) as taken:
        assert taken.id == left.id
        assert taken.resumed
        refused = let_in(taken)
    assert refused is not None
    assert refused.word == "not_bypassed"


def test_it_is_taken_up_as_an_emergency_only(folder: Path, closed: EmergencyRun) -> None:
    with opened(folder, closed) as left:
        pass
    with (
        pytest.raises(ConfigurationError, match="there is no patch run 'emergency-"),
        begin("patch", inventory=str(folder), scope="all", parameters={}, flow_run_id="",
              resume=left.id),
    ):  # fmt: skip
        pass


@pytest.mark.parametrize(
    ("fix", "there", "status"),
    [
        ("CVE-2026-7", "curl:amd64", Status.COMPLETED_WITH_WARNINGS),
        ("KB5041160", "KB5041160:x64", Status.SUCCEEDED),
        ("KB5041160", "KB5041161:x64", Status.COMPLETED_WITH_WARNINGS),
    ],
)
def test_a_machine_without_updates_is_not_said_to_have_a_fix_that_nobody_proves(
    folder: Path, closed: EmergencyRun, fix: str, there: str, status: Status
) -> None:
    given = closed.model_copy(update={"fixes": [fix]})
    with opened(folder, given) as made:
        select_machines(made)
        seen = assessment("a", packages={there: "1"})
        made.store.end_assessment(made.id, "a", BEFORE, seen, "", made.clock())
        plan = plan_run(made, given)
        (found,) = made.store.machines(made.id)
    assert plan.waves == ()
    assert found.status == status
    assert ("whether it is fixed is unknown" in found.reason) is (status != Status.SUCCEEDED)
