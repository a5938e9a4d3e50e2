"""The controller of a Windows run is killed at each step that it records, and another goes on.

The controllers are processes and die of SIGKILL; the computer lives on. First each kind of run is
made without a kill: the points that it passes are those at which the others are killed.

- At each point of a step that changes the machine, in a run of its own: the next controller takes
  it to its end.
- At one point of each step in turn, in one run: each controller goes on where the last one died,
  and gets as far as the next step.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.outcome import Status
from tests.systems.kill_child import KINDS

# All that is asked here is asked of the same runs, which take minutes: they are made once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills")]

VERDICTS = {
    "plain": Status.SUCCEEDED,
    "hotpatch": Status.SUCCEEDED,
    "undo": Status.ROLLED_BACK,
    "rounds": Status.SUCCEEDED,
    "failing": Status.FAILED,
    "damaged": Status.SUCCEEDED,
}
"""What each kind of run comes to where nobody kills its controller."""

LEAST = 200
"""Kills that there must be at least, of all kinds together."""

WORKERS = 8
"""Processes that make runs at the same time; each waits now and then for its computer."""

POINTS = {"before it is recorded", "recorded", "done"}
"""Points that every step must have: killed before the record, before the act, and after it."""

CHANGES = re.compile(r"\b(install|reboot|undo|repair)\b")
"""What is in the keys of steps that change the machine for good."""

Order = dict[str, Any]
Told = dict[str, Any]
Point = list[str]


def carry_out(folder: Path, orders: Iterable[Order]) -> list[Told]:
    """Make one run for each order, some at the same time."""
    texts = [json.dumps(order) for order in orders]
    workers = []
    for number in range(WORKERS):
        place = folder / str(number)
        place.mkdir(parents=True)
        (place / "orders").write_text("".join(f"{text}\n" for text in texts[number::WORKERS]))
        with (place / "orders").open() as given, (place / "told").open("w") as answers:
            command = [sys.executable, "-m", "tests.systems.kill_child", str(place)]
            workers.append(subprocess.Popen(command, stdin=given, stdout=answers))
    try:
        assert [worker.wait() for worker in workers] == [0] * WORKERS
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    lines = [(folder / str(n) / "told").read_text().splitlines() for n in range(WORKERS)]
    told = [json.loads(line) for each in lines for line in each]
    assert len(told) == len(texts)
    return told


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """Each kind of run, without a kill."""
    told = carry_out(tmp_path_factory.mktemp("whole"), [{"kind": kind} for kind in KINDS])
    return {each["kind"]: each for each in told}


@pytest.fixture(scope="module")
def killed(
    whole: dict[str, Told], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Told]]:
    """Each kind of run, killed at each of its points."""
    orders = [
        {"kind": kind, "deadly": deadly}
        for kind, told in whole.items()
        for deadly in [*alone(told["points"]), *in_turn(told["points"])]
    ]
    told = carry_out(tmp_path_factory.mktemp("killed"), orders)
    return {kind: [each for each in told if each["kind"] == kind] for kind in KINDS}


def alone(points: list[Point]) -> list[list[Point]]:
    """Return each point of the steps that change the machine, by itself."""
    return [[point] for point in points if CHANGES.search(point[0])]


def in_turn(points: list[Point]) -> list[list[Point]]:
    """Return those points together that are the same place of different steps."""
    places = dict.fromkeys(place for _, place in points)
    return [[point for point in points if point[1] == place] for place in places]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_left_alone_comes_to_its_verdict(whole: dict[str, Told], kind: str) -> None:
    told = whole[kind]
    assert (told["codes"], told["errors"]) == ([0], "")
    assert told["status"] == VERDICTS[kind], told["reason"]
    assert told["host"]["starts"] == 1
    assert told["host"]["refused"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_of_the_record_is_one_at_which_the_controller_is_killed(
    whole: dict[str, Told], kind: str
) -> None:
    points = {tuple(point) for point in whole[kind]["points"]}
    for step in whole[kind]["steps"]:
        assert {(step, point) for point in POINTS} <= points


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_whose_controller_was_killed_is_gone_on_with_and_nothing_is_done_twice(
    whole: dict[str, Told], killed: dict[str, list[Told]], kind: str
) -> None:
    assert {
        at: problems for at, problems in found(whole[kind], killed[kind]).items() if problems
    } == {}


def found(whole: Told, killed: list[Told]) -> dict[str, list[str]]:
    """Return by the points of its kills what is wrong with each run."""
    return {json.dumps(told["deadly"]): wrong(whole, told) for told in killed}


def wrong(whole: Told, told: Told) -> list[str]:
    """Compare a run that was killed with one that was not: only what was asked twice may differ."""
    must = {
        "codes": ([*[-signal.SIGKILL] * len(told["deadly"]), 0], told["codes"]),
        "errors": ("", told["errors"]),
        "verdict": ((whole["status"], whole["reason"]), (told["status"], told["reason"])),
        "steps": (whole["steps"], told["steps"]),
        "open steps": ([], told["open"]),
        "computer": (whole["host"], told["host"]),
    }
    return [f"{what}: {is_} and not {be}" for what, (be, is_) in must.items() if be != is_]


def test_the_kills_are_many(
    killed: dict[str, list[Told]], capsys: pytest.CaptureFixture[str]
) -> None:
    kills = {kind: sum(len(each["deadly"]) for each in told) for kind, told in killed.items()}
    with capsys.disabled():
        print(f"\n{sum(kills.values())} kills: {kills}")
    assert sum(kills.values()) >= LEAST
