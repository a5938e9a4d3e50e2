"""The rollout: whatever fails, and in whatever order, nothing is started that may not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.limits import Budget, Limits, Share
from patchyard.domain.outcome import Status
from patchyard.domain.rollout import (
    AskApproval,
    Done,
    Halt,
    Member,
    Rollout,
    Start,
    Step,
    WaitForMachines,
    WaitUntil,
    next_step,
)
from patchyard.testing.assessments import NOON
from tests.domain.strategies import mixed, unhurried

AT_WORK = Status.IN_PROGRESS
LACKING = frozenset({Status.LOST_CONTACT, Status.NEEDS_REPAIR, Status.UNREACHABLE, Status.UNKNOWN})
ENDS = [status for status in Status if status not in {Status.NOT_STARTED, AT_WORK}]
DOMAINS = ((), ("web",), ("db",), ("web", "blue"), ("blue",))

budgets = st.builds(
    Budget,
    max_failures=st.none() | st.integers(0, 4),
    max_failure_percent=st.none() | st.sampled_from([0.0, 12.5, 33.3, 50.0, 100.0]),
)
limit_sets = st.builds(
    Limits,
    slots=st.integers(1, 5),
    per_domain=st.integers(1, 3) | st.just(Share(percent=40, one_below=3)),
    soak=st.sampled_from([timedelta(0), timedelta(minutes=30)]),
)


kinds = st.tuples(st.integers(1, 4), st.sampled_from(DOMAINS))
"""A member's wave and domains; waves may have holes."""

fleets = st.lists(kinds, min_size=1, max_size=14).map(
    lambda drawn: tuple(
        Member(f"m{number:02}", wave, domains)
        for number, (wave, domains) in enumerate(sorted(drawn))
    )
)
openings = st.builds(
    Rollout,
    members=fleets,
    statuses=st.just({}),
    budget=budgets,
    limits=limit_sets,
    forgiven=st.frozensets(st.sampled_from(["m00", "m01", "m02", "m03"]), max_size=2),
    unapproved=st.frozensets(st.integers(1, 4), max_size=2),
)
"""Rollouts of which nothing has been started."""

any_status = st.sampled_from([*Status, *[Status.NOT_STARTED] * 6])
minutes_ago = st.integers(0, 60).map(lambda minutes: NOON - timedelta(minutes=minutes))
mostly_not = st.sampled_from([False, False, False, True])


@st.composite
def records(draw: st.DrawFn) -> Rollout:
    """Draw rollouts in any state at all, such as a record may hold after any misfortune."""
    opening = draw(openings)
    waves = sorted({member.wave for member in opening.members})
    return replace(
        opening,
        statuses={member.name: draw(any_status) for member in opening.members},
        wave_finished_at={wave: draw(minutes_ago) for wave in waves},
        cancel_requested=draw(mostly_not),
    )


# --- what must hold of every answer ---------------------------------------------------------


def named(rollout: Rollout, *statuses: Status) -> list[str]:
    return [m.name for m in rollout.members if rollout.status(m.name) in statuses]


def charged(rollout: Rollout) -> int:
    names = {m.name for m in rollout.members if rollout.status(m.name).charged}
    return len(names - rollout.forgiven)


def away(rollout: Rollout) -> Counter[str]:
    """How many members each failure domain lacks: at work, lost, in need of repair, unknown."""
    return Counter(
        domain
        for member in rollout.members
        for domain in member.domains
        if rollout.status(member.name) == AT_WORK
        or (rollout.status(member.name) in LACKING and member.name not in rollout.forgiven)
    )


def ended(rollout: Rollout, name: str) -> bool:
    status = rollout.status(name)
    return status.final or (status == Status.UNKNOWN and name in rollout.forgiven)


def check(rollout: Rollout, step: Step, now: datetime) -> None:
    """Hold one answer against every rule."""
    match step:
        case Start():
            check_start(rollout, step.machines, now)
        case WaitForMachines():
            assert named(rollout, AT_WORK)
        case WaitUntil():
            assert step.at > now
        case AskApproval():
            assert step.wave in rollout.unapproved
        case Halt():
            assert list(step.not_reached) == named(rollout, Status.NOT_STARTED)
            assert list(step.at_work) == named(rollout, AT_WORK)
            assert step.reason
        case Done():
            assert all(ended(rollout, member.name) for member in rollout.members)


