"""Which updates fix which advisories: by a table of the versions that each source is fixed in.

A source is what packages are built from: advisories name it, and its versions. Where nobody told
what a package was built from, its own name and version stand for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from patchyard.domain.updates import Assessment, Update
from patchyard.domain.value import Known
from patchyard.managers.debian_version import compare

NEVER = "0"
"""The ruling of a source that was never affected; other versions say what it is fixed in."""

OPEN = "<"
"""Begins the ruling of a source that nothing fixes yet; the newest version known to lack it is
behind it, where one is."""

UNDETERMINED = "?"
"""The ruling where nobody knows."""

_SIGNED = "linux-signed"
_SIGNED_FOR = ("-amd64", "-arm64", "-i386")
_IMAGE = "linux-image-"
_KERNEL = "linux"

Rulings = Mapping[str, Mapping[str, Mapping[str, str]]]
"""What is said of a source, of an id, in a release."""

_Change = tuple[str, str, str, str]
"""A release, a source, and its versions before and after."""


@dataclass(frozen=True, eq=False)
class Table:
    """What is known of advisories.

    `covered` has the releases in which the table names all that ever affected a source: what it
    does not name there is not affected. It is empty where a table makes no such claim.
    What was worked out is remembered with the table, and goes with it when it is refreshed.
    """

    rulings: Rulings
    covered: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _named: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)
    _fixed: dict[_Change, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def ruling(self, source: str, release: str, identifier: str) -> str:
        """Say what is known of a source."""
        told = self.rulings.get(source, {}).get(identifier)
        if told is not None:
            return told.get(release, UNDETERMINED)
        known = release in self.covered.get(source, ()) and self.named(identifier)
        return NEVER if known else UNDETERMINED

    def named(self, identifier: str) -> frozenset[str]:
        """Return the sources that are named for an id."""
        if identifier not in self._named:
            found = (source for source, listed in self.rulings.items() if identifier in listed)
            self._named[identifier] = frozenset(found)
        return self._named[identifier]

    def fixed_by(self, change: _Change) -> tuple[str, ...]:
        """Return all ids that a change fixes. Machines of one image have the same ones."""
        if change not in self._fixed:
            release, source, before, after = change
            listed = self.rulings.get(source, {})
            told = ((each, of[release]) for each, of in listed.items() if release in of)
            self._fixed[change] = tuple(
                each for each, ruling in told if _fixes(ruling, before, after) == Known.YES
            )
        return self._fixed[change]


@dataclass(frozen=True, slots=True)
class Built:
    """An installed package: its name, and what it was built from."""

    name: str
    source: str
    version: str


def told(seen: Assessment, table: Table, wanted: Iterable[str]) -> Assessment:
    """Add to an assessment what the table tells of these ids."""
    ids = tuple(dict.fromkeys(each.upper() for each in wanted))
    there = tuple(_installed(seen))
    return seen.model_copy(
        update={
            "updates": tuple(_judged(each, seen, table, ids) for each in seen.updates),
            "fixed": tuple(each for each in ids if _is_fixed(each, seen, table, there)),
        }
    )


def told_all(seen: Assessment, table: Table) -> Assessment:
    """Add to an assessment every id that an update of it fixes by the table."""
    updates = (
        each.model_copy(
            update={"told_fixes": table.fixed_by((seen.os.codename, *_change(each, seen)))}
        )
        for each in seen.updates
    )
    return seen.model_copy(update={"updates": tuple(updates)})


def _judged(update: Update, seen: Assessment, table: Table, ids: Iterable[str]) -> Update:
    source, before, after = _change(update, seen)
    release = seen.os.codename
    known = {each: _fixes(table.ruling(source, release, each), before, after) for each in ids}
    return update.model_copy(
        update={
            "told_fixes": tuple(each for each, fixes in known.items() if fixes == Known.YES),
            "told_no_fixes": tuple(each for each, fixes in known.items() if fixes == Known.NO),
        }
    )


def _fixes(ruling: str, before: str, after: str) -> Known:
    """Say whether going from one version of a source to another brings the fix."""
    if ruling == UNDETERMINED:
        return Known.UNKNOWN
    if ruling.startswith(OPEN):
        lacking = ruling.removeprefix(OPEN)
        return Known.NO if lacking and compare(after, lacking) <= 0 else Known.UNKNOWN
    if ruling == NEVER or not before:
        return Known.NO
    return Known.of(compare(before, ruling) < 0 <= compare(after, ruling))


def _is_fixed(identifier: str, seen: Assessment, table: Table, there: tuple[Built, ...]) -> bool:
    """True where what is installed proves that nothing of an id is left on the machine.

    Of kernels the one that runs counts: older ones stay installed beside it.
    """
    affected, release = table.named(identifier), seen.os.codename
    if not affected or seen.built_from is None:
        return False
    images = (f"{_IMAGE}{seen.kernel.running}", f"{_IMAGE}unsigned-{seen.kernel.running}")
    kernels = {_KERNEL, *(each.source for each in there if each.name.startswith(_IMAGE))}
    counted = [
        each
        for each in there
        if each.source in affected and (each.source not in kernels or each.name in images)
    ]
    if affected & kernels and not any(each.source in kernels for each in counted):
        return False
    if not counted:
        return any(release in table.covered.get(each, ()) for each in affected)
    return all(_has_fix(table.ruling(b.source, release, identifier), b.version) for b in counted)


def _has_fix(ruling: str, version: str) -> bool:
    if ruling == UNDETERMINED or ruling.startswith(OPEN):
        return False
    return ruling == NEVER or compare(version, ruling) >= 0


def _change(update: Update, seen: Assessment) -> tuple[str, str, str]:
    """Return the source of an update, its version before and after."""
    now = _built(update.key, update.installed, seen)
    source, after = _unsigned(
        update.source or update.name, update.source_version or update.candidate, update.candidate
    )
    # What moved from one source to another has no version to be compared with the new one's.
    before = now.version if now.source == source or seen.built_from is None else update.installed
    return source, before if update.installed else "", after


def _installed(seen: Assessment) -> Iterator[Built]:
    return (_built(key, version, seen) for key, version in seen.packages.items())


def _built(key: str, version: str, seen: Assessment) -> Built:
    name = key.rpartition(":")[0]
    source, _, of_source = (seen.built_from or {}).get(key, name).partition(" ")
    return Built(name, *_unsigned(source, of_source or version, version))


def _unsigned(source: str, version: str, of_package: str) -> tuple[str, str]:
    """Kernels are signed in a source of their own; advisories name the one before it."""
    if not source.startswith(_SIGNED):
        return source, version
    flavour = source.removeprefix(_SIGNED)
    return f"{_KERNEL}{'' if flavour in _SIGNED_FOR else flavour}", of_package
