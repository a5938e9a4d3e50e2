"""What an emergency is recorded with: what it keeps of the configurations it runs through."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.emergency import Bypass
from patchyard.emergencies import declared
from patchyard.errors import ConfigurationError
from patchyard.parameters import EmergencyParameters, EmergencyRun

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