def check_start(rollout: Rollout, names: tuple[str, ...], now: datetime) -> None:
    assert names
    assert len(set(names)) == len(names)
    assert set(names) <= set(named(rollout, Status.NOT_STARTED))
    assert not rollout.cancel_requested
    assert not rollout.budget.broken_by(charged(rollout), len(rollout.members))
    check_waves(rollout, names, now)
    after = replace(rollout, statuses={**rollout.statuses, **dict.fromkeys(names, AT_WORK)})
    assert len(named(after, AT_WORK)) <= rollout.limits.slots
    check_domains(after, names)


def check_waves(rollout: Rollout, names: tuple[str, ...], now: datetime) -> None:
    (wave,) = {member.wave for member in rollout.members if member.name in names}
    earlier = {member.wave for member in rollout.members if member.wave < wave}
    assert wave not in rollout.unapproved
    assert all(ended(rollout, m.name) for m in rollout.members if m.wave in earlier)
    if rollout.limits.soak:
        for number in earlier & set(rollout.wave_finished_at):
            assert now >= rollout.wave_finished_at[number] + rollout.limits.soak


def check_domains(after: Rollout, started: tuple[str, ...]) -> None:
    sizes = Counter(domain for member in after.members for domain in member.domains)
    used = {d for member in after.members if member.name in started for d in member.domains}
    lacking = away(after)
    assert all(lacking[domain] <= after.limits.within(sizes[domain]) for domain in used)


@unhurried
@given(records())
def test_every_answer_to_any_record_keeps_the_rules(rollout: Rollout) -> None:
    check(rollout, next_step(rollout, NOON), NOON)


@unhurried
@given(records(), st.randoms(use_true_random=False))
def test_the_same_record_has_the_same_answer(rollout: Rollout, random: Random) -> None:
    rebuilt = replace(
        rollout,
        statuses=dict(mixed([*rollout.statuses.items()], random)),
        wave_finished_at=dict(mixed([*rollout.wave_finished_at.items()], random)),
    )
    assert next_step(rebuilt, NOON) == next_step(rollout, NOON) == next_step(rollout, NOON)


# --- whole runs -----------------------------------------------------------------------------


@dataclass
class World:
    """A fleet in which machines end as they were told to, in any order."""

    rollout: Rollout
    ends: dict[str, Status]
    random: Random
    now: datetime = NOON
    started: list[str] = field(default_factory=list)
    finished_at: dict[str, datetime] = field(default_factory=dict)

    def turns(self) -> Iterator[Step]:
        """Do what the rollout says until it says that nothing more is to be done."""
        for _ in range(6 * len(self.rollout.members) + 10):
            step = next_step(self.rollout, self.now)
            yield step
            if isinstance(step, Halt | Done) and not self.at_work:
                return
            self.carry_out(step)
        raise AssertionError("the rollout comes to no end")

    @property
    def at_work(self) -> list[str]:
        return named(self.rollout, AT_WORK)

    def carry_out(self, step: Step) -> None:
        match step:
            case Start():
                self.started += step.machines
                self.record(dict.fromkeys(step.machines, AT_WORK))
                self.sometimes_finish()
            case WaitUntil():
                self.now = step.at
            case AskApproval():
                left = self.rollout.unapproved - {step.wave}
                self.rollout = replace(self.rollout, unapproved=left)
            case _:
                self.finish(self.random.choice(self.at_work))

    def sometimes_finish(self) -> None:
        while self.at_work and self.random.random() < 0.3:
            self.finish(self.random.choice(self.at_work))

    def finish(self, name: str) -> None:
        self.now += timedelta(seconds=self.random.randint(0, 900))
        self.finished_at[name] = self.now
        self.record({name: self.ends[name]})

    def record(self, changes: dict[str, Status]) -> None:
        times: dict[int, datetime] = {}
        for member in self.rollout.members:
            if member.name in self.finished_at:
                at = self.finished_at[member.name]
                times[member.wave] = max(at, times.get(member.wave, at))
        statuses = {**self.rollout.statuses, **changes}
        self.rollout = replace(self.rollout, statuses=statuses, wave_finished_at=times)


