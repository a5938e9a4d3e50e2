"""Version tables: which versions of a package there are, from where, and which one apt takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LOCAL = "/var/lib/dpkg/status"
"""The source of a version that only the machine itself still has."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One version of a package. `phased` is the percentage of machines that may have it."""

    version: str
    priority: str
    phased: str
    installed: bool
    sources: tuple[str, ...]

    @property
    def repositories(self) -> tuple[str, ...]:
        """The sources that are not the machine itself."""
        return tuple(source for source in self.sources if source != LOCAL)


@dataclass(frozen=True, slots=True)
class Table:
    """All versions of one package, newest first. `name` is as apt writes it."""

    name: str
    candidate: str
    offers: tuple[Offer, ...]

    @property
    def installed(self) -> Offer | None:
        """The installed version, where the package is installed."""
        return next((offer for offer in self.offers if offer.installed), None)

    @property
    def newer(self) -> tuple[Offer, ...]:
        """The versions above the installed one; all of them where it is not installed."""
        found: list[Offer] = []
        for offer in self.offers:
            if offer.installed:
                break
            found.append(offer)
        return tuple(found)


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
    return Table(
        name=block[0].rstrip(":"),
        candidate="" if candidate == "(none)" else candidate,
        offers=tuple(_offer(line, sources) for line, sources in offers),
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
        sources=tuple(sources),
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


def is_security(source: str, releases: Mapping[str, Release]) -> bool:
    """True where a source of a version table is one that security fixes come from."""
    words = source.split(" ")
    suite = words[1].rpartition("/")[0] if len(words) > 1 else ""
    release = releases.get(source, Release())
    return release.security or suite.endswith(("-security", "/updates"))


def describe(source: str, releases: Mapping[str, Release]) -> str:
    """Name a source for people: the repository's label and its suite."""
    words = source.split(" ")
    suite = words[1].rpartition("/")[0] if len(words) > 1 else ""
    label = releases.get(source, Release()).label
    return " ".join(part for part in (label or words[0], suite) if part)
