from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patchyard import cli_maintenance
from patchyard.cli import main
from patchyard.domain.actions import Install
from patchyard.domain.outcome import Status
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.domain.record import Result
from patchyard.domain.restore import PackageVersion
from patchyard.domain.updates import Classification, OperatingSystem, Update
from patchyard.domain.watch import Sighting
from patchyard.settings import settings
from patchyard.store import RunRecord, WindowClaim, open_store
from patchyard.testing.assessments import assessment, planned

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)
INVENTORY = """
machines:
  web-1: {address: web-1.example, tags: {role: web}}
  web-2: {address: web-2.example, tags: {role: web}}
  db-1: {address: db-1.example}
"""
MAINTENANCE = """
freezes:
  audit: {start: 2026-04-05, end: 2026-04-05, reason: books}
configurations:
  sundays:
    scope: tags.role == web
    schedule:
      recurrence: Week Sunday
      start: 2026-01-01 02:30
      time_zone: Europe/Berlin
      length: 45m
"""


class Clock(datetime):
    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # one zone is asked for
        assert tz is UTC
        return NOW


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cli_maintenance, "datetime", Clock)
    inventory = tmp_path / "inventories" / "mine"
    inventory.mkdir(parents=True)
    (inventory / "machines.yaml").write_text(INVENTORY)
    (inventory / "maintenance.yaml").write_text(MAINTENANCE)
    monkeypatch.chdir(tmp_path)
    return inventory


def remember(machine: str) -> None:
    """Keep an assessment of a machine with one update of the kernel."""
    kernel = Update(
        name="linux-image-amd64",
        architecture="amd64",
        installed="1",
        candidate="2",
        classification=Classification.SECURITY,
        origin="",
    )
    run = RunRecord(
        id=f"assess-{machine}",
        kind="assess",
        inventory="mine",
        scope="all",
        parameters={},
        status=Status.SUCCEEDED,
        started_at=NOW,
    )
    with open_store(settings().database_url) as store:
        store.create_run(run)
        system = OperatingSystem(id="debian", version_id="12", codename="bookworm")
        seen = assessment(machine, updates=(kernel,), taken_at=NOW, os=system)
        store.save_assessment(run.id, machine, "before", seen)


PREVIEW = """\
mine, 2026-03-27 12:00 UTC
Sun 2026-03-29 03:00 CEST +45m  sundays
    2026-03-29 02:30 does not exist there; it begins at 2026-03-29 03:00
    sundays@2026-03-29: 2026-03-29 01:00 UTC
    2 machines: web-1, web-2
    updates: 1 on 1 (seen 2026-03-27 or later), unknown on 1, never assessed; \
reboots: 1 expected, 1 unknown
Sun 2026-04-05 02:30 CEST +45m  sundays  FROZEN: audit: books
    sundays@2026-04-05: 2026-04-05 00:30 UTC
Sun 2026-04-12 02:30 CEST +45m  sundays
    sundays@2026-04-12: 2026-04-12 00:30 UTC
    2 machines: web-1, web-2
    updates and reboots: whatever is left after the window before

2 conflicts:
    no_window: no window for 35d: db-1 (is in no configuration)
    too_short: sundays needs about 1h for 2 machines (at least: 1 never assessed) in 2 waves; \
its windows are 45m long
note: sundays@2026-03-29, Europe/Berlin: 2026-03-29 02:30 does not exist there; \
it begins at 2026-03-29 03:00
"""


def test_a_run_that_prepares_is_shown_with_its_beginning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "maintenance.yaml").write_text(f"{MAINTENANCE}    prepare: 6h\n")

    assert main(["maintenance", "preview", "mine", "--count", "2"]) == 0

    shown = capsys.readouterr().out
    assert (
        "sundays@2026-03-29: 2026-03-29 01:00 UTC\n    its run begins at 2026-03-28 19:00 UTC"
        in shown
    )
    assert shown.count("its run begins") == 1  # the second one is frozen


