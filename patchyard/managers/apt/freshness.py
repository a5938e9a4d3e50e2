"""Freshness: which repositories are configured, and how new what we know of them is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from patchyard.domain.updates import Source
from patchyard.managers.apt.versions import Release
from patchyard.managers.apt.wording import masked, shortened
from patchyard.transcript import Section

LOCK_WORDS = ("Could not get lock", "Unable to lock directory")

_HARMLESS = ("legacy trusted.gpg", "configured multiple times", "doesn't support architecture")
_FAILURES = ("Failed to fetch", "GPG error", "not updated", "expired", "not valid yet")

Header = Mapping[str, str]
"""The fields at the head of one Release file."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """What asking the repositories anew led to. `asked` is False where this look did not."""

    asked: bool
    ok: bool
    errors: Mapping[str, str]
    general: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One configured repository: its address, its suite, and its Release file's name here."""

    address: str
    suite: str
    file: str

    @property
    def name(self) -> str:
        """The address and the suite, as apt itself names a source."""
        return f"{self.address} {self.suite}"

    def is_meant(self, line: str) -> bool:
        """True where a line of apt's output speaks of this repository."""
        start = line.find(self.address)
        if start < 0:
            return False
        rest = line[start + len(self.address) :].lstrip("/ ").removeprefix("dists/")
        return rest.startswith(self.suite) and rest[len(self.suite) :][:1] in {"", " ", "/"}


def parse_places(text: str) -> tuple[Place, ...]:
    """Read the repositories out of `apt-get update --print-uris`."""
    places: dict[str, Place] = {}
    for line in text.splitlines():
        address, _, rest = line.removeprefix("'").partition("' ")
        if not address.endswith("/InRelease"):
            continue
        base, dists, suite = address.removesuffix("/InRelease").partition("/dists/")
        if not dists:
            base, suite = address.removesuffix("/InRelease").removesuffix("/."), "./"
        place = Place(masked(base), suite, rest.partition(" ")[0])
        places.setdefault(place.name, place)
    return tuple(places.values())


def parse_headers(text: str) -> Mapping[str, Header]:
    """Read the heads of the Release files, by the name of the file."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        field, _, value = line.partition(": ")
        if field == "File":
            current = found.setdefault(value, {})
        elif value:
            current[field] = value
    return found


def parse_refresh(section: Section | None, places: Iterable[Place]) -> Refresh:
    """Read what `apt-get update` said. It can end with 0 although a source failed."""
    if section is None:
        return Refresh(asked=False, ok=False, errors={}, general="", warnings=())
    errors: dict[str, str] = {}
    general: list[str] = []
    warnings: list[str] = []
    for line in _messages(masked(section.stdout)):
        meant = next((place.name for place in places if place.is_meant(line)), "")
        if line.startswith("W:") and (_any(_HARMLESS, line) or not _any(_FAILURES, line)):
            if "Some index files failed" not in line:
                warnings.append(shortened(line[2:]))
        elif meant:
            errors.setdefault(meant, shortened(_reason(line, meant)))
        else:
            general.append(_without_prefix(line))
    ok = section.status == 0 and not errors and not general
    return Refresh(
        asked=True,
        ok=ok,
        errors=errors,
        general="" if ok else _general(section, general, errors),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _any(words: Iterable[str], line: str) -> bool:
    return any(word in line for word in words)


def _messages(text: str) -> list[str]:
    """Return the lines that tell of trouble, each `Err:` with the reason that follows it."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith(("W:", "E:", "Err:")):
            found.append(line)
        elif line.startswith("  ") and found and found[-1].startswith("Err:"):
            found[-1] += f": {line.strip()}"
    return found


def _reason(line: str, source: str) -> str:
    """Return what was said of a source, without its name where that stands first."""
    said = _without_prefix(line)
    return said.removeprefix(source).removeprefix(" InRelease: ").strip() or said


def _without_prefix(line: str) -> str:
    return line.partition(" ")[2] if line.startswith("Err:") else line[2:].strip()


def _general(section: Section, general: list[str], errors: Mapping[str, str]) -> str:
    if section.status in {124, 137}:
        return "refreshing the repositories took too long"
    if general and not errors:
        return shortened("; ".join(dict.fromkeys(general)))
    return "" if errors else f"refreshing ended with status {section.status}"


def sources(
    places: Iterable[Place], headers: Mapping[str, Header], refresh: Refresh
) -> tuple[Source, ...]:
    """Return every configured repository with how fresh what we know of it is."""
    return tuple(_source(place, _header(place, headers), refresh) for place in places)


def _header(place: Place, headers: Mapping[str, Header]) -> Header:
    plain = place.file.removesuffix("InRelease") + "Release"
    return headers.get(place.file) or headers.get(plain) or {}


def _source(place: Place, header: Header, refresh: Refresh) -> Source:
    release = release_of(header)
    error = refresh.errors.get(place.name, "")
    return Source(
        name=place.name,
        security=release.security or place.suite.endswith(("-security", "/updates")),
        released_at=_moment(header.get("Date")),
        valid_until=_moment(header.get("Valid-Until")),
        error=error or ("" if header else "it was never fetched, or it has no Release file"),
    )


def release_of(header: Header) -> Release:
    """Return what a Release file's head says the repository is."""
    return Release(
        origin=header.get("Origin", ""),
        label=header.get("Label", ""),
        suite=header.get("Suite", ""),
        codename=header.get("Codename", ""),
    )


def reluctant_releases(headers: Mapping[str, Header]) -> frozenset[Release]:
    """Return the repositories whose packages are only taken when asked for, as backports are."""
    return frozenset(release_of(h) for h in headers.values() if h.get("NotAutomatic") == "yes")


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def shortcomings(
    found: Iterable[Source], refresh: Refresh, now: datetime, *, security_suites: frozenset[str]
) -> tuple[str, ...]:
    """Say why what we know of the repositories cannot prove that nothing is missing.

    Args:
        found: the configured repositories.
        refresh: what refreshing them led to.
        now: the controller's clock.
        security_suites: the suites of which one must be configured; empty where none is known.
    """
    listed = list(found)
    reasons = [f"{source.name}: {source.error}" for source in listed if source.error]
    reasons += [
        f"{source.name}: its index expired on {source.valid_until:%Y-%m-%d}"
        for source in listed
        if source.valid_until is not None and source.valid_until < now
    ]
    if refresh.general:
        reasons.append(refresh.general)
    if not listed:
        reasons.append("no repository is configured")
    suites = {source.name.rpartition(" ")[2] for source in listed if source.security}
    if security_suites and not suites & security_suites:
        reasons.append(f"no source of security fixes is configured ({min(security_suites)})")
    return tuple(reasons)