fates = st.sampled_from([*ENDS, *[Status.SUCCEEDED] * 12])
chances = st.randoms(use_true_random=False)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw fleets with what will become of each machine; most go well."""
    opening = draw(openings)
    ends = {member.name: draw(fates) for member in opening.members}
    return World(opening, ends, draw(chances))


@unhurried
@given(worlds())
def test_a_run_keeps_the_rules_at_every_step_and_comes_to_an_end(world: World) -> None:
    for step in world.turns():
        check(world.rollout, step, world.now)
    assert len(set(world.started)) == len(world.started)
    assert set(world.started) == set(world.finished_at)


@unhurried
@given(worlds())
def test_no_domain_ever_lacks_more_than_its_limit(world: World) -> None:
    sizes = Counter(d for member in world.rollout.members for d in member.domains)
    for _ in world.turns():
        for domain, number in away(world.rollout).items():
            assert number <= world.rollout.limits.within(sizes[domain])
        assert len(world.at_work) <= world.rollout.limits.slots


@unhurried
@given(worlds())
def test_a_run_that_has_stopped_stays_so_until_a_person_forgives(world: World) -> None:
    """Time lifts nothing. What failed and what was lost is charged when it is taken up, too."""
    *_, last = world.turns()
    later = world.now + timedelta(days=9)
    assert next_step(world.rollout, later) == last
    everybody = frozenset(member.name for member in world.rollout.members)
    forgiven = replace(world.rollout, forgiven=everybody)
    assert not isinstance(next_step(forgiven, later), Halt)


@unhurried
@given(worlds())
def test_once_the_budget_is_gone_nothing_is_started_any_more(world: World) -> None:
    gone = False
    for step in world.turns():
        now_charged = charged(world.rollout)
        gone |= bool(world.rollout.budget.broken_by(now_charged, len(world.rollout.members)))
        assert not (gone and isinstance(step, Start | AskApproval | WaitUntil))


@unhurried
@given(worlds(), st.integers(0, 20))
def test_after_a_cancel_nothing_is_started_and_the_run_ends(world: World, after: int) -> None:
    for number, step in enumerate(world.turns()):
        cancelled = world.rollout.cancel_requested
        assert not (cancelled and isinstance(step, Start | AskApproval | WaitUntil))
        if number == after:
            world.rollout = replace(world.rollout, cancel_requested=True)


@unhurried
@given(worlds())
def test_where_all_goes_well_every_machine_is_reached(world: World) -> None:
    world.ends = dict.fromkeys(world.ends, Status.SUCCEEDED)
    *_, last = world.turns()
    assert last == Done()
    assert sorted(world.started) == [member.name for member in world.rollout.members]


@unhurried
@given(worlds(), st.integers(0, 20))
def test_a_run_that_was_interrupted_goes_on_from_its_record(world: World, after: int) -> None:
    """Nothing but the record is handed on: whoever takes up the run ends it by the same rules."""
    for number, _ in enumerate(world.turns()):
        if number == after:
            break
    heir = World(world.rollout, world.ends, world.random, world.now)
    heir.finished_at = dict(world.finished_at)
    for step in heir.turns():
        check(heir.rollout, step, heir.now)
    assert not set(heir.started) & set(world.started)
    assert {*heir.started, *world.started} == set(heir.finished_at)


@unhurried
@given(worlds())
def test_forgiving_never_stops_what_may_be_started(world: World) -> None:
    everybody = frozenset(member.name for member in world.rollout.members)
    for step in world.turns():
        if isinstance(step, Start):
            forgiven = replace(world.rollout, forgiven=everybody)
            assert isinstance(next_step(forgiven, world.now), Start)


@unhurried
@given(records())
def test_where_all_is_forgiven_only_a_cancel_halts(rollout: Rollout) -> None:
    at_rest = {n: s for n, s in rollout.statuses.items() if s != AT_WORK}
    names = frozenset(member.name for member in rollout.members)
    step = next_step(replace(rollout, statuses=at_rest, forgiven=names), NOON)
    assert isinstance(step, Halt) <= rollout.cancel_requested


PAIR = (Member("canary", 1), Member("one", 2), Member("two", 2))
ROOMY = Budget(max_failure_percent=100)


@pytest.mark.parametrize("end", ENDS)
def test_where_the_canary_counts_nothing_begins_after_one_that_has_not_come_to_a_good_end(
    end: Status,
) -> None:
    """Whatever the budget allows: refused, skipped or undone, it has proven nothing."""
    rollout = Rollout(PAIR, {"canary": end}, budget=ROOMY, canary=True)
    step = next_step(rollout, NOON)
    assert isinstance(step, Start) == end.good
    if not end.good and end != Status.UNKNOWN:
        assert isinstance(step, Halt)
        assert step.reason == "nothing of wave 1 has come to a good end, so wave 2 is unproven"
    forgiven = replace(rollout, forgiven=frozenset({"canary"}))
    assert isinstance(next_step(forgiven, NOON), Start)


def test_a_canary_that_a_person_has_left_out_has_proven_nothing() -> None:
    rest = Rollout(PAIR[1:], {}, canary=True)
    assert isinstance(next_step(rest, NOON), Halt)
    assert isinstance(next_step(replace(rest, canary=False), NOON), Start)
    alone = Rollout(PAIR[2:], {}, canary=True)
    assert next_step(alone, NOON) == Start(("two",))