def installed_for(machine: str, took: timedelta) -> None:
    """Keep five earlier runs in which a machine's installs took so long."""
    one = planned("linux-image-amd64")
    package = PackageVersion.of(one.key, "2")
    install = Install(key="install-0-0", packages=(package,)).model_dump(mode="json")
    part = MachinePlan(machine=machine, updates=(one,))
    with open_store(settings().database_url) as store:
        for number in range(5):
            run_id, at = f"patch-{number}", NOW - timedelta(days=number + 1)
            run = RunRecord(run_id, "patch", "mine", "all", {}, Status.SUCCEEDED, at, at)
            store.create_run(run)
            whole = Plan(inventory="mine", scope="all", machines=(part,), waves=((machine,),))
            store.set_plan(run_id, whole)
            step = store.begin_step(run_id, machine, "install-0-0", install, at)
            told = Result().model_dump(mode="json")
            store.finish_step(run_id, machine, step.seq, told, at + took)


def test_a_window_is_too_short_for_a_machine_that_took_long_before(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "maintenance.yaml").write_text(MAINTENANCE.replace("45m", "2h"))
    for name in ("web-1", "web-2"):
        remember(name)
    assert main(["maintenance", "preview", "mine"]) == 0
    assert "too_short" not in capsys.readouterr().out

    installed_for("web-2", timedelta(hours=1))

    assert main(["maintenance", "preview", "mine"]) == 0
    # 20 minutes for web-1, by the published numbers; 75 for web-2, and as much to go back.
    assert "too_short: sundays needs about 2h50m for 2 machines in 2 waves" in (
        capsys.readouterr().out
    )
    assert main(["maintenance", "forecast", "mine", "--scope", "web-2", "--ahead", "5d"]) == 0
    assert "2h for install 1h, reboot 15m, undo 1h15m" in capsys.readouterr().out


@pytest.mark.parametrize("reference", [["mine"], ["inventories/mine"]])
def test_the_windows_to_come_are_shown_with_what_is_expected_and_conflicts(
    folder: Path, capsys: pytest.CaptureFixture[str], reference: list[str]
) -> None:
    assert folder.is_dir()
    remember("web-1")
    assert main(["maintenance", "preview", *reference, "--count", "3"]) == 0
    assert capsys.readouterr().out == PREVIEW


def test_without_a_name_all_inventories_with_maintenance_are_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.is_dir()
    assert main(["maintenance", "preview", "--count", "1"]) == 0
    said = capsys.readouterr().out
    assert "mine, 2026-03-27 12:00 UTC\n" in said
    assert "\ncloud, 2026-03-27 12:00 UTC\n" in f"\n{said}"


def test_a_window_that_is_open_now_is_shown_as_such(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.is_dir()
    monkeypatch.setattr(f"{__name__}.NOW", datetime(2026, 3, 29, 1, 44, tzinfo=UTC))
    assert main(["maintenance", "preview", "mine", "--count", "1"]) == 0
    assert "sundays, open now\n" in capsys.readouterr().out


def test_how_far_it_looks_can_be_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "maintenance.yaml").write_text(MAINTENANCE.replace("Week Sunday", "Month day20"))
    assert main(["maintenance", "preview", "mine", "--uncovered", "20 days"]) == 0
    assert "no window for 20d: web-1, web-2 (sundays has none so soon)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong", [["--count", "0"], ["--count", "x"], ["--ahead", "5"], ["--ahead", "99999d"]]
)
def test_what_cannot_be_asked_is_refused(folder: Path, wrong: list[str]) -> None:
    assert folder.is_dir()
    with pytest.raises(SystemExit) as caught:
        main(["maintenance", "preview", "mine", *wrong])
    assert caught.value.code == 2


def test_good_files_are_told_in_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maintenance", "check", str(folder)]) == 0
    assert capsys.readouterr().out == "mine: 1 configuration, 1 timetable, 1 freeze, no problem\n"


