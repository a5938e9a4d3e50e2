"""The rollout, one case at a time: what comes next, and why it halts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from patchyard.domain.limits import Budget, Limits
from patchyard.domain.outcome import Status
from patchyard.domain.rollout import (
    AskApproval,
    Done,
    Halt,
    Member,
    Rollout,
    Start,
    WaitForMachines,
    WaitUntil,
    next_step,
)
from patchyard.testing.assessments import NOON

AT_WORK = Status.IN_PROGRESS


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
