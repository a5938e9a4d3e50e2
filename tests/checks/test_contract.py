"""What every kind of check must come with. A new one is picked up and fails until it has all."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError

from patchyard.checks.base import Check, Options, Question, kinds
from patchyard.domain.health import Finding, Outcome, compare, passed
from patchyard.domain.inventory import Machine
from patchyard.errors import MachineError
from patchyard.systems.base import Language
from patchyard.templates import ROOT
from patchyard.transcript import Section
from tests.checks.captures import CAPTURES, Capture

KINDS = kinds()
SCRIPTED = {name: check for name, check in KINDS.items() if check.judge}
MINE = {
    name: [capture for capture in CAPTURES if capture.kind == name] for name in sorted(SCRIPTED)
}


LANGUAGES = get_args(Language)
SHELL = [capture for capture in CAPTURES if KINDS[capture.kind].script]
POWERSHELL = sorted(name for name, check in KINDS.items() if check.powershell)


def test_the_kinds_are_the_ones_that_are_told() -> None:
    assert set(KINDS) == {
        "command",
        "default_route",
        "disk",
        "dns",
        "failed_units",
        "http",
        "listening_ports",
        "systemd_unit",
        "tcp",
        "powershell",
        "windows_events",
        "windows_services",
    }


@pytest.mark.parametrize("name", sorted(KINDS))
def test_options_are_described_and_nothing_else_is_taken(name: str) -> None:
    options = KINDS[name].options
    assert issubclass(options, Options)
    assert [field for field, info in options.model_fields.items() if not info.description] == []
    assert options.model_config.get("extra") == "forbid"


@pytest.mark.parametrize("name", sorted(SCRIPTED))
def test_a_script_has_a_template_of_its_name(name: str) -> None:
    for language in LANGUAGES:
        template = SCRIPTED[name].template(language)
        assert template in {None, f"{name}.{language}.j2"}
        assert template is None or (ROOT / "checks" / template).is_file()


def test_no_template_is_left_over() -> None:
    there = {path.name for path in (ROOT / "checks").glob("[!_]*")}
    named = {check.template(language) for check in SCRIPTED.values() for language in LANGUAGES}
    assert there == named - {None}


@pytest.mark.parametrize("name", sorted(SCRIPTED))
def test_there_are_captures_of_a_machine_that_is_well_and_of_one_that_got_worse(name: str) -> None:
    well = [each for each in MINE[name] if each.note.endswith("-passed")]
    worse = [each for each in MINE[name] if "-passed" not in each.note or "gone" in each.note]
    assert well
    assert worse
    for capture in worse:
        assert any(d.regressed for d in compare((well[0].answer,), (capture.answer,)))


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_a_capture_means_what_is_written_beside_it(capture: Capture) -> None:
    assert capture.question.judge(capture.section) == capture.finding
    expected = next(each for each in ("passed", "failed") if each in capture.note)
    assert capture.finding.outcome == Outcome(expected)


@pytest.mark.parametrize("capture", SHELL, ids=lambda capture: capture.name)
def test_every_script_is_good_shell(capture: Capture, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(capture.question.script())
    subprocess.run(["/bin/sh", "-n", script], check=True)


@pytest.mark.parametrize("name", POWERSHELL)
def test_a_script_in_powershell_is_the_same_for_all_options(name: str) -> None:
    asked = [capture.question for capture in MINE[name]]
    assert len({each.script("ps1") for each in asked}) == 1
    assert not any("{{" in each.script("ps1") for each in asked)


def test_a_check_that_has_no_script_in_a_language_says_so() -> None:
    with pytest.raises(ValueError, match="cannot be asked of Windows"):
        Question("x", KINDS["failed_units"], Options()).script("ps1")
    with pytest.raises(ValueError, match="cannot be asked of Linux"):
        Question("x", KINDS["powershell"], Options()).script("sh")


def judged(capture: Capture, section: Section) -> Outcome:
    try:
        return capture.question.judge(section).outcome
    except MachineError:
        return Outcome.UNKNOWN


@pytest.mark.parametrize("status", [1, 3, 77, 255])
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_a_tool_that_failed_is_never_good_news(capture: Capture, status: int) -> None:
    said = capture.section.stdout if capture.finding.outcome == Outcome.PASSED else ""
    failing = Section(capture.kind, said, "it did not work", status)
    assert judged(capture, failing) != Outcome.PASSED


# Nothing failed, and the command of the operator's own, may say so by silence.
SILENT = {"failed_units", "command", "tcp"}  # of Windows even silence is JSON


@pytest.mark.parametrize("name", sorted(set(SCRIPTED) - SILENT))
def test_silence_is_never_good_news(name: str) -> None:
    for capture in MINE[name]:
        assert judged(capture, Section(name, "", "", 0)) != Outcome.PASSED


class Two(Options):
    unit: str = ""


def judge(_options: Two, _section: Section) -> Finding:
    return passed()


def probe(_options: Two, _machine: Machine) -> Finding:
    return passed()


def test_a_check_is_asked_in_some_way_and_says_which() -> None:
    with pytest.raises(ValueError, match="in no way"):
        Check(name="x", options=Two)
    with pytest.raises(ValueError, match="go together"):
        Check(name="x", options=Two, script="x.sh.j2")
    with pytest.raises(ValueError, match="no option `via`"):
        Check(name="x", options=Two, script="x.sh.j2", judge=judge, probe=probe)
    with pytest.raises(ValueError, match="not one of its options"):
        Check(name="x", options=Two, probe=probe, subject="y")
    assert Check(name="x", options=Two, probe=probe, subject="unit").script is None


@pytest.mark.parametrize(
    ("kind", "options", "good"),
    [
        ("systemd_unit", {"unit": "getty@tty1.service"}, True),
        ("systemd_unit", {"unit": "--help"}, False),
        ("systemd_unit", {"unit": "*"}, False),
        ("systemd_unit", {"unit": "a", "state": "failed"}, False),
        ("disk", {}, False),
        ("disk", {"path": "var", "min_free_mb": 1}, False),
        ("listening_ports", {"ignore": [22, "6000-6100"]}, True),
        ("listening_ports", {"ignore": ["6100-6000"]}, False),
        ("listening_ports", {"ignore": ["1-70000"]}, False),
        ("dns", {"name": "-x"}, False),
        ("http", {"url": "http://a.example/", "status": [200, 204]}, True),
        ("http", {"url": "ftp://a.example/"}, False),
        ("http", {"url": "http://user:word@a.example/"}, False),
        ("http", {"url": "http://a.example/ b"}, False),
        ("http", {"url": "http://a.example:99999/"}, False),
        ("http", {"url": "http://{adress}/"}, False),
        ("http", {"url": "http://a.example/", "status": 20}, False),
        ("http", {"url": "http://a.example/", "ca": "ca.pem"}, False),
        ("tcp", {"port": "22"}, True),
        ("tcp", {"port": 22, "host": "--help"}, False),
        ("command", {"command": "awk '{ print }' x; echo ${HOME} %{y} {}"}, True),
        ("command", {"command": "awk '{print}' x"}, False),
        ("default_route", {"timeout": 0}, False),
        ("powershell", {"expression": "Get-Process | Where-Object { $_.Id -gt 4 }"}, True),
        ("powershell", {"expression": ""}, False),
        ("powershell", {"command": "hostname"}, False),
        ("windows_services", {"ignore": ["app-*"]}, True),
        ("windows_events", {"ids": [7034]}, False),
    ],
)
def test_what_can_be_written(kind: str, options: dict[str, object], good: bool) -> None:
    model: type[BaseModel] = KINDS[kind].options
    if good:
        model.model_validate(options)
        return
    with pytest.raises(ValidationError):
        model.model_validate(options)
