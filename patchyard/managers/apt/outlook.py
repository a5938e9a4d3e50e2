"""The outlook: what apt says it would do if it were asked to upgrade."""

from __future__ import annotations

from dataclasses import dataclass, field

_HEADINGS = {
    "The following packages will be upgraded:": "upgraded",
    "The following packages have been kept back:": "kept",
    "The following NEW packages will be installed:": "new",
    "The following packages will be REMOVED:": "removed",
    "The following packages will be DOWNGRADED:": "downgraded",
    "The following upgrades have been deferred due to phasing:": "deferred",
    "The following held packages will be changed:": "held",
}


@dataclass(frozen=True, slots=True)
class Outlook:
    """The names, as apt writes them, of what one kind of upgrade would change or leave."""

    upgraded: frozenset[str] = field(default_factory=frozenset)
    kept: frozenset[str] = field(default_factory=frozenset)
    new: frozenset[str] = field(default_factory=frozenset)
    removed: frozenset[str] = field(default_factory=frozenset)
    downgraded: frozenset[str] = field(default_factory=frozenset)
    deferred: frozenset[str] = field(default_factory=frozenset)
    held: frozenset[str] = field(default_factory=frozenset)


def parse_outlook(text: str) -> Outlook:
    """Read the lists that apt-get prints with `-V` before it acts: one package on each line."""
    found: dict[str, set[str]] = {}
    current: set[str] | None = None
    for line in text.splitlines():
        if line.startswith("   "):
            if current is not None:
                current.add(line[3:].partition(" ")[0].rstrip("*"))
            continue
        heading = _HEADINGS.get(line.rstrip())
        current = found.setdefault(heading, set()) if heading else None
    return Outlook(**{name: frozenset(names) for name, names in found.items()})
