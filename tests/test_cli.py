from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patchyard.cli import main
from patchyard.domain.outcome import Status
from patchyard.settings import settings
from patchyard.store import RunRecord, Store, open_store
from patchyard.testing.reports import sample_report

INVENTORY = """
machines:
  web-1: {address: web-1.example, zone: 1}
  db-1: {address: db-1.example, zone: 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "machines.yaml").write_text(INVENTORY)
    return tmp_path


def test_a_good_inventory_is_told_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inventory", "check", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder.name}: 2 machines in 0 groups, no problem\n"


def test_all_problems_of_a_bad_inventory_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "more.yaml").write_text("machines:\n  a: {}\n  b: {}\n")
    assert main(["inventory", "check", str(folder)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{folder}/more.yaml:2: machines.a.address: is missing" in said.err
    assert said.err.endswith("2 problems.\n")


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inventory", "schema"]) == 0
    assert "machines" in json.loads(capsys.readouterr().out)["properties"]


def test_a_scope_is_previewed_with_the_reason_of_each_machine(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scope", str(folder), "zone == 1 or web-9"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "in   web-1  zone is 1",
        "out  db-1   zone is 2, not 1; name db-1 does not match web-9",
        "1 of 2 machines in scope: zone == 1 or web-9",
    ]
    assert said.err == "no machine is named web-9\n"


def test_only_one_side_is_shown_where_that_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scope", str(folder), "zone == 1", "--only", "out"]) == 0
    assert [line[:9] for line in capsys.readouterr().out.splitlines()] == ["out  db-1", "1 of 2 ma"]


def test_a_wrong_expression_is_shown_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scope", str(folder), "zone = 1"]) == 2
    assert "    zone = 1\n         ^" in capsys.readouterr().err


def test_it_runs_as_a_module_without_prefect(folder: Path) -> None:
    program = (
        "import sys; sys.modules['prefect'] = None; "
        f"from patchyard.cli import main; sys.exit(main(['scope', {str(folder)!r}]))"
    )
    for command in (["-c", program], ["-m", "patchyard", "scope", str(folder)]):
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=True
        )
        assert done.stdout.endswith("2 of 2 machines in scope: all\n")


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with one run that has ended and one that goes on."""
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    store = open_store(settings().database_url)
    at = datetime(2026, 3, 7, 22, 0, tzinfo=UTC)
    for name in ("patch-ended", "patch-goes-on"):
        store.create_run(
            RunRecord(
                id=name,
                kind="patch",
                inventory="hybrid",
                scope="all",
                parameters={},
                status=Status.IN_PROGRESS,
                started_at=at,
            )
        )
    report = sample_report()
    store.finish_run("patch-ended", report.status, "As it went", at, report.model_dump(mode="json"))
    return store


@pytest.mark.usefixtures("recorded")
def test_runs_are_listed_with_how_they_went(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    said = capsys.readouterr().out
    assert "patch-goes-on  2026-03-07 22:00 UTC  InProgress  hybrid [all]\n" in said
    assert "    As it went\n" in said


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("form", ["table", "markdown", "html", "json", "csv"])
def test_the_report_of_an_ended_run_is_printed(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "patch-ended", "--format", form]) == 0
    assert sample_report().machines[0].name in capsys.readouterr().out


@pytest.mark.usefixtures("recorded")
def test_a_run_that_goes_on_has_no_report_and_one_that_is_none_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["report", "patch-goes-on"]) == 1
    assert "has not ended" in capsys.readouterr().err
    assert main(["report", "patch-none"]) == 2
    assert "'patch-none'" in capsys.readouterr().err


def test_cancelling_is_recorded_for_a_run_that_goes_on(
    recorded: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cancel", "patch-goes-on"]) == 0
    assert recorded.cancel_requested("patch-goes-on")
    assert main(["cancel", "patch-ended"]) == 1
    assert "has ended" in capsys.readouterr().err