def test_all_problems_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "maintenance.yaml").write_text(MAINTENANCE + "    soka: 1\n    slots: x\n")
    assert main(["maintenance", "check", str(folder)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "maintenance.yaml:12: configurations.sundays.soka: is not known here" in said.err
    assert said.err.endswith("2 problems.\n")


def test_machines_whose_zone_there_is_not_are_told_by_check(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zoned = MAINTENANCE.replace("length: 45m", "length: 45m\n      time_zone_from: tags.role")
    (folder / "maintenance.yaml").write_text(zoned)
    assert main(["maintenance", "check", str(folder)]) == 2
    assert "web-1: tags.role: is no time zone" in capsys.readouterr().err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["maintenance", "schema"]) == 0
    assert "configurations" in json.loads(capsys.readouterr().out)["properties"]


FORECAST = """\
mine, 2026-03-27 12:00 UTC
machine  fix                  class     outlook    when (UTC)        window
web-1    linux-image-amd64 2  Security  scheduled  2026-04-12 00:30  sundays@2026-04-12
    window_taken: sundays@2026-03-29, run patch-7 has it
    frozen: sundays@2026-04-05, audit: books
web-2    (what it may lack)   -         unknown    2026-04-12 00:30  sundays@2026-04-12
    not_assessed
    window_taken: sundays@2026-03-29, run patch-7 has it
    frozen: sundays@2026-04-05, audit: books
db-1     (what it may lack)   -         unknown    -                 -
    not_assessed
    no_configuration

1 open fix on 1 machine: 1 scheduled; what 2 machines may lack is not wholly known.
"""


def test_when_fixes_come_and_what_is_in_the_way_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "maintenance.yaml").write_text(MAINTENANCE.replace("45m", "2h"))
    remember("web-1")
    with open_store(settings().database_url) as store:
        at = datetime(2026, 3, 29, tzinfo=UTC)
        key = "sundays@2026-03-29"
        store.claim_window(WindowClaim("mine", key, "patch-7", at, at, NOW))
    assert main(["maintenance", "forecast", "mine"]) == 0
    assert capsys.readouterr().out == FORECAST


def test_a_machine_that_a_look_found_off_or_did_not_reach_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "maintenance.yaml").write_text(MAINTENANCE.replace("45m", "2h"))
    off = INVENTORY.replace("tags: {role: web}}", "tags: {role: web}, power: {libvirt: {}}}", 1)
    (folder / "machines.yaml").write_text(off)
    for name in ("web-1", "web-2"):
        remember(name)
    at = NOW - timedelta(hours=3)
    run = RunRecord("assess-9", "assess", "mine", "all", {}, Status.FAILED, at)
    with open_store(settings().database_url) as store:
        store.create_run(run)
        store.add_machines(run.id, [("web-1", None, 0), ("web-2", None, 1)])
        store.set_machine(run.id, "web-1", Status.SKIPPED, "it is off", at)
        unseen = Sighting(machine="web-2", at=at, fault="timed_out", detail="no answer in 10 s")
        store.end_unseen(run.id, unseen, Status.UNREACHABLE, "no answer in 10 s")
        hour = timedelta(hours=1)
        store.acquire_lease("web-2.example:", run.id, "gone", at, hour)
        store.acquire_lease("web-1.example:", run.id, "alive", at, 9 * hour)
    assert main(["maintenance", "forecast", "mine", "--scope", "tags.role == web"]) == 0
    told = capsys.readouterr().out
    assert "Security  skipped  2026-03-29 01:00  sundays@2026-03-29\n    off: it was off at" in told
    assert "Security  unknown  2026-03-29 01:00  sundays@2026-03-29\n    unreachable: since" in told
    assert told.count("run_has_it: assess-9 has it and is silent") == 1
    assert told.endswith("2 open fixes on 2 machines: 1 skipped, 1 unknown.\n")


def test_a_forecast_is_json_too_and_can_be_of_some_machines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "maintenance.yaml").write_text(MAINTENANCE.replace("45m", "2h"))
    remember("web-1")
    command = ["maintenance", "forecast", "mine", "--json", "--scope", "web-1", "--ahead", "5d"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema_version"], told["inventory"]) == (1, "mine")
    (row,) = told["forecasts"]
    assert (row["machine"], row["update"], row["candidate"]) == ("web-1", "linux-image-amd64", "2")
    assert (row["outlook"], row["at"]) == ("scheduled", "2026-03-29T01:00:00Z")
    assert row["cves"] is None
    assert folder.is_dir()


def test_a_forecast_names_what_is_fixed_by_the_table_of_now(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The assessment is older than the table."""
    remember("web-1")
    table = folder / "advisories.list"
    entry = "{ids: [CVE-2026-7, DSA-1-1], release: bookworm, source: linux-image-amd64, fixed: '2'}"
    table.write_text(f"- {entry}\n")
    monkeypatch.setenv("PATCHYARD_ADVISORIES", str(table))
    assert main(["maintenance", "forecast", "mine", "--json", "--scope", "web-1"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["forecasts"]
    assert (row["cves"], row["advisories"]) == (["CVE-2026-7"], ["DSA-1-1"])


def test_where_nothing_is_open_the_forecast_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.is_dir()
    assert main(["maintenance", "forecast", "mine", "--scope", "not all"]) == 0
    assert "no open security fix is known, on no machine\n" in capsys.readouterr().out
