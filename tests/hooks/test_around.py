"""What stands around a run, over a real memory: whoever takes the run up goes on with it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.outcome import Status
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.domain.rollout import Member, Rollout
from patchyard.hooks.around import Around
from patchyard.hooks.of_run import enter
from patchyard.notifiers import Letter, Notifier
from patchyard.runs import Run
from patchyard.store import HookCall, NoticeRecord, RunRecord, Store, open_store

NOW = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)
PLAN = Plan(
    inventory="fleet",
    scope="all",
    machines=(MachinePlan(machine="a"), MachinePlan(machine="b")),
    waves=(("a",), ("b",)),
)


class Scene:
    """A run of two machines, its memory, and who is called and told."""

    def __init__(self, folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATCHYARD_HOME", str(folder / "home"))
        self.folder, self.store = folder, store
        self.letters: list[Letter] = []
        note = folder / "note"
        note.write_text('#!/bin/sh\n{ cat; echo; } >>calls\nexit "$1"\n')
        note.chmod(0o755)

    def hook(self, name: str, when: str, of: str, status: str = "0", **more: Any) -> dict[str, Any]:
        return {"name": name, "when": when, "of": of, "command": ["./note", status], **more}

    def begun(
        self, *hooks: dict[str, Any], notices: tuple[dict[str, Any], ...] = (), **more: Any
    ) -> None:
        given = {"hooks": list(hooks), "notices": list(notices), "seed": "s", "slots": 1, **more}
        record = RunRecord("r1", "patch", "fleet", "all", given, Status.IN_PROGRESS, NOW)
        self.store.create_run(record)
        self.store.add_machines("r1", [("a", 1, 0), ("b", 2, 1)])
        self.store.set_plan("r1", PLAN)

    def run(self) -> Run:
        """The run as a controller has it that has just taken it up."""
        record = self.store.run("r1")
        assert record is not None
        machines = tuple(Machine(name=name, address="127.66.0.1") for name in "ab")
        fleet = Inventory(name="fleet", folder=str(self.folder), machines=machines)
        return Run(record, self.store, fleet, "me", resumed=True, clock=lambda: NOW)

    def around(self, run: Run, *forgiven: str) -> Around:
        def send(letter: Letter) -> str:
            self.letters.append(letter)
            return ""

        return Around(run, PLAN, {"event": Notifier("event", send)}, forgiven)

    def end_machine(self, name: str, status: Status = Status.SUCCEEDED) -> None:
        self.store.set_machine("r1", name, status, "", NOW)

    def rollout(self) -> Rollout:
        members = (Member("a", 1), Member("b", 2))
        standings = self.store.standings("r1")
        return Rollout(members, {name: each.status for name, each in standings.items()})

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [f"{t['hook']} {t['wave'] or 'run'}" for t in map(json.loads, lines)]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with open_store(f"sqlite:///{tmp_path}/memory.db") as store:
        yield Scene(tmp_path, store, monkeypatch)


def test_hooks_after_alone_are_called_by_whoever_takes_the_run_up(scene: Scene) -> None:
    scene.begun(scene.hook("wave", "after", "wave"), scene.hook("run", "after", "run"))
    assert scene.around(scene.run()).begin(["a"])
    scene.end_machine("a")
    # The controller dies here. The next one begins nothing more: the window is over, say.
    assert scene.around(scene.run()).end("the window is over") == "the window is over"
    assert scene.calls == ["wave 1", "run run"]
    scene.around(scene.run()).end("the window is over")
    assert scene.calls == ["wave 1", "run run"]


def test_a_wave_is_left_when_its_last_machine_has_ended(scene: Scene) -> None:
    scene.begun(scene.hook("wave", "after", "wave"))
    around = scene.around(scene.run())
    around.begin(["a"])
    around.turn(scene.rollout())
    assert scene.calls == []
    scene.end_machine("a", Status.FAILED)
    around.turn(scene.rollout())
    around.turn(scene.rollout())
    assert scene.calls == ["wave 1"]


def test_a_run_of_which_nothing_was_begun_calls_nothing(scene: Scene) -> None:
    scene.begun(scene.hook("before", "before", "run"), scene.hook("after", "after", "run"))
    assert scene.around(scene.run()).end("rejected by Ada") == "rejected by Ada"
    assert scene.calls == []


def test_a_controller_that_lost_the_run_leaves_it_to_the_other(scene: Scene) -> None:
    scene.begun(scene.hook("after", "after", "run"))
    run = scene.run()
    around = scene.around(run)
    around.begin(["a"])
    run.lost.set()
    around.end("cancelled")
    assert scene.calls == []


def test_a_hook_after_the_run_that_fails_is_seen_in_its_end(scene: Scene) -> None:
    scene.begun(scene.hook("after", "after", "run", "3"))
    around = scene.around(scene.run())
    around.begin(["a"])
    assert around.end("") == "hook after: ended with status 3: no output"


def test_a_hook_that_stopped_the_run_stops_whoever_takes_it_up_until_it_is_forgiven(
    scene: Scene,
) -> None:
    scene.begun(scene.hook("gate", "before", "run", "3"))
    assert not scene.around(scene.run()).begin(["a"])
    assert not scene.around(scene.run()).begin(["a"])
    assert scene.around(scene.run(), "gate").begin(["a"])
    assert scene.calls == ["gate run"]


def a_notice(run_id: str, state: str, moment: str = "start", at: datetime = NOW) -> NoticeRecord:
    key = f"fleet/{run_id or 'web@2026-03-14'}/{moment}/event"
    window = "" if run_id else "web@2026-03-14"
    return NoticeRecord(
        key, run_id, "fleet", window, moment, "event", "", 1, at, None, state, stops=True
    )


def test_a_notice_that_a_dead_controller_began_to_give_is_not_repeated_and_counts_as_failed(
    scene: Scene,
) -> None:
    scene.begun(notices=({"at": ["start"], "to": "event", "on_failure": "stop"},))
    scene.store.claim_notice(a_notice("r1", "claimed"))
    run = scene.run()
    assert not scene.around(run).begin(["a"])
    assert "nobody saw whether it was given" in next(iter(run.stops.values()))
    assert scene.letters == []
    assert scene.around(scene.run(), "notice start to event").begin(["a"])


WINDOW = {"key": "web@2026-03-14#linux", "start": NOW.isoformat(), "end": "2026-03-15T00:00:00Z"}


@pytest.mark.parametrize(("state", "begins"), [("failed", False), ("sent", True)])
def test_a_window_that_had_to_be_announced_and_was_not_is_not_used(
    scene: Scene, state: str, begins: bool
) -> None:
    must = {"at": ["24h"], "to": "event", "on_failure": "stop"}
    scene.begun(notices=(must,), window=WINDOW)
    scene.store.claim_notice(a_notice("", "claimed", "24h"))
    scene.store.end_notice(a_notice("", "", "24h").key, state, "no answer", NOW)
    run = scene.run()
    assert scene.around(run).begin(["a"]) is begins
    assert list(run.stops.values()) == ([] if begins else ["notice 24h to event: no answer"])


def test_a_run_tells_each_moment_once_whoever_drives_it(scene: Scene) -> None:
    scene.begun(notices=({"at": ["start", "wave", "failure", "end"], "to": "event"},))
    scene.around(scene.run()).begin(["a"])
    scene.end_machine("a", Status.FAILED)
    for _ in range(2):
        around = scene.around(scene.run())
        around.begin(["a"])
        around.turn(scene.rollout())
        around.end("the failure budget is gone")
    names = [letter.message.type.rpartition(".")[2] for letter in scene.letters]
    assert names == ["started", "wave_ended", "failing", "ended"]


MUST = {"at": ["24h"], "to": "event", "on_failure": "stop"}


def test_a_window_that_nobody_has_announced_is_not_used(scene: Scene) -> None:
    """No dispatcher was there: nothing has failed, and nobody was told."""
    scene.begun(notices=(MUST,), window=WINDOW)
    run = scene.run()
    assert not scene.around(run).begin(["a"])
    assert list(run.stops.values()) == ["notice 24h to event: it was never given"]
    assert scene.around(scene.run(), "notice 24h to event").begin(["a"])


def test_a_run_that_has_no_window_needs_no_notice_before_it(scene: Scene) -> None:
    scene.begun(notices=(MUST,))
    assert scene.around(scene.run()).begin(["a"])


def test_it_is_asked_when_the_first_machine_begins_and_not_when_the_run_does(scene: Scene) -> None:
    """A run that waits for its window is there before the last notices are given."""
    scene.begun(notices=(MUST,), window=WINDOW)
    around = scene.around(scene.run())
    scene.store.claim_notice(a_notice("", "claimed", "24h"))
    scene.store.end_notice(a_notice("", "", "24h").key, "sent", "", NOW)
    assert around.begin(["a"])


@pytest.mark.parametrize(("minutes", "begins"), [(1, True), (11, False)])
def test_an_announcement_of_which_nobody_saw_the_end_counts_as_failed_after_some_time(
    scene: Scene, minutes: int, begins: bool
) -> None:
    scene.begun(notices=(MUST,), window=WINDOW)
    scene.store.claim_notice(a_notice("", "claimed", "24h", NOW - timedelta(minutes=minutes)))
    run = scene.run()
    assert scene.around(run).begin(["a"]) is begins
    assert any("nobody saw whether" in why for why in run.stops.values()) is not begins


def test_of_two_notices_to_the_same_the_one_that_must_be_given_holds(scene: Scene) -> None:
    may = {"at": ["start"], "to": "event"}
    scene.begun(notices=(may, {**may, "on_failure": "stop"}))
    run = scene.run()

    def refuse(_letter: Letter) -> str:
        return "no"

    assert not Around(run, PLAN, {"event": Notifier("event", refuse)}).begin(["a"])


def test_what_was_forgiven_or_is_meant_is_no_failure_to_tell_of(scene: Scene) -> None:
    scene.begun(notices=({"at": ["failure"], "to": "event"},))
    around = scene.around(scene.run())
    scene.end_machine("a", Status.FAILED)
    scene.end_machine("b", Status.ROLLED_BACK)
    rollout = scene.rollout()
    back = rollout.done_well | {Status.ROLLED_BACK}
    around.turn(replace(rollout, forgiven=frozenset({"a"}), done_well=back))
    assert scene.letters == []
    around.turn(rollout)
    assert len(scene.letters) == 1


def test_a_wave_whose_hook_after_it_stops_the_run_says_so(scene: Scene) -> None:
    scene.begun(scene.hook("probe", "after", "wave", "1"))
    around = scene.around(scene.run())
    around.begin(["a"])
    assert not around.turn(scene.rollout())
    scene.end_machine("a")
    assert around.turn(scene.rollout())
    assert not around.turn(scene.rollout())


def test_a_hook_that_patchyard_cannot_call_has_failed_and_those_after_it_are_called(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.begun(scene.hook("gate", "before", "run"), scene.hook("after", "after", "run"))
    with monkeypatch.context() as full:
        full.setattr(tempfile, "tempdir", str(scene.folder / "missing"))
        around = scene.around(scene.run())
        assert not around.begin(["a"])
    told = around.end("")
    assert told.startswith("hook gate: Patchyard itself failed here: FileNotFoundError")
    assert scene.calls == ["after run"]


@pytest.mark.parametrize(
    ("when", "of", "wave"), [("before", "wave", 1), ("after", "wave", 1), ("after", "run", 0)]
)
@pytest.mark.parametrize("idempotent", [True, False])
def test_a_hook_that_a_dead_controller_had_begun_is_ended_whoever_it_is_and_those_after_follow(
    scene: Scene, when: str, of: str, wave: int, idempotent: bool
) -> None:
    """The run is over: nothing more begins, so one before a wave is no more called at all."""
    cut = scene.hook("cut", when, of, idempotent=idempotent)
    scene.begun(cut, scene.hook("last", "after", "run"))
    scene.around(scene.run()).begin(["a"]) if when == "after" else enter(scene.run(), 0)
    scene.store.begin_hook(HookCall("r1", 0, when, wave, "cut", 1, NOW, stops=True))
    told = scene.around(scene.run()).end("the failure budget is gone")
    called = when == "after" and idempotent
    assert scene.calls == ([f"cut {wave or 'run'}"] if called else []) + ["last run"]
    known = {each.name: each for each in scene.store.hooks("r1") if each.name}
    assert all(each.finished_at for each in known.values())
    assert known["cut"].code == ("" if called else "hook_unknown")
    assert told.startswith("the failure budget is gone")


def test_a_dry_run_calls_nothing_and_tells_nobody(scene: Scene) -> None:
    hooks = [scene.hook(f"{w}-{o}", w, o) for o in ("run", "wave") for w in ("before", "after")]
    everybody = {"at": ["start", "wave", "failure", "end"], "to": "event"}
    scene.begun(*hooks, notices=(everybody,), dry_run=True)
    around = scene.around(scene.run())
    assert around.begin(["a"])
    scene.end_machine("a", Status.FAILED)
    around.turn(scene.rollout())
    assert around.end("halted") == "halted"
    assert (scene.calls, scene.letters, scene.store.hooks("r1")) == ([], [], ())


def test_a_controller_that_loses_the_run_in_a_hook_calls_no_other_and_begins_no_machine(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.begun(scene.hook("long", "before", "run"), scene.hook("next", "before", "run"))
    run = scene.run()
    ended = run.store.end_hook

    def lose(*given: Any) -> HookCall:
        run.lost.set()
        return ended(*given)

    monkeypatch.setattr(run.store, "end_hook", lose)
    assert not scene.around(run).begin(["a"])
    assert scene.calls == ["long run"]
