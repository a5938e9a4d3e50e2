"""Systems that take nothing while a reboot is owed: rounds, hotpatches, what it takes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.actions import Install, Reboot, Undo
from patchyard.domain.inventory import Policy
from patchyard.domain.machine import next_step
from patchyard.domain.outcome import Status
from patchyard.domain.path import PathKind, RebootSetting, choose_path
from patchyard.domain.plan import MachinePlan, PlannedUpdate
from patchyard.domain.planning import split
from patchyard.domain.record import MachineRun, Result
from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.domain.updates import BUILD, Assessment, Classification
from patchyard.domain.value import Known
from patchyard.testing.assessments import assessment
from tests.domain.fake_machine import FakeMachine, Nature, Story, drive

LCU, NET, SSU = "KB1:lcu", "KB2:net", "KB3:ssu"
OLD, NEW = "20348.100", "20348.200"


@dataclass
class WindowsMachine(FakeMachine):
    """Installed is what the search says; what a change brings counts once it is rebooted."""

    needs_reboot: frozenset[str] = frozenset({LCU})
    after: Mapping[str, str] = field(default_factory=dict)
    """By update, the one without which it cannot be installed."""
    taken_back: frozenset[str] = frozenset()
    """Updates that are gone after the reboot."""
    pending_at_first: bool = False
    stuck: bool = False
    """The reboot is owed for ever."""
    pending: bool = False
    build_after: str = NEW

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pending = self.pending_at_first

    def look(self) -> Assessment:
        seen = super().look()
        owed = self.pending or self.stuck
        return seen.model_copy(
            update={
                "reboot_required": Known.of(owed),
                "reboot_first": owed,
                "reboot_reasons": ("servicing",) if owed else (),
                "kernel": seen.kernel.model_copy(update={"outdated": Known.NO}),
            }
        )

    def _install(self, action: Install) -> Transaction:
        if self.pending or self.stuck:
            return Transaction(exit_status=1, problem=InstallProblem.OTHER, detail="reboot first")
        for package in action.packages:
            need = self.after.get(package.key)
            if need is None or (need in self.packages and not self.pending):
                self.packages[package.key] = package.version
                self.pending |= package.key in self.needs_reboot
        return Transaction(exit_status=0)

    def _undo(self, action: Undo) -> Transaction:
        self.pending = True
        return super()._undo(action)

    def _reboot(self) -> Result:
        self.pending = False
        if BUILD in self.packages and LCU in self.packages:
            self.packages[BUILD] = self.build_after
        for key in self.taken_back:
            self.packages.pop(key, None)
        return super()._reboot()


def update(key: str, **more: object) -> PlannedUpdate:
    name, _, architecture = key.partition(":")
    return PlannedUpdate.model_validate(
        {
            "name": name,
            "architecture": architecture,
            "from_version": "",
            "to_version": "1",
            "classification": Classification.SECURITY,
            **more,
        }
    )


def machine(**nature: object) -> WindowsMachine:
    return WindowsMachine(Nature(), {BUILD: OLD}, {}, **nature)  # type: ignore[arg-type]


def run(
    host: WindowsMachine,
    *updates: PlannedUpdate,
    reboot: RebootSetting = RebootSetting.IF_REQUIRED,
) -> Story:
    plan = MachinePlan(machine="win-1", updates=updates)
    return drive(MachineRun("run", plan, Policy(undo="preferred"), reboot), host)


def keys(story: Story, kind: type[Install | Reboot]) -> list[str]:
    return [action.key for action in story.actions if isinstance(action, kind)]


def test_what_waits_for_a_reboot_comes_in_the_next_round() -> None:
    story = run(machine(after={NET: LCU}), update(LCU), update(NET))
    assert story.finish.status == Status.SUCCEEDED, story.finish.reason
    assert keys(story, Install) == ["install-0-0", "round-1-install-0-0"]
    assert keys(story, Reboot) == ["round-1-reboot"]


def test_a_reboot_that_is_owed_at_first_comes_first() -> None:
    story = run(machine(pending_at_first=True), update(LCU))
    assert story.finish.status == Status.SUCCEEDED, story.finish.reason
    assert keys(story, Reboot) == ["early-reboot", "reboot"]
    first = next(n for n, action in enumerate(story.actions) if isinstance(action, Install))
    assert story.actions[first].key == "install-0-0"
    assert "early-reboot" in [action.key for action in story.actions[:first]]


def test_where_no_reboot_is_allowed_nothing_is_touched_before_it() -> None:
    story = run(machine(pending_at_first=True), update(LCU), reboot=RebootSetting.NEVER)
    assert story.finish.status == Status.REFUSED
    assert "must come first" in story.finish.reason
    assert keys(story, Install) == []


def test_a_reboot_that_stays_owed_ends_the_machine_before_anything_is_installed() -> None:
    story = run(machine(stuck=True), update(LCU))
    assert story.finish.status == Status.FAILED
    assert "still owed" in story.finish.reason
    assert keys(story, Install) == []


def test_what_a_reboot_takes_back_is_told_and_not_put_on_again() -> None:
    story = run(machine(taken_back=frozenset({LCU}), after={NET: LCU}), update(LCU), update(NET))
    assert story.finish.status == Status.FAILED
    assert "taken back by the machine itself: KB1" in story.finish.reason
    assert "not installed: KB2" in story.finish.reason
    installed = [a.packages for a in story.actions if isinstance(a, Install)]
    assert sum(LCU in [p.key for p in packages] for packages in installed) == 1


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"), max_size=8))
def test_rounds_come_to_an_end(after: dict[str, str]) -> None:
    names = [f"KB{n}:{n}" for n in "abcdefgh"]
    needs = {f"KB{a}:{a}": f"KB{b}:{b}" for a, b in after.items() if a != b}
    host = machine(after=needs, needs_reboot=frozenset(names))
    story = run(host, *(update(name) for name in names))
    assert len(keys(story, Reboot)) <= 5
    assert next_step(story.run, host.now) == story.finish


def test_undo_counts_only_after_its_reboot() -> None:
    host = machine()
    host.nature = replace(host.nature, bad=frozenset({LCU}))
    host.new = {LCU: "1"}
    plan = MachinePlan(machine="win-1", updates=(update(LCU),))
    story = drive(MachineRun("run", plan, Policy(), RebootSetting.IF_REQUIRED), host)
    assert story.finish.status == Status.ROLLED_BACK, story.finish.reason
    assert "undone-0-reboot" in keys(story, Reboot)


class TestHotpatch:
    def hot(self, **more: object) -> PlannedUpdate:
        return update(LCU, hotpatch="KB in the table", build=NEW, **more)

    def test_it_takes_effect_without_a_reboot(self) -> None:
        host = machine(needs_reboot=frozenset())
        host.packages[BUILD] = NEW
        story = run(host, self.hot())
        assert story.finish.status == Status.SUCCEEDED, story.finish.reason
        assert keys(story, Reboot) == []

    def test_another_build_than_expected_may_still_wait_for_a_reboot(self) -> None:
        story = run(machine(needs_reboot=frozenset()), self.hot())
        assert story.finish.status == Status.COMPLETED_WITH_WARNINGS
        assert f"the build is {OLD}, not {NEW}" in story.finish.reason

    def test_the_path_says_so_only_where_nothing_is_owed(self) -> None:
        seen = assessment()
        assert choose_path(seen, RebootSetting.NEVER, hotpatched=True).kind == PathKind.HOTPATCH
        owed = assessment(reboot_required=Known.YES)
        for setting in RebootSetting:
            assert choose_path(owed, setting, hotpatched=True).kind != PathKind.HOTPATCH
        unseen = assessment(outdated_services_known=Known.UNKNOWN)
        path = choose_path(unseen, RebootSetting.NEVER, hotpatched=True)
        assert path.kind != PathKind.HOTPATCH


@pytest.mark.parametrize("level", range(3))
def test_what_must_be_alone_is_a_part_of_its_own(level: int) -> None:
    parts = split([update(LCU), update(SSU, alone=True), update(NET)], level)
    assert (update(SSU, alone=True),) in parts
    assert sum(len(part) for part in parts) == 3


DEFINITIONS = "KB9:definitions"


@dataclass
class Scanned(WindowsMachine):
    """Its scanner fetches new definitions by itself, before every look."""

    fetched: int = 0

    def look(self) -> Assessment:
        self.fetched += 1
        for key in [key for key in self.packages if key.startswith(DEFINITIONS)]:
            del self.packages[key]
        newest = f"{DEFINITIONS}-{self.fetched}"
        self.packages[newest] = "1"
        return super().look().model_copy(update={"moving": (newest,)})


class TestWhatMovesByItself:
    def scanned(self, nature: Nature, **more: Any) -> Scanned:
        return Scanned(nature, {BUILD: OLD}, {LCU: "1"}, **more)

    def test_it_stands_in_the_way_of_no_undo(self) -> None:
        story = run(self.scanned(Nature(bad=frozenset({LCU}))), update(LCU))
        assert story.finish.status == Status.ROLLED_BACK, story.finish.reason
        (undo,) = [action for action in story.actions if isinstance(action, Undo)]
        assert undo.remove == (LCU,)

    def test_it_is_no_change_that_this_run_would_undo(self) -> None:
        nature = Nature(ruins=frozenset({"install-0-0"}))
        story = run(self.scanned(nature, after={LCU: "KB8:never"}), update(LCU))
        assert [a for a in story.actions if isinstance(a, Undo)] == []
        assert "no update was installed by this run" in story.finish.reason
