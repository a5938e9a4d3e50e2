"""Approval: what a person is shown of a plan, what they answer, and for how long that holds.

An answer is to one plan, by its hash: where the plan is another one, nobody has answered yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from patchyard.domain.inventory import Machine
from patchyard.domain.path import RebootSetting, reboot_need
from patchyard.domain.plan import Plan, PlannedUpdate
from patchyard.domain.updates import Assessment
from patchyard.domain.value import Known, Value

WHOLE = 0
"""Stands where an answer is to all waves at once."""

SHORTEST_HASH = 8
"""Characters by which a person names the plan that they have seen."""


class Decision(StrEnum):
    """What a person may answer."""

    APPROVED = "approved"
    REJECTED = "rejected"


class Answered(Value):
    """What a person answered, and when. `machines` are those it was narrowed to."""

    plan_hash: str
    wave: int
    decision: Decision
    approver: str
    asked_at: datetime
    answered_at: datetime
    note: str = ""
    machines: tuple[str, ...] = ()


def holding(answers: Iterable[Answered], plan: Plan) -> tuple[Answered, ...]:
    """Return the answers that are to this very plan."""
    return tuple(answer for answer in answers if answer.plan_hash == plan.hash)


def unapproved(plan: Plan, answers: Iterable[Answered]) -> frozenset[int]:
    """Return the waves that a person has not said yes to yet."""
    yes = {a.wave for a in holding(answers, plan) if a.decision == Decision.APPROVED}
    waves = frozenset(range(1, len(plan.waves) + 1))
    return frozenset() if WHOLE in yes else waves - yes


def left_out(plan: Plan, answers: Iterable[Answered]) -> dict[str, str]:
    """Return the machines that an answer narrowed the plan away from, with who did."""
    found: dict[str, str] = {}
    for answer in holding(answers, plan):
        if answer.machines and answer.decision == Decision.APPROVED:
            asked = (
                plan.waves if answer.wave == WHOLE else plan.waves[answer.wave - 1 : answer.wave]
            )
            names = (name for wave in asked for name in wave if name not in answer.machines)
            found |= dict.fromkeys(names, answer.approver)
    return found


def wrong_with(
    plan: Plan,
    asked: Iterable[str],
    by: tuple[str, ...],
    named: str,
    answer: tuple[str, ...],
    who: str,
) -> str:
    """Say why an answer cannot be taken; nothing where it can.

    Args:
        plan: the plan that was shown.
        asked: the machines that were asked about.
        by: who may answer; everybody where empty.
        named: the plan's hash, or its beginning, as the person gave it.
        answer: the machines that it was narrowed to.
        who: who answered.
    """
    if not who.strip():
        return "an answer needs a name"
    if by and who.strip() not in by:
        return f"{who.strip()} may not answer here; who may: {', '.join(by)}"
    if len(named) < SHORTEST_HASH or not plan.hash.startswith(named.strip().lower()):
        return f"the answer is to plan {named or '(none)'}, and this is {plan.hash[:12]}"
    unknown = sorted(set(answer) - set(asked))
    return f"not asked about: {', '.join(unknown)}" if unknown else ""


@dataclass(frozen=True, slots=True)
class Risk:
    """What a plan would do, as far as that can be known before."""

    machines: int
    updates: int
    classes: tuple[tuple[str, int], ...]
    reboots: Mapping[Known, int]
    undo: Mapping[str, int]

    @property
    def undoable(self) -> int:
        """On how many machines a way back is kept before anything is changed."""
        return self.undo["required"] + self.undo["preferred"]


def risk_of(
    plan: Plan,
    names: Iterable[str],
    machines: Mapping[str, Machine],
    seen: Mapping[str, Assessment],
    reboot: RebootSetting,
) -> Risk:
    """Sum up what a plan would do to some of its machines."""
    chosen = [plan.machine(name) for name in names]
    updates = [update for part in chosen for update in part.updates]
    of = {part.machine: machines[part.machine].policy for part in chosen}
    return Risk(
        machines=len(chosen),
        updates=len(updates),
        classes=tuple(sorted(Counter(str(update.classification) for update in updates).items())),
        reboots=Counter(
            _reboot(
                part.updates,
                seen.get(part.machine),
                RebootSetting(of[part.machine].reboot or reboot),
            )
            for part in chosen
        ),
        undo=Counter(str(policy.undo) for policy in of.values()),
    )


def _reboot(
    updates: tuple[PlannedUpdate, ...], seen: Assessment | None, setting: RebootSetting
) -> Known:
    """Say whether a machine will be rebooted. What its updates ask for is seen afterwards."""
    if setting == RebootSetting.NEVER:
        return Known.NO
    if setting == RebootSetting.ALWAYS or (seen and reboot_need(seen)[0] == Known.YES):
        return Known.YES
    return Known.NO if all(update.hotpatch for update in updates) else Known.UNKNOWN
