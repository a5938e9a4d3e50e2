"""The assessment: all answers of one look at a machine, put together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from patchyard.domain.updates import Assessment, Kernel, OperatingSystem, Update
from patchyard.domain.value import Known
from patchyard.errors import MalformedOutput
from patchyard.managers.windows_update import hotpatch, sources, surroundings
from patchyard.managers.windows_update.baselines import Table, month_of, of_text
from patchyard.managers.windows_update.categories import Kind, kbs, kind_of
from patchyard.managers.windows_update.codes import explain
from patchyard.managers.windows_update.facts import (
    Facts,
    answered,
    as_list,
    facts_of,
    known,
    known_rows,
    moment,
    number,
    value_of,
    word,
)
from patchyard.managers.windows_update.lifetimes import end_of_life
from patchyard.managers.windows_update.offered import Ground, key_of, packages, updates
from patchyard.managers.windows_update.pending import Pending, pending
from patchyard.transcript import Transcript

INSTALL = 1
"""UpdateOperation of an installation in the history; 2 is an uninstallation."""

SUCCEEDED = frozenset({2, 3})
"""OperationResultCode of what succeeded, with errors or without."""

_SECURITY = re.compile(r"\b(cumulative update|security update|hotpatch)\b", re.IGNORECASE)

SHOWN = 5
"""Failures of the past that are told in one look."""


def parse_assessment(transcript: Transcript, machine: str, taken_at: datetime) -> Assessment:
    """Read the answers of the script `assess`.

    Args:
        transcript: the script's output.
        machine: the machine's name in the inventory.
        taken_at: the controller's clock when the answer came.

    Raises:
        ScriptFailed: the build, the offered or the installed updates could not be asked.
        MalformedOutput: an answer is missing or cannot be read.
    """
    system = facts_of(transcript["system"])
    build = _build(system)
    installed = _installed(transcript)
    offers = sources.offers(transcript)
    state = _hotpatch_state(transcript, system, taken_at)
    there = packages(installed, build)
    found = updates(offers.updates, _ground(transcript, there, build, state))
    running, lifetime = _system(system, taken_at)
    owed = pending(transcript)
    over = (lifetime,) if running.end_of_life == Known.YES else ()
    complete, because = sources.completeness(transcript, offers, taken_at.date(), over)
    return Assessment(
        machine=machine,
        manager="windows_update",
        taken_at=taken_at,
        os=running,
        boot_id=word(system.get("boot")),
        clock_skew=_clock_skew(transcript, taken_at),
        packages=there,
        moving=tuple(sorted(key_of(row) for row in installed if _is_definition(row))),
        updates=found,
        sources=sources.sources(transcript, offers),
        complete=complete,
        incomplete_because=because,
        reboot_required=owed.required,
        reboot_reasons=owed.reasons,
        reboot_first=owed.first,
        # Windows replaces no file that is in use: what would run replaced code waits for a reboot.
        kernel=Kernel(running=build, applicable=Known.NO),
        outdated_services_known=owed.seen,
        running_services=surroundings.running_services(transcript),
        rivals=sources.rivals(transcript),
        database_problems=surroundings.database_problems(transcript),
        lock_holders=surroundings.lock_holders(transcript),
        filesystems=surroundings.filesystems(transcript),
        findings=tuple(_findings(transcript, found, owed, state, system, taken_at)),
        machine_id=word(system.get("machine_id")),
    )


def _build(system: Facts) -> str:
    """Return build and revision, such as `20348.5386`.

    Raises:
        MalformedOutput: the machine does not tell them.
    """
    build, revision = number(system.get("build")), number(system.get("ubr"))
    if build is None or revision is None:
        raise MalformedOutput(f"{system.get('build')}.{system.get('ubr')} is no build of Windows")
    return f"{build}.{revision}"


def _installed(transcript: Transcript) -> list[Facts]:
    """Return the installed updates.

    Raises:
        ScriptFailed: they could not be asked.
        MalformedOutput: the search for them did not succeed.
    """
    found = facts_of(transcript["installed"])
    if number(found.get("result_code")) not in SUCCEEDED:
        raise MalformedOutput(f"installed ended with result {found.get('result_code')}")
    return [row for row in as_list(found.get("updates")) if isinstance(row, dict)]


def _is_definition(row: Facts) -> bool:
    """True for what Defender fetches by itself, several times a day."""
    return bool(word(row.get("id"))) and kind_of(row) == Kind.DEFINITIONS


def _hotpatch_state(transcript: Transcript, system: Facts, taken_at: datetime) -> hotpatch.State:
    facts = known(transcript, "hotpatch") if answered(transcript, "hotpatch") else None
    section = transcript.get("vbs")
    vbs = number(value_of(section)) if section is not None and section.status == 0 else None
    fixes = transcript.get("hotfixes")
    listed = as_list(value_of(fixes)) if fixes is not None and fixes.status == 0 else []
    last = next((row for row in _past(transcript) if _of_security(row) and _good(row)), None)
    return hotpatch.judge(
        system,
        facts,
        vbs,
        map(word, listed),
        last,
        table=of_text(transcript.reference),
        today=taken_at.date(),
    )


def _past(transcript: Transcript) -> list[Facts]:
    """Return the history of installations, newest first."""
    rows = [r for r in known_rows(transcript, "history") if number(r.get("operation")) == INSTALL]
    return sorted(rows, key=lambda row: word(row.get("date")), reverse=True)


def _of_security(row: Facts) -> bool:
    """True where an entry of the history is a security update of Windows, as its title tells.

    The history names no category.
    """
    return _SECURITY.search(word(row.get("title"))) is not None and kind_of(row) != Kind.DOTNET


def _good(row: Facts) -> bool:
    return number(row.get("result_code")) in SUCCEEDED


def _ground(
    transcript: Transcript, there: dict[str, str], build: str, state: hotpatch.State
) -> Ground:
    return Ground(
        packages=there,
        origin=sources.source_name(transcript),
        table=of_text(transcript.reference),
        build=build,
        enrolled=state.enrolled.known,
        has_hotpatches=state.eligible.known != Known.NO or state.enrolled.known == Known.YES,
        managed_by=sources.managed_by(transcript),
    )


def _system(system: Facts, taken_at: datetime) -> tuple[OperatingSystem, str]:
    build = word(system.get("build"))
    over, said = end_of_life(build, number(system.get("product_type")), taken_at.date())
    running = OperatingSystem(
        id="windows",
        version_id=f"10.0.{build}",
        codename=word(system.get("display_version")),
        pretty_name=word(system.get("caption")),
        architecture=word(system.get("architecture")).lower(),
        end_of_life=over,
    )
    return running, said


def _clock_skew(transcript: Transcript, taken_at: datetime) -> float | None:
    """Return the machine's clock minus ours, in seconds."""
    section = transcript.get("clock")
    said = moment(value_of(section)) if section is not None and section.status == 0 else None
    return (said - taken_at).total_seconds() if said is not None else None


