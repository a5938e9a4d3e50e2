from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are not installed
import pytest
import yaml

from patchyard.domain.maintenance import Maintenance
from patchyard.domain.preview import Case
from patchyard.errors import ConfigurationError
from patchyard.providers import (
    load_inventory,
    load_maintenance,
    maintained_inventories,
    maintenance_schema,
)
from patchyard.testing.assessments import NOON

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ("cloud", "hybrid")
SCHEMA = ROOT / "schemas" / "maintenance.schema.json"

WEB = """
configurations:
  web:
    scope: tags.role == web
    schedule:
      recurrence: Month Second Tuesday Offset4
      start: 2026-01-01 22:00
      time_zone: Europe/Berlin
      length: 3h55m
"""
HOLIDAY = (
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260501\nSUMMARY:Labour Day\n"
    "END:VEVENT\nEND:VCALENDAR\n"
)


def write(folder: Path, text: str, *, name: str = "maintenance.yaml") -> Path:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def load(folder: Path, text: str) -> Maintenance:
    return load_maintenance(write(folder, text))


def problems(folder: Path, text: str) -> list[str]:
    """Return what is wrong, each as `line: field: message`."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    return [f"{each.line}: {each.field}: {each.message}" for each in caught.value.problems]


def test_a_configuration_is_read(tmp_path: Path) -> None:
    (web,) = load(tmp_path, WEB).configurations
    assert (web.name, web.kind, web.scope) == ("web", "guest", "tags.role == web")
    assert web.schedule.recurrence == "Month Second Tuesday Offset4"


def test_the_file_and_those_of_the_folder_are_one(tmp_path: Path) -> None:
    write(tmp_path, WEB)
    write(tmp_path, WEB.replace("web:", "db:"), name="maintenance/db.yaml")
    write(
        tmp_path,
        "freezes: {audit: {start: 2026-03-10, end: 2026-03-12, reason: books}}",
        name="maintenance/freezes.yaml",
    )
    write(tmp_path, "nonsense: [", name="maintenance/.db.yaml.swp.yaml")
    found = load_maintenance(tmp_path)
    assert [each.name for each in found.configurations] == ["web", "db"]
    ((audit,),) = found.freezes.values()
    assert (audit.name, audit.length.days) == ("audit: books", 3)


def test_the_inventory_passes_maintenance_over(tmp_path: Path) -> None:
    write(tmp_path, WEB)
    write(tmp_path, "machines: {a: {address: a.example}}", name="machines.yaml")
    assert len(load_inventory(tmp_path).machines) == 1


def test_a_calendar_is_read_beside_the_inventory(tmp_path: Path) -> None:
    write(tmp_path, HOLIDAY, name="calendars/de.ics")
    found = load(tmp_path, f"freezes: {{holidays: {{calendar: calendars/de.ics}}}}\n{WEB}")
    assert [each.name for each in found.freezes["holidays"]] == ["holidays: Labour Day"]


def test_sections_may_be_left_empty(tmp_path: Path) -> None:
    text = WEB + "    checks:\n    hooks:\n    notices:\n    linux:\n    approval:\nfreezes:\n"
    assert load(tmp_path, text).configurations[0].checks == ()


def test_checks_are_read_as_in_an_inventory(tmp_path: Path) -> None:
    (web,) = load(
        tmp_path, WEB + "    checks: [default_route, {systemd_unit: {unit: a.service}}]\n"
    ).configurations
    assert [check.label for check in web.checks] == ["default_route", "systemd_unit a.service"]


A_MAPPING = "must be a mapping: lines of `key: value`, indented below it"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("soka: 5m", "10: configurations.web.soka: is not known here; did you mean soak?"),
        ("soak: 5", "10: configurations.web.soak: needs a unit; write it such as 3h55m"),
        ("length: 4h", "10: configurations.web.length: is not known here; write it below schedule"),
        ("kind: gest", "10: configurations.web.kind: must be one of guest, host, os_image"),
        ("reboot: maybe", "10: configurations.web.reboot: must be one of if_required, never"),
        ("slots: 0", "10: configurations.web.slots: must be at least 1"),
        ("waves: 1", "10: configurations.web.waves: must be a list"),
        ("waves: [true]", "10: configurations.web.waves.0: must be text; put the word in quotes"),
        ("freezes: [audit]", "10: configurations.web.freezes.0: there is no freeze of that name"),
        ("checks: [disc]", "10: configurations.web.checks.0: disc is no kind of check; did you"),
        ("linux: {classifications: [Securty]}", "10: configurations.web.linux.classifications.0:"),
        ("undo: sometimes", "10: configurations.web.undo: must be one of required, preferred"),
        ("budget: {max_failures: many}", "10: configurations.web.budget.max_failures: must be a"),
        ("scope: all", "10: configurations.web.scope: stands twice; it is already in line 4"),
        ("approval: {of: somebody}", "10: configurations.web.approval.of: must be one of none"),
        ("prepare: 6", "10: configurations.web.prepare: needs a unit; write it such as 3h55m"),
    ],
)
def test_a_wrong_field_is_told_with_its_line_and_what_to_write(
    tmp_path: Path, more: str, said: str
) -> None:
    (found,) = problems(tmp_path, f"{WEB}    {more}\n")
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("Offset4", "Offset400", "6: configurations.web.schedule.recurrence: is more than 90 days"),
        ("Second Tuesday", "Secnd Tuesday", "6: configurations.web.schedule.recurrence: counts"),
        ("Europe/Berlin", "Europe/Berln", "8: configurations.web.schedule.time_zone: is no time"),
        ("3h55m", "3:55", "9: configurations.web.schedule.length: would be read as another number"),
        ("3h55m", "32d", "5: configurations.web.schedule: has a length that no window can have"),
        ("2026-01-01 22:00", "2026-01-01", "7: configurations.web.schedule.start: needs a time of"),
        ("start: 2026-01-01 22:00", "begin: x", "5: configurations.web.schedule.start: is missing"),
        ("tags.role ==", "tags.role =", "4: configurations.web.scope: "),
    ],
)
def test_a_wrong_schedule_is_told_with_its_line(
    tmp_path: Path, was: str, now: str, said: str
) -> None:
    found = problems(tmp_path, WEB.replace(was, now))
    assert any(each.startswith(said) for each in found), found


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ("{}", "1: freezes.f: needs start and end, or a calendar"),
        ("{start: 2026-01-01}", "1: freezes.f: needs start and end, or a calendar"),
        ("{start: 2026-01-02, end: 2026-01-01}", "1: freezes.f: ends before it starts"),
        (
            "{start: 2026-01-02 10:00, end: 2026-01-02 10:00}",
            "1: freezes.f: ends when it starts",
        ),
        ("{start: 2026-13-01, end: 2026-01-01}", "1: freezes.f.start: is no local time"),
        ("{calendar: no.ics}", "1: freezes.f.calendar: leads to no file"),
        ("{calendar: a.ics, start: 2026-01-01}", "1: freezes.f: has a calendar and more"),
        ("{calendar: a.ics, reason: x}", "1: freezes.f: has a calendar and more"),
        ("{start: 2026-01-01, end: 9999-12-31}", "1: freezes.f: is too far away"),
        ("x", f"1: freezes.f: {A_MAPPING}"),
    ],
)
def test_a_wrong_freeze_is_told(tmp_path: Path, freeze: str, said: str) -> None:
    (found,) = problems(tmp_path, f"freezes: {{f: {freeze}}}{WEB}")
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("rings", "said"),
    [
        ({"a": "b"}, "there is no configuration of that name"),
        ({"a": "a"}, "goes round: a after a; one of them must have no ring"),
        ({"a": "b", "b": "c", "c": "a"}, "goes round: a after b after c after a"),
    ],
)
def test_a_ring_that_leads_nowhere_is_told(
    tmp_path: Path, rings: dict[str, str], said: str
) -> None:
    one = WEB.removeprefix("\nconfigurations:\n")
    each = (
        one.replace("  web:\n", f"  {name}:\n    ring: {{after: {after}}}\n")
        for name, after in rings.items()
    )
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "configurations:\n" + "".join(each))
    assert len(caught.value.problems) == len(rings)
    assert said in str(caught.value.problems[0])
    assert caught.value.problems[0].field == "configurations.a.ring.after"


def test_a_ring_may_lead_into_a_circle_of_others(tmp_path: Path) -> None:
    """Those of the circle are told; what leads there is not searched for ever."""
    rings = {"d": "a", "a": "b", "b": "a"}
    one = WEB.removeprefix("\nconfigurations:\n")
    each = (
        one.replace("  web:\n", f"  {name}:\n    ring: {{after: {after}}}\n")
        for name, after in rings.items()
    )
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "configurations:\n" + "".join(each))
    assert sorted(each.field for each in caught.value.problems) == [
        "configurations.a.ring.after",
        "configurations.b.ring.after",
    ]


MACHINES = """
machines:
  a: {address: a.example, cluster: db, tags: {role: replica}}
  b: {address: b.example, cluster: db, tags: {role: primary}}
