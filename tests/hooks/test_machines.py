"""Hooks of a machine, over a real memory: whoever takes the run up, or has lost it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.actions import Action, Call, Look
from patchyard.domain.around import Hook
from patchyard.domain.inventory import Inventory, Machine, Policy
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.record import MachineRun
from patchyard.execution import Workshop, carry_out
from patchyard.store import RunRecord, Store, open_store
from patchyard.testing.assessments import assessment, machine_plan

NOW = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)
NAME = "web-1"


class Scene:
    """One machine in a run whose preflight is done, and hooks that note that they are called."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        note = folder / "note"
        note.write_text('#!/bin/sh\n{ cat; echo; } >>calls\nexit "$1"\n')
        note.chmod(0o755)
        self.machine = Machine(name=NAME, address="127.66.0.1")
        run = RunRecord("r1", "patch", "fleet", "all", {"seed": "s"}, Status.IN_PROGRESS, NOW)
        store.create_run(run)
        store.add_machines("r1", [(NAME, 1, 0)])
        seen = assessment()
        look = Look(key="preflight-0", refresh=True)
        store.end_look("r1", NAME, self.begin(look), look.key, seen, result={}, at=NOW)

    def begin(self, action: Action) -> int:
        """Record that an act was begun, as a controller does before it dies. Answers its number."""
        told = action.model_dump(mode="json")
        return self.store.begin_step("r1", NAME, action.key, told, NOW).seq

    def hook(self, name: str, when: str, status: str = "0", **more: Any) -> Hook:
        given = {"name": name, "when": when, "of": "machine", "command": ["./note", status]}
        return Hook.model_validate({**given, **more})

    def workshop(self, *, cancelled: bool = False, lost: bool = False) -> Workshop:
        return Workshop(
            store=self.store,
            inventory=Inventory(name="fleet", folder=str(self.folder), machines=(self.machine,)),
            run_id="r1",
            seed="s",
            clock=lambda: NOW,
            sleep=lambda _seconds: None,
            cancelled=lambda: cancelled or lost,
            lost=lambda: lost,
        )

    def carry_out(self, hooks: tuple[Hook, ...], **asked: bool) -> Status:
        """Let a controller go on with the machine."""
        run = MachineRun("r1", machine_plan(), Policy(), RebootSetting.NEVER, hooks=hooks)
        return carry_out(self.workshop(**asked), self.machine, run).status

    @property
    def calls(self) -> list[tuple[str, int]]:
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(told["hook"], told["attempt"]) for told in map(json.loads, lines)]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with open_store(f"sqlite:///{tmp_path}/memory.db") as store:
        yield Scene(tmp_path, store)


def test_a_run_that_was_cancelled_while_its_controller_was_dead_ends_what_that_had_begun(
    scene: Scene,
) -> None:
    drain, undrain = scene.hook("drain", "before"), scene.hook("undrain", "after")
    scene.begin(Call(key="hook-before-0", hook=drain))
    assert scene.carry_out((drain, undrain), cancelled=True) == Status.CANCELLED
    assert scene.calls == [("drain", 2), ("undrain", 1)]
    assert all(step.finished_at for step in scene.store.steps("r1", NAME))


def test_one_that_may_not_be_called_again_is_unknown_and_the_ones_after_are_called(
    scene: Scene,
) -> None:
    drain = scene.hook("drain", "before", idempotent=False)
    undrain = scene.hook("undrain", "after")
    scene.begin(Call(key="hook-before-0", hook=drain))
    assert scene.carry_out((drain, undrain)) == Status.REFUSED
    assert scene.calls == [("undrain", 1)]


@pytest.mark.parametrize("begun", [True, False])
def test_a_controller_that_has_lost_the_run_does_nothing_more(scene: Scene, begun: bool) -> None:
    """Another one has it, which would be disturbed: its machine would be let in half-way."""
    drain, undrain = scene.hook("drain", "before"), scene.hook("undrain", "after")
    if begun:
        scene.begin(Call(key="hook-before-0", hook=drain))
    steps = scene.store.steps("r1", NAME)
    assert not scene.carry_out((drain, undrain), lost=True).final
    assert scene.calls == []
    assert scene.store.steps("r1", NAME) == steps


@pytest.mark.parametrize(("lost", "asked"), [(False, True), (True, False)])
def test_a_controller_that_has_lost_the_run_cancels_no_job_of_it(
    scene: Scene, lost: bool, asked: bool
) -> None:
    """The other one follows the very same job: on Windows it would end between two updates."""
    workshop = scene.workshop(cancelled=True, lost=lost)
    with workshop.link(scene.machine) as link:
        assert workshop.bench(scene.machine, link).cancelled() is asked
