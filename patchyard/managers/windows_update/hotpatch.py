"""Hotpatches: which update is one, and whether a machine may, should and does get them.

Three questions, each with three values and reasons (windows.md 2.1): unknown stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from patchyard.domain.value import Known
from patchyard.managers.windows_update.baselines import Table, month_of
from patchyard.managers.windows_update.categories import Kind, is_security, kbs, kind_of
from patchyard.managers.windows_update.facts import Facts, as_list, number, word

SERVER_2022, SERVER_2025 = 20348, 26100
"""The first builds of the two servers that can have hotpatches."""

RELEASED_2025 = 1742
"""Revision of the released Server 2025; with Arc, earlier ones get no hotpatch."""

AZURE_EDITIONS = frozenset({"ServerTurbine", "ServerTurbineCor"})
LICENSED_EDITIONS = frozenset(
    {"ServerStandard", "ServerStandardCor", "ServerDatacenter", "ServerDatacenterCor"}
)
PREREQUISITE_2022 = "KB5003508"
ENROLMENT = "Hotpatch Enrollment Package"
VBS_RUNNING = 2
"""VirtualizationBasedSecurityStatus of Win32_DeviceGuard: 1 is enabled and not running."""

NEVER_REBOOTS = 0
"""InstallationRebootBehavior: 0 never, 1 always, 2 can request one."""

BY_KB = "its KB is in the table of hotpatches"
BY_TITLE = "its title or description names a hotpatch"
BY_BEHAVIOUR = "a security update that never reboots, on an enrolled machine"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One answer with its reasons."""

    known: Known
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.known} ({'; '.join(self.reasons)})"


@dataclass(frozen=True, slots=True)
class State:
    """How it stands with a machine's hotpatches."""

    eligible: Judgement
    enrolled: Judgement
    active: Judgement


def recognise(update: Facts, table: Table, enrolled: Known) -> str:
    """Return the rule by which an update is a hotpatch; empty where none says so.

    There is no flag for it in a search. The table is asked first, and also says what is none.
    """
    for kb in kbs(update):
        found = table.release(kb)
        if found is not None:
            return BY_KB if found[2] else ""
    said = f"{word(update.get('title'))} {word(update.get('description'))}".lower()
    if "hotpatch" in said and "enrollment" not in said:
        return BY_TITLE
    never = number(update.get("reboot_behavior")) == NEVER_REBOOTS
    of_windows = kind_of(update) in {Kind.CUMULATIVE, Kind.STANDALONE}
    by_behaviour = never and of_windows and is_security(update) and enrolled == Known.YES
    return BY_BEHAVIOUR if by_behaviour else ""


def expected_build(update: Facts, table: Table) -> str:
    """Return the build that a machine should have after an update; empty where it is not known."""
    found = next((f for kb in kbs(update) if (f := table.release(kb)) is not None), None)
    return found[1].build if found is not None else ""


def judge(
    system: Facts,
    facts: Facts | None,
    vbs: int | None,
    hotfixes: Iterable[str],
    last_security: Facts | None,
    *,
    table: Table,
    today: date,
) -> State:
    """Answer the three questions.

    Args:
        system: build, edition and product type.
        facts: what the registry says; None where it could not be read.
        vbs: VirtualizationBasedSecurityStatus; None where it could not be asked.
        hotfixes: articles that Windows itself lists as installed.
        last_security: the last security update that succeeded; None where it is not known.
        table: baselines and hotpatches by month.
        today: the day of the look.
    """
    enrolled = _enrolled(facts)
    return State(
        eligible=_eligible(system, facts, vbs, hotfixes, enrolled),
        enrolled=enrolled,
        active=_active(system, last_security, enrolled, table, today),
    )


def _eligible(
    system: Facts,
    facts: Facts | None,
    vbs: int | None,
    hotfixes: Iterable[str],
    enrolled: Judgement,
) -> Judgement:
    asked = [
        _by_build(system),
        _by_edition(system, facts),
        _by_vbs(vbs),
        _by_table_size(facts),
    ]
    worst = Known.YES
    if any(known == Known.NO for known, _ in asked):
        worst = Known.NO
    elif any(known == Known.UNKNOWN for known, _ in asked):
        worst = Known.UNKNOWN
    reasons = [reason for known, reason in asked if known == worst]
    # Its presence would not prove that hotpatches apply, and later updates hide it: a hint only.
    lacks = PREREQUISITE_2022 not in set(hotfixes) and enrolled.known != Known.YES
    if number(system.get("build")) == SERVER_2022 and lacks and worst != Known.NO:
        reasons.append(f"{PREREQUISITE_2022} is not listed")
    return Judgement(worst, tuple(reasons))


def _by_build(system: Facts) -> tuple[Known, str]:
    build, product = number(system.get("build")), number(system.get("product_type"))
    if build is None or product is None:
        return Known.UNKNOWN, "the build is not known"
    if product == 1:
        return Known.UNKNOWN, "a workstation, which is not judged here"
    return Known.of(build >= SERVER_2022), f"build {build}"