"""
RULES = """
    availability:
      phases: [[oslo], [eastus, West US]]
      quorum:
        - {of: cluster exists, each: cluster, at_least: majority}
        - {of: cluster == dbs, at_least: 1}
      order:
        - {first: tags.role == replica, then: tags.role == primary}
        - {first: tags.role == primary, then: tags.role == replica}
"""


def test_rules_that_cannot_hold_for_the_machines_are_told_with_their_line(tmp_path: Path) -> None:
    write(tmp_path, MACHINES, name="machines.yaml")
    write(tmp_path, (WEB + RULES).replace("tags.role == web", "all"))
    assert load_maintenance(tmp_path).configurations
    with pytest.raises(ConfigurationError) as caught:
        load_maintenance(tmp_path, load_inventory(tmp_path))
    lines = (WEB + RULES).splitlines()
    place = {text.strip()[:12]: number for number, text in enumerate(lines, 1)}
    told = [(each.line, each.field, each.message) for each in caught.value.problems]
    start = "configurations.web.availability."
    assert told == [
        (
            place["phases: [[os"],
            f"{start}phases.1",
            "eastus and westus are paired; write them in different phases",
        ),
        (
            place["- {of: clust"] - 1,
            f"{start}quorum.0.at_least",
            "cluster db has 2, and 2 must be up, so none could be patched; write 1 or less",
        ),
        (place["- {of: clust"], f"{start}quorum.1.of", "no machine is in it"),
        (
            place["order:"],
            f"{start}order",
            "a, b wait for each other; take one of the orders away",
        ),
    ]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("domain_limit: 0", "domain_limit: must be a whole number from 1 to 1000, or a share"),
        (
            "availability: {quorum: [{of: all, at_least: most}]}",
            "quorum.0.at_least: must be a count such as 2, a share below 100% such as 60%",
        ),
        ("availability: {quorum: [{of: all}]}", "quorum.0.at_least: is missing"),
        ("availability: {zone: together}", "availability.zone: is not known here"),
        ("availability: {zones: apart}", "must be one of one_at_a_time, together"),
        ("availability: {pairs: [[oslo]]}", "pairs.0: must be two regions"),
        ("availability: {phases: [[oslo], [Oslo]]}", "availability: has oslo in two phases"),
    ],
)
def test_a_wrong_rule_of_availability_is_told(tmp_path: Path, written: str, said: str) -> None:
    (told,) = problems(tmp_path, f"{WEB}    {written}\n")
    assert told.startswith("10: configurations.web.")
    assert said in told


def test_one_day_and_one_moment_of_a_day_are_freezes(tmp_path: Path) -> None:
    days = (
        "{a: {start: 2026-01-02, end: 2026-01-02}, b: {start: 2026-01-02 10:00, end: 2026-01-02}}"
    )
    found = load(tmp_path, f"freezes: {days}{WEB}")
    lengths = {name: each.length.total_seconds() / 3600 for name, (each,) in found.freezes.items()}
    assert lengths == {"a": 24, "b": 14}


def test_all_problems_of_all_files_are_told_at_once_with_calendars(tmp_path: Path) -> None:
    write(tmp_path, HOLIDAY.replace("20260501", "20260230"), name="a.ics")
    write(tmp_path, "configuration: {}\n", name="maintenance/typo.yaml")
    write(tmp_path, WEB, name="maintenance/web.yaml")
    write(tmp_path, WEB, name="maintenance/web.yml")
    text = f"freezes:\n  'bad name': {{calendar: a.ics}}\n{WEB}    slots: x\n"
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    told = [str(each).removeprefix(f"{tmp_path}/") for each in caught.value.problems]
    assert [each.split(": ")[:2] for each in told] == [
        ["a.ics:3", "DTSTART"],
        ["maintenance.yaml:2", "freezes.bad name"],
        ["maintenance.yaml:12", "configurations.web.slots"],
        ["maintenance/typo.yaml:1", "configuration"],
        ["maintenance/web.yaml:3", "configurations.web"],
        ["maintenance/web.yml", "is not read; maintenance files end in .yaml"],
    ]


def test_no_message_repeats_a_value(tmp_path: Path) -> None:
    secret = "hunter2"
    text = f"""
