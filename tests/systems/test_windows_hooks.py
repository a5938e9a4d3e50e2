"""Scripts of the operator's own, and messages, on a simulated Windows computer."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from patchyard.errors import ScriptFailed
from patchyard.notifiers.machine import send
from patchyard.operations import Given, hook
from patchyard.testing.windows.host.profiles import SERVER_2022
from tests.notifiers.letters import letter
from tests.systems.windows_runs import Yard

VARIABLES = {
    "PATCHYARD_HOOK": "own",
    "PATCHYARD_HOOK_KEY": "k1",
    "PATCHYARD_HOOK_WHEN": "before",
    "PATCHYARD_HOOK_OF": "machine",
    "PATCHYARD_RUN": "r1",
    "PATCHYARD_MACHINE": "win-1",
    "PATCHYARD_TEST": "1",
}


def run(yard: Yard, script: str, key: str = "hook-before-0") -> str:
    text = json.dumps({"machine": "win-1", "odd": "it's $x \N{SNOWMAN}"})
    with yard.bench() as bench:
        return hook(bench, key, Given(script, text, VARIABLES), timedelta(minutes=1))


def test_it_is_told_by_its_argument_and_by_variables() -> None:
    script = "param($Given) $told = $Given | ConvertFrom-Json; $env:PATCHYARD_TEST; $told.odd"
    assert run(Yard(SERVER_2022), script) == "1 it's $x \N{SNOWMAN}"


def test_an_error_and_a_program_that_failed_are_failures() -> None:
    yard = Yard(SERVER_2022)
    with pytest.raises(ScriptFailed, match="no drain today"):
        run(yard, "throw 'no drain today'")
    with pytest.raises(ScriptFailed, match="the last program ended with 1116"):
        run(yard, "& shutdown.exe /a", "hook-before-1")


def test_it_runs_once_for_its_key() -> None:
    yard = Yard(SERVER_2022)
    file = "'C:\\count.txt'"
    script = f"[IO.File]::AppendAllText({file}, 'x'); [IO.File]::ReadAllText({file})"
    assert [run(yard, script), run(yard, script)] == ["x", "x"]


def test_a_notice_is_shown_to_whoever_is_logged_in() -> None:
    yard = Yard(SERVER_2022)
    assert send(letter("", yard.inventory(), "win-1", text="Don't $(wait).")) == ""
    assert yard.computer.shown == ["Don't $(wait)."]
    assert yard.computer.refused == []
