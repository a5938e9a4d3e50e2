"""The verdict: one sentence that says how a run went."""

from __future__ import annotations

from collections.abc import Iterable

from patchyard.domain.counting import counted
from patchyard.domain.outcome import Status
from patchyard.domain.report import MachineReport, RunReport, count_by_status
from patchyard.domain.updates import Compliance

NAMED = 3
"""How many machines of one status a sentence names before it only counts them."""

LONGEST_CHECK = 80
"""Characters of a check's name in the sentence."""

PATCHING = frozenset({"patch", "emergency"})
"""Kinds of runs that install a plan."""

_DONE = {
    "patch": "patched",
    "emergency": "patched",
    "rollback": "back on earlier versions",
    "assess": "assessed",
}


def verdict(report: RunReport) -> str:
    """Say in one sentence how the run went, with the machines and checks to blame."""
    if not report.machines:
        told = report.halted_because
        refused = report.status == Status.REFUSED
        return f"Nothing was begun: {told}." if refused else "No machine is in scope."
    parts = [_lead(report), _exceptions(report), _around(report), _stop(report)]
    return "; ".join(part for part in parts if part) + "."


def _around(report: RunReport) -> str:
    """Name the hooks that failed, and count the notices that reached nobody."""
    hooks = [hook.name for hook in report.hooks if hook.failed]
    lost = sum(notice.failed for notice in report.notices)
    parts = [f"hook {', '.join(hooks)} failed"] if hooks else []
    parts += [f"{counted(lost, 'notice')} may have reached nobody"] if lost else []
    return "; ".join(parts)


def _lead(report: RunReport) -> str:
    if report.dry_run:
        return _would(report)
    if report.kind == "assess":
        return _assessed(report)
    if not any(machine.planned for machine in report.machines):
        return _nothing(report)
    idle = [machine for machine in report.machines if _idle(machine, report)]
    held = [m for m in report.machines if m not in idle and _held_back(m, report)]
    done = [m for m in report.machines if m.status.good and m not in idle + held]
    word = _DONE.get(report.kind, "done")
    parts = [f"nothing to do on {_machines(len(idle))}"] if idle else []
    parts += [f"nothing installable on {_machines(len(held))} ({_names(held)})"] if held else []
    if done or not idle + held:
        parts.append(f"{_of(len(done), len(report.machines))} {word}{_warned(done)}")
    return "; ".join(parts)[:1].upper() + "; ".join(parts)[1:]


def _idle(machine: MachineReport, report: RunReport) -> bool:
    """True where a patch run proved that a machine has all it should have, and did nothing."""
    proven = machine.compliance_after == Compliance.COMPLIANT
    return report.kind in PATCHING and machine.wave is None and proven and not machine.planned


def _held_back(machine: MachineReport, report: RunReport) -> bool:
    """True where nothing was done, although something is missing or may be."""
    nothing = machine.wave is None and not machine.planned
    return report.kind in PATCHING and nothing and machine.status.good


def _would(report: RunReport) -> str:
    getting = [machine.planned for machine in report.machines if machine.planned]
    if not getting:
        return f"Dry run: nothing to install on {_machines(len(report.machines))}"
    updates = counted(sum(getting), "update")
    where = f"{len(getting):,} of {_machines(len(report.machines))}"
    return f"Dry run, nothing was changed: {updates} would be installed on {where}"


def _assessed(report: RunReport) -> str:
    judged = [machine.compliance_after for machine in report.machines]
    sorts = [f"{judged.count(c)} {c}" for c in Compliance if judged.count(c)]
    return f"{_machines(len(judged))} assessed: {', '.join(sorts)}"


def _nothing(report: RunReport) -> str:
    """Nothing was planned. Only proof makes that good news."""
    total = len(report.machines)
    proven = [m for m in report.machines if m.compliance_after == Compliance.COMPLIANT]
    if len(proven) == total and not _warned(list(report.machines)):
        subject = "the machine is" if total == 1 else f"all {total} machines are"
        return f"Nothing to do: {subject} compliant"
    warned = _warned(proven)
    return f"Nothing was installed: {_of(len(proven), total)} compliant{warned}"


def _warned(done: list[MachineReport]) -> str:
    warned = [m for m in done if m.status == Status.COMPLETED_WITH_WARNINGS]
    return f", {len(warned)} with warnings ({_names(warned)})" if warned else ""


def _exceptions(report: RunReport) -> str:
    """Name what went another way. Machines that were never begun are counted by `_stop`."""
    other = [m for m in report.machines if not m.status.good and _tells(m, report)]
    return ", ".join(
        f"{count} {status} ({_names(m for m in other if m.status == status)})"
        for status, count in count_by_status(other).items()
    )


def _tells(machine: MachineReport, report: RunReport) -> bool:
    return machine.status != Status.NOT_STARTED or not (report.dry_run or report.not_reached)


def _stop(report: RunReport) -> str:
    late = len(report.pending)
    other = len(report.not_reached) - late
    missed = f"{_machines(other)} not reached" if other > 0 else ""
    pending = f"{_machines(late)} pending, the window was too short" if late else ""
    halted = "the run was halted" if report.halted_because else ""
    return ", ".join(part for part in (halted, pending, missed) if part)


def _names(machines: Iterable[MachineReport]) -> str:
    chosen = list(machines)
    named = ", ".join(_named(machine) for machine in chosen[:NAMED])
    more = len(chosen) - NAMED
    return f"{named} and {more} more" if more > 0 else named


def _named(machine: MachineReport) -> str:
    """Name a machine, with the first check that went bad on it."""
    if not machine.regressed:
        return machine.name
    more = len(machine.regressed) - 1
    others = f" and {counted(more, 'more check')}" if more else ""
    check = machine.regressed[0].check
    short = (
        check if len(check) <= LONGEST_CHECK else f"{check[:LONGEST_CHECK]}\N{HORIZONTAL ELLIPSIS}"
    )
    return f"{machine.name}: {short}{others}"


def _of(some: int, total: int) -> str:
    return f"{some:,} of {_machines(total)} {'is' if 1 in (some, total) else 'are'}"


def _machines(number: int) -> str:
    return counted(number, "machine")
