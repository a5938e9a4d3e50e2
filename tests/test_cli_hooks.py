"""`patchyard maintenance test-hooks`: hooks called now, and told that it is a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from patchyard.cli import main

NOTE = '#!/bin/sh\ncat >>calls; echo >>calls; echo "test ${PATCHYARD_TEST:-no}"; exit "$1"\n'


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "machines.yaml").write_text(
        "machines:\n  web-1: {address: 127.66.0.1}\n  web-2: {address: 127.66.0.2}\n"
    )
    (folder / "note").write_text(NOTE)
    (folder / "note").chmod(0o755)
    return folder


def configuration(scope: str, *hooks: dict[str, Any]) -> dict[str, Any]:
    schedule = {"recurrence": "Day", "start": "2026-01-01 22:00", "length": "3h"}
    return {"scope": scope, "schedule": {**schedule, "time_zone": "UTC"}, "hooks": list(hooks)}


def write(inventory: Path, *hooks: dict[str, Any], **others: dict[str, Any]) -> None:
    every = {"web": configuration("all", *hooks), **others}
    text = yaml.safe_dump({"configurations": every})
    (inventory / "maintenance.yaml").write_text(text)


def hook(name: str, when: str, of: str, status: str = "0") -> dict[str, Any]:
    return {"name": name, "when": when, "of": of, "command": ["./note", status]}


def told(inventory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (inventory / "calls").read_text().splitlines()]


def test_hooks_are_called_in_their_order_and_told_that_it_is_a_test(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        inventory,
        *(hook("a-run", "after", "run"), hook("b-machine", "before", "machine")),
        *(hook("b-run", "before", "run"), hook("b-wave", "before", "wave")),
    )
    assert main(["maintenance", "test-hooks", str(inventory), "--machine", "web-2"]) == 0
    calls = told(inventory)
    assert [each["hook"] for each in calls] == ["b-run", "b-wave", "b-machine", "a-run"]
    assert all(each["test"] is True for each in calls)
    assert all(each["run"]["id"].startswith("test-") for each in calls)
    assert [row["name"] for row in calls[0]["machines"]] == ["web-1", "web-2"]
    assert (calls[2]["machine"], calls[2]["wave"]) == ("web-2", 1)
    assert calls[3]["outcome"]["reason"] == "a test: nothing was done"
    shown = capsys.readouterr().out
    assert "web  before web-2  b-machine" in shown
    assert "done: test 1" in shown
    assert shown.endswith("4 called as a test, 0 failed\n")


def test_a_hook_that_fails_is_told_and_is_the_exit_status(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(inventory, hook("bad", "before", "run", "4"), hook("good", "before", "run"))
    assert main(["maintenance", "test-hooks", str(inventory)]) == 1
    shown = capsys.readouterr().out
    assert "hook_failed: ended with status 4: test 1" in shown
    assert "2 called as a test, 1 failed" in shown
    assert main(["maintenance", "test-hooks", str(inventory), "--hook", "good"]) == 0


def test_what_does_not_fit_is_told(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(inventory, hook("a", "before", "machine"))
    assert main(["maintenance", "test-hooks", str(inventory), "--hook", "b"]) == 2
    assert main(["maintenance", "test-hooks", str(inventory), "--machine", "web-9"]) == 2
    assert "no machine 'web-9' is in the scope of web" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"command": "./drain {name}"}, "is a list of the program and its arguments"),
        ({"command": ["x"], "when": "after", "on_failure": "skip_machine"}, "no machine can be"),
        ({"command": ["x", "{name}"], "of": "run"}, "is for no single machine"),
        ({"command": ["x"], "webhook": "https://host/"}, "needs one of command, script and"),
        ({"command": ["x"], "timeout": "0m"}, "has no time to end in"),
    ],
)
def test_what_is_written_wrong_is_told_with_what_to_write(
    inventory: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any], said: str
) -> None:
    bare = {"name": "a", "when": "before", "of": "machine"}
    write(inventory, {**bare, **wrong})
    assert main(["maintenance", "check", str(inventory)]) == 2
    assert said in capsys.readouterr().err


def test_two_hooks_of_one_name_are_refused(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(inventory, hook("a", "before", "run"), hook("a", "after", "run"))
    assert main(["maintenance", "check", str(inventory)]) == 2
    assert "has several hooks named a" in capsys.readouterr().err


def test_of_several_configurations_those_that_have_the_machine_are_tried(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = configuration("name == web-1", hook("first", "before", "machine"))
    nobody = configuration("name == web-9", hook("empty", "before", "run"))
    write(inventory, hook("both", "before", "machine"), first=first, nobody=nobody)
    command = ["maintenance", "test-hooks", str(inventory)]
    assert main([*command, "--machine", "web-2"]) == 0
    assert [(each["hook"], each["machine"]) for each in told(inventory)] == [("both", "web-2")]
    # One without machines has hooks of runs all the same.
    assert main([*command, "--configuration", "nobody"]) == 0
    assert main([*command, "--configuration", "first", "--machine", "web-2"]) == 2
    assert "no machine 'web-2' is in the scope of first" in capsys.readouterr().err