freezes: {{f: {{start: {secret}, end: {secret}, time_zone: {secret}, calendar: {secret}}}}}
configurations:
  a:
    scope: all
    schedule: {{recurrence: {secret}, start: {secret}, length: {secret}, time_zone: {secret}}}
    soak: {secret}
    slots: {secret}
    reboot: {secret}
    hooks: [{{name: x, when: before, of: run, webhook: "https://me:{secret}@host/"}}]
    notices: [{{at: [{secret}], to: webhook, address: {secret}}}]
    budget: {secret}
"""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert secret not in str(caught.value) + repr(caught.value.problems)


def test_an_inventory_without_maintenance_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no maintenance configurations"):
        load_maintenance(tmp_path)
    with pytest.raises(ConfigurationError, match="there is no inventory"):
        load_maintenance(tmp_path / "none")


# The examples and the schema


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_load_with_their_inventory(name: str) -> None:
    case = Case(load_maintenance(name), load_inventory(name), NOON)
    assert all(lane.machines for lane in case.lanes)
    assert all(next(case.windows(lane)) for lane in case.lanes)


def test_the_examples_are_found() -> None:
    assert set(EXAMPLES) <= set(maintained_inventories())


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_name_the_schema_and_meet_it(name: str) -> None:
    folder = ROOT / "inventories" / name
    files = [*folder.glob("maintenance.yaml"), *(folder / "maintenance").glob("*.yaml")]
    assert files
    for path in files:
        first = path.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / first).resolve() == SCHEMA
        jsonschema.validate(_as_read(path.read_text()), json.loads(SCHEMA.read_text()))


def _as_read(text: str) -> Any:
    """Return YAML as our reader and editors see it: times are text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def test_the_published_schema_is_in_step() -> None:
    command = "python -m patchyard maintenance schema > schemas/maintenance.schema.json"
    assert SCHEMA.read_text() == maintenance_schema(), f"run: {command}"
