"""Version tables: which versions of a package there are, from where, and which one apt takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LOCAL = "/var/lib/dpkg/status"
"""The source of a version that only the machine itself still has."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One version of a package. `phased` is the percentage of machines that may have it.

    `repositories` are its sources that are not the machine itself.
    """

    version: str
    priority: str
    phased: str
    installed: bool
    repositories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All versions of one package, newest first.

    Attributes:
        name: as apt writes it.
        candidate: the version that apt would take; empty for none.
        installed: the installed version, where the package is installed.
        newer: the versions above the installed one; all of them where it is not installed.
    """

    name: str
    candidate: str
    installed: Offer | None
    newer: tuple[Offer, ...]

    @property
    def takes(self) -> Offer | None:
        """The candidate, where it is newer than what is installed."""
        return next((offer for offer in self.newer if offer.version == self.candidate), None)


def parse_tables(text: str) -> list[Table]:
    """Read what `apt-cache policy NAME ...` prints."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line and line[0] != " ":
            blocks.append([line])
        elif line and blocks:
            blocks[-1].append(line)
    return [_table(block) for block in blocks]


def _table(block: list[str]) -> Table:
    candidate = ""
    offers: list[tuple[str, list[str]]] = []
    for line in block[1:]:
        if line.startswith("  Candidate: "):
            candidate = line[13:].strip()
        elif not offers and line[2:3] != " " and line[1:2] != "*":
            continue
        elif line[5:6] != " ":
            offers.append((line, []))
        elif offers:
            offers[-1][1].append(line.strip().partition(" ")[2])
    found = [_offer(line, sources) for line, sources in offers]
    at = next((at for at, offer in enumerate(found) if offer.installed), None)
    return Table(
        name=block[0].rstrip(":"),
        candidate="" if candidate == "(none)" else candidate,
        installed=None if at is None else found[at],
        newer=tuple(found[:at]),
    )


def _offer(line: str, sources: list[str]) -> Offer:
    """Read a line such as ` *** 3.0.2-0ubuntu1.12 500 (phased 40%)`."""
    version, _, rest = line[5:].strip().partition(" ")
    priority, _, phased = rest.partition(" ")
    return Offer(
        version=version,
        priority=priority,
        phased=phased.strip("()").removeprefix("phased "),
        installed=line.startswith(" ***"),
        repositories=tuple(source for source in sources if source != LOCAL),
    )


@dataclass(frozen=True, slots=True)
class Release:
    """What a repository says it is, in the words of its Release file."""

    origin: str = ""
    label: str = ""
    suite: str = ""
    codename: str = ""

    @property
    def security(self) -> bool:
        """True where the repository is one that security fixes come from."""
        names = (self.suite, self.codename)
        return (
            any(name.endswith(("-security", "/updates")) for name in names)
            or self.label == "Debian-Security"
            or self.origin.startswith("UbuntuESM")
        )


def parse_releases(text: str) -> Mapping[str, Release]:
    """Read the package files of `apt-cache policy`: what each source of a table says it is."""
    found: dict[str, Release] = {}
    source = ""
    for line in text.splitlines():
        said = line.strip()
        if said.startswith("Pinned packages:"):
            break
        if said.startswith("release "):
            found[source] = _release(said[8:])
        elif not said.startswith("origin "):
            source = said.partition(" ")[2]
    return found


def _release(text: str) -> Release:
    said = dict(part.partition("=")[::2] for part in text.split(","))
    return Release(
        origin=said.get("o", ""),
        label=said.get("l", ""),
        suite=said.get("a", ""),
        codename=said.get("n", ""),
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """What a source of version tables is: its name for people, and whether it is for security."""

    name: str
    security: bool


def origins(tables: Iterable[Table], releases: Mapping[str, Release]) -> Mapping[str, Origin]:
    """Return what the sources of newer versions are."""
    named = {s for table in tables for offer in table.newer for s in offer.repositories}
    return {source: _origin(source, releases.get(source, Release())) for source in named}


def _origin(source: str, release: Release) -> Origin:
    address, _, rest = source.partition(" ")
    suite = rest.partition(" ")[0].rpartition("/")[0]
    return Origin(
        name=" ".join(part for part in (release.label or address, suite) if part),
        security=release.security or suite.endswith(("-security", "/updates")),
    )
