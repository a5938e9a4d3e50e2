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


# --- examples -------------------------------------------------------------------------------


def rollout(statuses: str, *, waves: str = "", domain: str = "", **fields: object) -> Rollout:
    """Return machines a, b, c ... with a letter for each status and a digit for each wave."""
    letters = {
        "-": Status.NOT_STARTED,
        "w": AT_WORK,
        "s": Status.SUCCEEDED,
        "f": Status.FAILED,
        "l": Status.LOST_CONTACT,
        "r": Status.NEEDS_REPAIR,
        "u": Status.UNREACHABLE,
        "?": Status.UNKNOWN,
        "x": Status.REFUSED,
    }
    names = [chr(ord("a") + number) for number in range(len(statuses))]
    domains = (domain,) if domain else ()
    numbers = waves or "1" * len(statuses)
    members = (Member(n, int(w), domains) for n, w in zip(names, numbers, strict=True))
    made = Rollout(
        members=tuple(members),
        statuses={n: letters[s] for n, s in zip(names, statuses, strict=True)},
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def halted(made: Rollout) -> str:
    step = next_step(made, NOON)
    assert isinstance(step, Halt), step
    return step.reason


def test_free_slots_are_filled_in_order() -> None:
    made = rollout("sw---", limits=Limits(slots=3))
    assert next_step(made, NOON) == Start(("c", "d"))


def test_a_wave_waits_for_the_one_before() -> None:
    step = next_step(rollout("sw-", waves="112"), NOON)
    assert step == WaitForMachines("wave 2 waits for b")


def test_waves_may_have_holes_and_machines_any_order() -> None:
    assert next_step(rollout("--s", waves="731"), NOON) == Start(("b",))


def test_a_machine_without_a_record_has_not_been_started() -> None:
    made = replace(rollout("-"), statuses={})
    assert next_step(made, NOON) == Start(("a",))


def test_the_soak_time_begins_with_the_last_machine_of_the_wave_before() -> None:
    limits = Limits(soak=timedelta(minutes=10))
    made = rollout("s-", waves="12", limits=limits, wave_finished_at={1: NOON})
    over = NOON + timedelta(minutes=10)
    assert next_step(made, NOON) == WaitUntil(over, "wave 2 waits for the soak time to end")
    assert next_step(made, over - timedelta(microseconds=1)) == next_step(made, NOON)
    assert next_step(made, over) == Start(("b",))


def test_a_soak_time_that_cannot_be_told_halts() -> None:
    made = rollout("s-", waves="12", limits=Limits(soak=timedelta(1)))
    assert halted(made) == "when wave 1 ended is not recorded, so its soak time cannot be told"


def test_the_first_wave_soaks_for_nothing() -> None:
    made = rollout("--", limits=Limits(soak=timedelta(1), per_domain=1))
    assert next_step(made, NOON) == Start(("a", "b"))


def test_a_wave_that_needs_a_yes_is_asked_for_when_its_turn_comes() -> None:
    made = rollout("w-", waves="12", unapproved=frozenset({2}))
    assert isinstance(next_step(made, NOON), WaitForMachines)
    assert next_step(rollout("s-", waves="12", unapproved=frozenset({2})), NOON) == AskApproval(2)


def test_more_failures_than_the_budget_halt_and_the_number_itself_does_not() -> None:
    assert isinstance(next_step(rollout("f-", budget=Budget(max_failures=1)), NOON), Start)
    reason = halted(rollout("ffu-", budget=Budget(max_failures=2)))
    assert reason == (
        "the failure budget is gone: 3 machines, 1 of them unreachable, failed, more than 2"
    )


def test_one_failure_of_ten_thousand_does_not_break_one_in_ten_thousand() -> None:
    members = tuple(Member(f"m{number}", 1) for number in range(10_000))
    statuses = {f"m{number}": Status.FAILED for number in range(57)}
    made = Rollout(members, statuses, budget=Budget(max_failure_percent=0.57))
    assert isinstance(next_step(made, NOON), Start)
    one_more = replace(made, statuses={**statuses, "m57": Status.LOST_CONTACT})
    assert "58 machines failed, more than 0.57 % of 10000" in halted(one_more)


def test_a_machine_that_was_refused_is_not_charged() -> None:
    assert isinstance(next_step(rollout("x-", budget=Budget(max_failures=0)), NOON), Start)


@pytest.mark.parametrize("status", "flru")
def test_the_charge_is_lifted_by_a_person_only(status: str) -> None:
    made = rollout(f"{status}-", budget=Budget(max_failures=0))
    assert "budget is gone" in halted(made)
    assert next_step(replace(made, forgiven=frozenset("a")), NOON) == Start(("b",))


@pytest.mark.parametrize("status", "lru?")
def test_a_domain_that_lacks_a_machine_has_no_room_until_a_person_says_so(status: str) -> None:
    made = rollout(f"{status}-", domain="web")
    assert halted(made) == "no failure domain has room: web lacks a"
    assert next_step(replace(made, forgiven=frozenset("a")), NOON) == Start(("b",))


def test_a_machine_in_no_wave_that_was_not_reached_is_missing_from_its_domain() -> None:
    made = replace(rollout("--", domain="web"), absent=(Member("c", 0, ("web",)),))
    assert halted(made) == "no failure domain has room: web lacks c"
    assert next_step(replace(made, forgiven=frozenset("c")), NOON) == Start(("a",))


def test_the_domains_without_room_are_named_and_the_others_counted() -> None:
    every = tuple(f"d{number}" for number in range(5))
    members = (Member("a", 1, every), Member("b", 1, every))
    made = Rollout(members, {"a": Status.LOST_CONTACT})
    assert halted(made) == (
        "no failure domain has room: d0 lacks a; d1 lacks a; d2 lacks a; and 2 more"
    )


def test_a_machine_at_work_is_awaited_although_it_has_been_forgiven() -> None:
    made = rollout("w-", domain="web", forgiven=frozenset("a"))
    assert isinstance(next_step(made, NOON), WaitForMachines)


def test_an_unknown_machine_of_an_earlier_wave_halts_until_it_is_forgiven() -> None:
    made = rollout("?-", waves="12")
    assert halted(made) == "what became of a is unknown"
    assert next_step(replace(made, forgiven=frozenset("a")), NOON) == Start(("b",))
    assert halted(rollout("?s")) == "what became of a is unknown"


def test_a_run_without_slots_halts() -> None:
    assert halted(rollout("-", limits=Limits(slots=0))) == "there are 0 slots"


def test_a_cancel_leaves_machines_at_work_whole() -> None:
    step = next_step(rollout("sw--", cancel_requested=True), NOON)
    assert step == Halt("cancelled", not_reached=("c", "d"), at_work=("b",))


def test_a_cancel_after_the_last_start_loses_nothing() -> None:
    assert next_step(rollout("ss", cancel_requested=True), NOON) == Done()
    assert isinstance(next_step(rollout("sw", cancel_requested=True), NOON), WaitForMachines)


def test_a_run_of_nobody_is_done() -> None:
    assert next_step(Rollout((), {}), NOON) == Done()


def test_a_machine_is_in_a_rollout_once() -> None:
    with pytest.raises(ValueError, match="more than once"):
        Rollout((Member("a", 1), Member("a", 2)), {})


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