def _findings(
    transcript: Transcript,
    found: tuple[Update, ...],
    owed: Pending,
    state: hotpatch.State,
    system: Facts,
    taken_at: datetime,
) -> Iterator[str]:
    yield from owed.findings
    yield from surroundings.findings(transcript)
    yield from sources.findings(transcript, enrolled=state.enrolled.known)
    table = of_text(transcript.reference)
    yield from _hotpatch_findings(found, state, word(system.get("build")), taken_at, table)
    yield from _failures(transcript, found)


def _hotpatch_findings(
    found: tuple[Update, ...], state: hotpatch.State, product: str, at: datetime, known_: Table
) -> Iterator[str]:
    """Tell the three answers, and where the offer is not what the month is to bring."""
    if state.eligible.known == Known.NO and state.enrolled.known == Known.NO:
        return
    yield f"hotpatch eligible: {state.eligible}"
    yield f"hotpatch enrolled: {state.enrolled}"
    yield f"hotpatch active: {state.active}"
    if state.enrolled.known != Known.YES:
        return
    expected = known_.expectation(product, month_of(at.date()))
    hot = [update.name for update in found if update.hotpatch]
    full = [update.name for update in found if "baseline required" in update.detail]
    if expected.baseline and hot:
        yield f"a baseline is expected ({expected.because}); offered is hotpatch {', '.join(hot)}"
    elif not expected.baseline and full and not hot:
        yield (
            f"a hotpatch is expected ({expected.because}); offered is {', '.join(full)}, "
            "which needs a reboot"
        )


def _failures(transcript: Transcript, found: tuple[Update, ...]) -> Iterator[str]:
    """Tell what failed before and is offered still, the newest attempt of each."""
    offered = {update.architecture for update in found}
    told: set[str] = set()
    for row in _past(transcript):
        identity = word(row.get("id")).lower()
        if identity not in offered or identity in told:
            continue
        told.add(identity)
        if _good(row) or len(told) > SHOWN:
            continue
        name = next(iter(kbs(row)), "") or word(row.get("title"))
        cause = explain(number(row.get("hresult")) or 0)
        yield f"{name} failed on {word(row.get('date'))[:10]}: {cause}"
