"""An answer holds for one plan and its waves; a rollout in a window waits, stops and leaves out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patchyard.domain.admission import EXCEEDED
from patchyard.domain.approval import (
    WHOLE,
    Answered,
    Decision,
    left_out,
    risk_of,
    unapproved,
    wrong_with,
)
from patchyard.domain.inventory import Machine, Policy
from patchyard.domain.limits import Limits
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.domain.rollout import (
    AskApproval,
    Done,
    Fetch,
    Halt,
    Member,
    Rollout,
    Start,
    WaitUntil,
    next_step,
)
from patchyard.domain.value import Known
from patchyard.testing.assessments import NOON, assessment, planned

HOUR = timedelta(hours=1)
NAMES = ("web-1", "web-2", "web-3")


def plan(version: str = "2") -> Plan:
    parts = tuple(MachinePlan(machine=name, updates=(planned("a"),)) for name in NAMES)
    return Plan(
        inventory="fleet", scope=f"all{version}", machines=parts, waves=(NAMES[:1], NAMES[1:])
    )


def yes(**changes: Any) -> Answered:
    made = Answered(
        plan_hash=plan().hash,
        wave=WHOLE,
        decision=Decision.APPROVED,
        approver="Ada",
        asked_at=NOON,
        answered_at=NOON,
    )
    return made.model_copy(update=changes)


class TestAnswers:
    def test_nobody_has_answered_at_first(self) -> None:
        assert unapproved(plan(), ()) == {1, 2}

    def test_one_yes_may_be_to_all_waves_or_to_one(self) -> None:
        assert unapproved(plan(), [yes()]) == frozenset()
        assert unapproved(plan(), [yes(wave=1)]) == {2}

    def test_a_no_is_no_yes(self) -> None:
        assert unapproved(plan(), [yes(decision=Decision.REJECTED)]) == {1, 2}

    def test_an_answer_lapses_when_the_plan_is_another_one(self) -> None:
        assert unapproved(plan("3"), [yes()]) == {1, 2}
        assert left_out(plan("3"), [yes(machines=("web-1",))]) == {}

    def test_narrowing_leaves_out_the_others_of_what_was_asked(self) -> None:
        narrowed = yes(machines=("web-1", "web-3"))
        assert left_out(plan(), [narrowed]) == {"web-2": "Ada"}
        assert left_out(plan(), [yes(wave=2, machines=("web-3",))]) == {"web-2": "Ada"}
        assert left_out(plan(), [yes(wave=2), yes()]) == {}

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"who": " "}, "needs a name"),
            ({"who": "Eve"}, "Eve may not answer here; who may: Ada, Ben"),
            ({"named": "0123456789ab"}, "the answer is to plan 0123456789ab, and this is"),
            ({"named": ""}, "(none)"),
            ({"answer": ("web-1", "web-9")}, "not asked about: web-9"),
        ],
    )
    def test_what_cannot_be_taken_is_told(self, wrong: dict[str, Any], told: str) -> None:
        good: dict[str, Any] = {
            "plan": plan(),
            "asked": NAMES,
            "by": ("Ada", "Ben"),
            "named": plan().hash[:12].upper(),
            "answer": ("web-1",),
            "who": " Ada ",
        }
        assert wrong_with(**good) == ""
        assert told in wrong_with(**{**good, **wrong})


def test_the_risk_tells_reboots_that_are_known_and_ways_back() -> None:
    policies = (Policy(undo="required"), Policy(undo="never", reboot="never"), Policy())
    fleet = {
        name: Machine(name=name, address="127.0.0.1", policy=policy)
        for name, policy in zip(NAMES, policies, strict=True)
    }
    seen = {"web-1": assessment(reboot_required=Known.YES)}

    risk = risk_of(plan(), NAMES, fleet, seen, RebootSetting.IF_REQUIRED)

    assert (risk.machines, risk.updates) == (3, 3)
    assert risk.reboots == Counter({Known.YES: 1, Known.NO: 1, Known.UNKNOWN: 1})
    assert risk.undoable == 2


# --- a rollout in a window --------------------------------------------------------------------

MEMBERS = (Member("a", 1), Member("b", 2), Member("c", 2))


def rollout(**changes: Any) -> Rollout:
    made = Rollout(MEMBERS, {}, opens_at=NOON, closes_at=NOON + HOUR)
    return replace(made, **changes)


class TestWindow:
    def test_nothing_starts_before_it_opens_but_a_person_may_be_asked(self) -> None:
        early = NOON - HOUR
        assert next_step(rollout(), early) == WaitUntil(NOON, "the window has not opened yet")
        assert next_step(rollout(unapproved=frozenset({1})), early) == AskApproval(1)
        assert next_step(rollout(), NOON) == Start(("a",))

    def test_until_it_opens_machines_of_approved_waves_may_download(self) -> None:
        early, all_of_it = NOON - HOUR, frozenset({"a", "b", "c"})
        preparing = rollout(to_download=all_of_it)
        assert next_step(preparing, early) == Fetch(("a", "b", "c"))
        assert next_step(rollout(to_download=frozenset({"b"})), early) == Fetch(("b",))
        assert next_step(replace(preparing, unapproved=frozenset({1})), early) == AskApproval(1)
        assert next_step(replace(preparing, unapproved=frozenset({2})), early) == Fetch(("a",))

    def test_nothing_is_downloaded_ahead_once_it_is_open_or_cancelled(self) -> None:
        preparing = rollout(to_download=frozenset({"a", "b", "c"}))
        assert next_step(preparing, NOON) == Start(("a",))
        cancelled = next_step(replace(preparing, cancel_requested=True), NOON - HOUR)
        assert isinstance(cancelled, Halt)

    def test_nothing_starts_when_it_is_over(self) -> None:
        step = next_step(rollout(), NOON + HOUR)
        assert step == Halt(f"{EXCEEDED}: the window is over", ("a", "b", "c"))

    def test_what_did_not_fit_is_not_started_again(self) -> None:
        done = {"a": Status.SUCCEEDED}
        assert next_step(rollout(statuses=done, pending=frozenset({"b"})), NOON) == Start(("c",))
        everybody = frozenset({"b", "c"})
        assert next_step(rollout(statuses=done, pending=everybody), NOON) == Done()

    def test_a_wave_of_which_nothing_fitted_proves_nothing_for_the_next(self) -> None:
        step = next_step(rollout(pending=frozenset({"a"})), NOON)
        assert isinstance(step, Halt)
        assert step.reason == f"{EXCEEDED}: nothing of wave 1 fitted, so wave 2 is unproven"
        assert step.not_reached == ("b", "c")

    def test_a_soak_that_outlasts_it_is_not_waited_for(self) -> None:
        soaking = rollout(
            statuses={"a": Status.SUCCEEDED},
            wave_finished_at={1: NOON},
            limits=Limits(soak=2 * HOUR),
        )
        step = next_step(soaking, NOON)
        assert isinstance(step, Halt)
        assert "the soak time before wave 2 outlasts the window" in step.reason
