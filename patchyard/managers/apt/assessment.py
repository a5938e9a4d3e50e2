"""The assessment: all answers of one look at a machine, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from patchyard.domain.updates import Assessment, OperatingSystem, Source, Update
from patchyard.domain.value import Known
from patchyard.managers.apt import effect, freshness, surroundings
from patchyard.managers.apt.answers import answers_of, read_installed, read_sources, read_updates
from patchyard.managers.apt.lifetimes import end_of_life
from patchyard.managers.apt.live_patch import live_patch
from patchyard.managers.apt.outlook import parse_outlook
from patchyard.managers.apt.surroundings import text_of
from patchyard.transcript import Transcript

_OUTLOOKS = ("would_full", "would_new", "would_plain")


def parse_assessment(transcript: Transcript, machine: str, taken_at: datetime) -> Assessment:
    """Read the answers of the script `assess`.

    Args:
        transcript: the script's output.
        machine: the machine's name in the inventory.
        taken_at: the controller's clock when the answer came.

    Raises:
        ScriptFailed: a tool without whose answer nothing can be said has failed.
        MalformedOutput: an answer is missing or cannot be read.
    """
    release = surroundings.parse_os_release(transcript["os_release"].require())
    native = transcript["architecture"].require().strip()
    installed = read_installed(transcript["packages"].require())
    refresh, sources = _repositories(transcript)
    failed = _failed_outlooks(transcript)
    problems = surroundings.database_problems(transcript, installed.states, failed.values())
    _insist_on_outlooks(transcript, failed, broken=bool(problems))
    updates = read_updates(answers_of(transcript, native, simulated=not failed))
    system, lifetime = _system(release, native, sources, taken_at)
    complete, because = _complete(system, sources, refresh, taken_at, [*failed.values(), lifetime])
    running = effect.running_code(transcript)
    kernel = effect.kernel(transcript, installed.by_name, running)
    required, reasons = effect.reboot_required(transcript, kernel, running)
    return Assessment(
        machine=machine,
        manager="apt",
        taken_at=taken_at,
        os=system,
        boot_id=text_of(transcript, "boot_id").strip(),
        clock_skew=_clock_skew(text_of(transcript, "clock"), taken_at),
        packages=installed.packages,
        built_from=read_sources(text_of(transcript, "built_from")),
        updates=updates,
        sources=sources,
        complete=complete,
        incomplete_because=because,
        reboot_required=required,
        reboot_reasons=reasons,
        kernel=kernel,
        running_services=effect.running_services(transcript),
        outdated_services=running.services,
        outdated_services_known=running.known,
        live_patch=live_patch(transcript, kernel.running),
        rivals=surroundings.rivals(transcript),
        database_problems=problems,
        lock_holders=surroundings.lock_holders(transcript),
        filesystems=surroundings.filesystems(transcript),
        findings=_findings(transcript, lifetime, system, refresh, running, updates),
        machine_id=text_of(transcript, "machine_id").strip(),
    )


def _repositories(transcript: Transcript) -> tuple[freshness.Refresh, tuple[Source, ...]]:
    headers = freshness.parse_headers(transcript["releases"].require())
    places = freshness.parse_places(transcript["configured"].require())
    refresh = freshness.parse_refresh(transcript.get("refresh"), places)
    return refresh, freshness.sources(places, headers, refresh)


def _failed_outlooks(transcript: Transcript) -> dict[str, str]:
    """Return what apt said where it could not work out an upgrade."""
    asked = [transcript["would_full"]]
    asked += [s for name in _OUTLOOKS[1:] if (s := transcript.get(name)) is not None]
    return {s.name: surroundings.failure(s) for s in asked if s.status != 0}


def _insist_on_outlooks(transcript: Transcript, failed: Mapping[str, str], *, broken: bool) -> None:
    """A broken package database explains a failure and is reported as such; nothing else does."""
    if broken:
        return
    for name in failed:
        transcript[name].require()


def _system(
    release: Mapping[str, str], native: str, sources: Iterable[Source], now: datetime
) -> tuple[OperatingSystem, str]:
    """Return what the machine runs, and what is to be said of its lifetime."""
    paid = any("esm" in source.name for source in sources)
    over, said = end_of_life(
        release.get("ID", ""), release.get("VERSION_ID", ""), now.date(), paid=paid
    )
    system = OperatingSystem(
        id=release.get("ID", ""),
        version_id=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        pretty_name=release.get("PRETTY_NAME", ""),
        architecture=native,
        end_of_life=over,
    )
    return system, said


def _security_suites(system: OperatingSystem) -> frozenset[str]:
    if system.id not in {"debian", "ubuntu"} or not system.codename:
        return frozenset()
    return frozenset({f"{system.codename}-security", f"{system.codename}/updates"})


def _complete(
    system: OperatingSystem,
    sources: tuple[Source, ...],
    refresh: freshness.Refresh,
    now: datetime,
    more: Iterable[str],
) -> tuple[Known, tuple[str, ...]]:
    """Say whether this look could prove that nothing is missing, and if not, why not."""
    *failed, lifetime = more
    reasons = [f"apt could not work out what to upgrade: {text}" for text in failed]
    reasons += freshness.shortcomings(
        sources, refresh, now, security_suites=_security_suites(system)
    )
    if system.end_of_life == Known.YES:
        reasons.append(lifetime)
    if reasons:
        return Known.NO, tuple(dict.fromkeys(reasons))
    if not refresh.asked:
        return Known.UNKNOWN, ("the repositories were not asked anew for this look",)
    if system.end_of_life == Known.UNKNOWN:
        return Known.UNKNOWN, (lifetime,)
    return Known.YES, ()


def _clock_skew(text: str, taken_at: datetime) -> float | None:
    """Return the machine's clock minus ours, in seconds; the machine tells whole seconds."""
    said = text.strip()
    return float(said) - taken_at.timestamp() if said.isdigit() else None


def _findings(
    transcript: Transcript,
    lifetime: str,
    system: OperatingSystem,
    refresh: freshness.Refresh,
    running: effect.Running,
    updates: Iterable[Update],
) -> tuple[str, ...]:
    found: list[str] = []
    if lifetime and system.end_of_life == Known.NO:
        found.append(lifetime)
    found += refresh.warnings
    found += running.findings
    full = parse_outlook(transcript["would_full"].stdout)
    if full.downgraded:
        found.append(f"preferences ask for downgrades: {', '.join(sorted(full.downgraded))}")
    covered = {update.name for update in updates}
    stray = sorted(n for n in full.upgraded if n.partition(":")[0] not in covered)
    if stray:
        found.append(f"apt would upgrade what no repository's table shows: {', '.join(stray)}")
    found += [
        f"a new version of a configuration file waits: {path}"
        for path in text_of(transcript, "leftovers").split("\n")
        if path
    ]
    return tuple(found)
