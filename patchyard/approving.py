"""Approval of an open run: what is shown, what was answered, what that lets begin."""

from __future__ import annotations

from patchyard.domain.approval import WHOLE, Answered, Decision, Risk, left_out, risk_of, unapproved
from patchyard.domain.counting import first_few
from patchyard.domain.emergency import Emergency
from patchyard.domain.path import RebootSetting
from patchyard.domain.plan import Plan
from patchyard.domain.value import Known
from patchyard.fleet import BEFORE
from patchyard.runs import Run
from patchyard.store import ApprovalRecord
from patchyard.untrusted import markdown

SHOWN = 20
"""Machines named to the person who is asked; all are in the plan."""


def answers_of(run: Run) -> tuple[Answered, ...]:
    """Return what people have answered to a run."""
    return tuple(
        Answered(
            plan_hash=record.plan_hash,
            wave=record.wave,
            decision=Decision(record.decision),
            approver=record.approver,
            asked_at=record.asked_at,
            answered_at=record.answered_at,
            note=record.note,
            machines=tuple(record.machines),
        )
        for record in run.store.approvals(run.id)
    )


def keep_answer(run: Run, answer: Answered) -> None:
    """Record what a person answered: who, what, to which plan, and when. It is evidence."""
    run.store.record_approval(
        ApprovalRecord(
            run_id=run.id,
            plan_hash=answer.plan_hash,
            wave=answer.wave,
            decision=str(answer.decision),
            approver=answer.approver,
            asked_at=answer.asked_at,
            answered_at=answer.answered_at,
            note=answer.note,
            machines=list(answer.machines),
        )
    )


def waiting_waves(run: Run, plan: Plan) -> frozenset[int]:
    """Return the waves that nobody has said yes to yet."""
    return unapproved(plan, answers_of(run)) if _asked(run, plan) else frozenset()


def narrowed_away(run: Run, plan: Plan) -> dict[str, str]:
    """Return the machines that people left out of their approval, with who did."""
    return left_out(plan, answers_of(run)) if _asked(run, plan) else {}


def _asked(run: Run, plan: Plan) -> bool:
    """True where a person is asked: always, or because no ring has proven the plan.

    A rollback has the parameters of the run that it takes back.
    """
    if run.record.kind == "rollback":
        return False
    unproven = plan.promoted is not None and not plan.promoted.proven
    return unproven or run.record.parameters.get("approval", "none") != "none"


def asked_about(run: Run, plan: Plan, wave: int) -> tuple[int, tuple[str, ...]]:
    """Return which wave the question is about, 0 for all, and its machines."""
    if run.record.parameters.get("approval") == "wave":
        return wave, plan.waves[wave - 1]
    return WHOLE, tuple(name for each in plan.waves for name in each)


def question(run: Run, plan: Plan, wave: int, names: tuple[str, ...], wrong: str = "") -> str:
    """Return what a person is shown, as Markdown."""
    setting = RebootSetting(str(run.record.parameters.get("reboot", "if_required")))
    machines = {name: run.machine(name) for name in names}
    risk = risk_of(plan, names, machines, run.store.assessments(run.id, BEFORE), setting)
    what = "the whole plan" if wave == WHOLE else f"wave {wave} of {len(plan.waves)}"
    named = first_few(names, SHOWN)
    lines = [
        *([f"**The last answer could not be taken: {wrong}.**", ""] if wrong else []),
        f"Approve {what} of run `{run.id}` ({run.record.inventory}, {run.record.scope})?",
        "",
        *_emergency_lines(emergency_of(run)),
        f"- plan: `{plan.hash[:12]}` (`{plan.hash}`)",
        *_risk_lines(risk),
        *([f"- ring: {plan.promoted.told}"] if plan.promoted else []),
        f"- machines: {named}",
        *([f"- window: {_window(run)}"] if run.window else []),
    ]
    return "\n".join(lines)


def emergency_of(run: Run) -> Emergency | None:
    """Return the evidence of an emergency; None where the run is none."""
    given = run.record.parameters.get("emergency")
    return Emergency.model_validate(given) if given else None


def _emergency_lines(emergency: Emergency | None) -> list[str]:
    if emergency is None:
        return []
    who, why = markdown(emergency.requested_by), markdown(emergency.reason)
    return [
        f"- **emergency**, wanted by {who}: {why}",
        f"- **bypasses {emergency.bypassed}**",
        *(f"- {markdown(each.text)}" for each in emergency.obstacles),
    ]


def _window(run: Run) -> str:
    window = run.window
    assert window is not None  # noqa: S101 - asked only of runs that have one
    return f"{window.key}, {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"


def _risk_lines(risk: Risk) -> list[str]:
    classes = ", ".join(f"{count} {name}" for name, count in risk.classes) or "none"
    reboots = risk.reboots
    unknown = reboots.get(Known.UNKNOWN, 0)
    strict = f"where it cannot be, {risk.undo.get('required', 0)} of them are left alone"
    return [
        f"- {risk.updates} updates on {risk.machines} machines: {classes}",
        f"- reboots: {reboots.get(Known.YES, 0)} expected, {unknown} seen after the install only",
        f"- undo: a way back is prepared on {risk.undoable} of {risk.machines} machines; {strict}",
    ]