def _by_edition(system: Facts, facts: Facts | None) -> tuple[Known, str]:
    edition, build = word(system.get("edition")), number(system.get("build")) or 0
    if edition in AZURE_EDITIONS or "Azure Edition" in word(system.get("caption")):
        return Known.YES, f"edition {edition}"
    if build < SERVER_2025 or edition not in LICENSED_EDITIONS:
        answer = Known.UNKNOWN if not edition else Known.NO
        return answer, f"edition {edition or 'unknown'} on build {build or 'unknown'}"
    if build == SERVER_2025 and (number(system.get("ubr")) or 0) < RELEASED_2025:
        return Known.NO, "not the released Server 2025"
    return _by_arc(edition, facts)


def _by_arc(edition: str, facts: Facts | None) -> tuple[Known, str]:
    if facts is None:
        return Known.UNKNOWN, "whether Azure Arc pays for it could not be seen"
    if number(facts.get("arc_subscription")) == 1:
        return Known.YES, "subscribed through Azure Arc"
    # What Azure shows is the authority: the machine's own note of it may be late.
    if facts.get("arc_agent"):
        return Known.UNKNOWN, "Azure Arc is there, and no subscription is noted on the machine"
    return Known.NO, f"edition {edition} without Azure Arc"


def _by_vbs(vbs: int | None) -> tuple[Known, str]:
    said = {0: "off", 1: "enabled, not running", VBS_RUNNING: "running"}
    if vbs is None:
        return Known.UNKNOWN, "whether virtualisation-based security runs could not be seen"
    return Known.of(vbs == VBS_RUNNING), f"virtualisation-based security is {said.get(vbs, vbs)}"


def _by_table_size(facts: Facts | None) -> tuple[Known, str]:
    if facts is None:
        return Known.UNKNOWN, "HotPatchTableSize could not be read"
    size = number(facts.get("table_size")) or 0
    return Known.of(size > 0), f"HotPatchTableSize is {size or 'not set'}"


def _enrolled(facts: Facts | None) -> Judgement:
    if facts is None:
        return Judgement(Known.UNKNOWN, ("the registry could not be read",))
    packages = [p for p in as_list(facts.get("enrolment")) if isinstance(p, dict)]
    package = next((p for p in packages if word(p.get("name")) == ENROLMENT), None)
    if package is not None:
        version = word(package.get("version"))
        return Judgement(Known.YES, (f"{ENROLMENT} {version}".strip(),))
    if number(facts.get("arc_subscription")) == 1:
        reason = f"subscribed through Azure Arc, and no {ENROLMENT} yet"
        return Judgement(Known.UNKNOWN, (reason,))
    return Judgement(Known.NO, (f"there is no {ENROLMENT}",))


def _active(
    system: Facts, last_security: Facts | None, enrolled: Judgement, table: Table, today: date
) -> Judgement:
    """On the current baseline, and the last security update was a hotpatch."""
    if enrolled.known == Known.NO:
        return Judgement(Known.NO, ("it is not enrolled",))
    build = f"{word(system.get('build'))}.{word(system.get('ubr'))}"
    baseline, told = _on_baseline(system, build, table, today)
    last, why = _last_was_hotpatch(build, last_security, table)
    for known in (Known.NO, Known.UNKNOWN):
        reasons = tuple(r for k, r in ((baseline, told), (last, why)) if k == known)
        if reasons:
            return Judgement(known, reasons)
    return Judgement(enrolled.known, (told, why))


def _on_baseline(system: Facts, build: str, table: Table, today: date) -> tuple[Known, str]:
    """Compare the last cumulative update that was installed with the newest baseline."""
    newest = table.newest_baseline(word(system.get("build")), month_of(today))
    if newest is None or not newest.lcu.build:
        name = newest.name if newest else "any month"
        return Known.UNKNOWN, f"the build of the baseline of {name} is not in the table"
    installed = _cumulative(system) or build
    if installed == newest.lcu.build:
        return Known.YES, f"on the baseline of {newest.name}"
    found = table.of_build(installed)
    told = f"the last cumulative update is {installed}, the baseline is {newest.lcu.build}"
    if found is None:
        return Known.UNKNOWN, f"{told}, and the first is not in the table"
    month, is_hotpatch = found
    # Where the machine notes the build of a hotpatch, its baseline is that of the hotpatch.
    if is_hotpatch and table.newest_baseline(word(system.get("build")), month.name) == newest:
        return Known.YES, f"on a hotpatch for the baseline of {newest.name}"
    return Known.NO, told


def _cumulative(system: Facts) -> str:
    """Return the build of the last cumulative update: LCUVer is `10.0.20348.5386`."""
    return ".".join(word(system.get("lcu_version")).split(".")[2:4])


def _last_was_hotpatch(build: str, last_security: Facts | None, table: Table) -> tuple[Known, str]:
    found = table.of_build(build)
    if found is not None:
        month, is_hotpatch = found
        kind = "hotpatch" if is_hotpatch else "cumulative update"
        return Known.of(is_hotpatch), f"build {build} is that of the {kind} of {month.name}"
    if last_security is None:
        return Known.UNKNOWN, f"build {build} is not in the table"
    title = word(last_security.get("title"))
    rule = recognise(last_security, table, Known.UNKNOWN)
    return Known.of(bool(rule)), f"the last security update was {title!r}"
