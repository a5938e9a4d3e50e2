import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from patchyard.errors import PatchyardError
from patchyard.templates import ROOT, render
from patchyard.transcript import Section, Transcript
from tests.managers.captures import (
    captures,
    in_language,
    managers,
    reader,
    system_of,
    transcript_of,
    verb_of,
)

HOSTILE = "x'; touch /tmp/owned; '"
PACKAGE = {"name": "openssl", "architecture": "amd64", "version": "1:3.0.22-1~deb12u2"}
ODD = {"name": HOSTILE, "architecture": "all", "version": "$(touch /tmp/owned)"}

PARAMETERS: dict[str, dict[str, Any]] = {
    "assess": {"refresh": True, "lock_seconds": 30, "refresh_seconds": 240},
    "restore_point": {"folder": "/var/lib/patchyard/restore/r 1", "packages": [PACKAGE, ODD]},
    "install": {"updates": [PACKAGE, ODD], "conffiles": "keep", "lock_seconds": 30},
    "download": {"updates": [PACKAGE, ODD], "lock_seconds": 30, "spare_bytes": 100 * 2**20},
    "repair": {},
    "undo": {
        "folder": "/var/lib/patchyard/restore/r 1",
        "install": [PACKAGE, ODD],
        "remove": ["libnew:amd64", HOSTILE],
        "conffiles": "replace",
        "lock_seconds": 30,
    },
}
LINUX: dict[str, dict[str, Any]] = {
    "linux/restart_services.sh.j2": {"units": ["nginx.service", "init", HOSTILE]},
    "linux/reboot.sh.j2": {"delay_seconds": 2},
    "linux/message.sh.j2": {"text": HOSTILE},
    "linux/hook.sh.j2": {
        "script": HOSTILE,
        "given": HOSTILE,
        "seconds": "300",
        "whole_seconds": "300",
        "variables": {"PATCHYARD_HOOK": "$(touch /tmp/owned)"},
    },
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("apt/assess.sh.j2", {**PARAMETERS["assess"], "refresh": False}),
    ("apt/install.sh.j2", {**PARAMETERS["install"], "conffiles": "replace", "allow_held": True}),
    ("apt/undo.sh.j2", {**PARAMETERS["undo"], "remove": [], "install": []}),
    ("apt/restore_point.sh.j2", {"folder": "/x", "packages": []}),
]


VERBS = [["assess"], ["restore_point"], ["install", "repair", "undo", "download"]]
"""The verbs that one parser reads."""


def scripts() -> list[tuple[str, dict[str, Any]]]:
    shell = in_language("sh")
    own = [(f"{m}/{verb}.sh.j2", p) for m in shell for verb, p in PARAMETERS.items()]
    return [*own, *LINUX.items(), *VARIANTS]


@pytest.fixture(params=scripts(), ids=lambda pair: pair[0])
def script(request: pytest.FixtureRequest) -> str:
    name, parameters = request.param
    return render(name, nonce="0123456789abcdef", **parameters)


def check(argv: list[str], script: str) -> None:
    done = subprocess.run(argv, input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_script_is_posix_shell(script: str) -> None:
    check(["sh", "-n"], script)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_every_script_passes_shellcheck(script: str) -> None:
    # SC2016: formats of dpkg-query look like variables. SC2317, SC2329: functions are called by
    # name, through `section`. SC2194: an empty list of packages makes some words constant.
    check(["shellcheck", "-s", "sh", "-e", "SC2016,SC2317,SC2329,SC2194", "-"], script)


def test_no_value_reaches_a_script_unquoted(script: str) -> None:
    bare = re.sub(r"'(?:[^']|'\"'\"')*'", "''", script)

    assert "touch" not in bare


@pytest.mark.parametrize("path", sorted(ROOT.glob("apt/*.j2")), ids=lambda path: path.name)
def test_every_value_in_a_template_goes_through_the_quoting_filter(path: Path) -> None:
    values = re.findall(r"\{\{(.*?)\}\}", path.read_text())

    unquoted = [
        v for v in values if not v.rstrip().endswith("| sh") and "package.name ~ '_'" not in v
    ]
    assert unquoted == []


@pytest.mark.parametrize("verb", PARAMETERS)
@pytest.mark.parametrize("manager", in_language("ps1"))
def test_no_value_reaches_a_script_in_powershell(manager: str, verb: str) -> None:
    system = system_of(managers()[manager])
    script = system.script(f"{manager}/{verb}", "n0n5e", PARAMETERS[verb])

    assert script.text == system.script(f"{manager}/{verb}", "other", {}).text
    assert "touch" not in script.text
    assert script.parameters == {**PARAMETERS[verb], "nonce": "n0n5e", "job": None}


class Asked(Mapping[str, Section]):
    """Sections that remember which names were asked for."""

    def __init__(self, sections: Mapping[str, Section]) -> None:
        self.sections = sections
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Section:
        self.names.add(name)
        return self.sections[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sections)

    def __len__(self) -> int:
        return len(self.sections)


@pytest.mark.parametrize("manager", managers())
@pytest.mark.parametrize("verbs", VERBS)
def test_every_section_a_parser_asks_for_is_printed_by_its_template(
    manager: str, verbs: list[str]
) -> None:
    printed: set[str] = set()
    for verb in verbs:
        ending = system_of(managers()[manager]).language
        text = (ROOT / manager / f"{verb}.{ending}.j2").read_text()
        printed |= set(re.findall(r"\bsection '?([a-z_]+)'? ", text, re.IGNORECASE))
    asked: set[str] = set()
    for capture in captures():
        if capture.parent.name == manager and verb_of(capture) in verbs:
            sections = Asked(transcript_of(capture).sections)
            try:
                reader(managers()[manager], verb_of(capture))(Transcript(sections))
            except PatchyardError:
                continue
            asked |= sections.names

    assert asked
    assert asked - printed == set()
