"""Relations between packages: which updates cannot go without which others.

Only relations to packages that have an update of their own matter here, so all others are
passed over without being read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from patchyard.managers.debian_version import satisfies


@dataclass(frozen=True, slots=True)
class Relation:
    """One package that a package needs or cannot stand. `operator` is empty for any version."""

    name: str
    operator: str = ""
    version: str = ""

    def holds_for(self, version: str) -> bool:
        """True where a package of this name and that version fulfils the relation."""
        return not self.operator or satisfies(version, self.operator, self.version)


def parse_relation(text: str) -> Relation:
    """Read one relation, such as `libssl3:any (>= 3.0.9) [amd64]`."""
    name, _, rest = text.strip().partition(" ")
    operator, _, version = rest.partition("(")[2].partition(")")[0].partition(" ")
    return Relation(name.partition(":")[0], operator, version.strip())


@dataclass(frozen=True, slots=True)
class Needs:
    """What a package in one version needs, and what it cannot stand beside it."""

    depends: str = ""
    breaks: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One package that would change: its versions, and its needs before and after."""

    key: str
    name: str
    old: str
    new: str
    before: Needs
    after: Needs


def requirements(
    changes: Collection[Change], installed: Mapping[str, str], provided: Collection[str]
) -> dict[str, set[str]]:
    """Return for each change the keys of the changes that it cannot go without.

    Args:
        changes: all that would change.
        installed: the installed version by package name.
        provided: the names that installed packages provide beside their own.
    """
    by_name: dict[str, list[Change]] = {}
    for change in changes:
        by_name.setdefault(change.name, []).append(change)
    required: dict[str, set[str]] = {change.key: set() for change in changes}
    for change in changes:
        required[change.key] |= _needed(change, by_name, installed, provided)
        required[change.key] |= _unbroken(change.after, by_name, installed)
        for other in _left_behind(change, by_name):
            required[other] |= {change.key}
        required[change.key] |= _siblings(change, by_name)
        required[change.key].discard(change.key)
    return required


def _needed(
    change: Change,
    by_name: Mapping[str, list[Change]],
    installed: Mapping[str, str],
    provided: Collection[str],
) -> set[str]:
    """The updates that the new version depends on and that what is installed does not replace."""
    found: set[str] = set()
    for clause in _clauses_about(change.after.depends, by_name):
        choices = [parse_relation(part) for part in clause.split("|")]
        if any(_met(choice, installed, provided) for choice in choices):
            continue
        for choice in choices:
            helping = [c for c in by_name.get(choice.name, ()) if choice.holds_for(c.new)]
            if helping:
                found |= {c.key for c in _of_same_architecture(change, helping)}
                break
    return found


def _met(choice: Relation, installed: Mapping[str, str], provided: Collection[str]) -> bool:
    version = installed.get(choice.name)
    if version is not None and choice.holds_for(version):
        return True
    return not choice.operator and choice.name in provided


def _of_same_architecture(change: Change, helping: list[Change]) -> list[Change]:
    architecture = change.key.rpartition(":")[2]
    same = [c for c in helping if c.key.rpartition(":")[2] in {architecture, "all"}]
    return same or helping


def _unbroken(
    needs: Needs, by_name: Mapping[str, list[Change]], installed: Mapping[str, str]
) -> set[str]:
    """The updates of packages that cannot stay in their old version beside the new one."""
    found: set[str] = set()
    for clause in _clauses_about(needs.breaks, by_name):
        relation = parse_relation(clause)
        old = installed.get(relation.name)
        if old is not None and relation.holds_for(old):
            found |= {c.key for c in by_name[relation.name] if not relation.holds_for(c.new)}
    return found


def _left_behind(change: Change, by_name: Mapping[str, list[Change]]) -> set[str]:
    """The updates that would take away what the old version of this package depends on."""
    found: set[str] = set()
    for clause in _clauses_about(change.before.depends, by_name):
        if "|" in clause:
            continue
        relation = parse_relation(clause)
        if relation.operator in {"=", "<<", "<="}:
            found |= {c.key for c in by_name[relation.name] if not relation.holds_for(c.new)}
    return found


def _siblings(change: Change, by_name: Mapping[str, list[Change]]) -> set[str]:
    """The same package for other architectures: they share files and must keep in step."""
    return {c.key for c in by_name[change.name] if c.new == change.new}


def _clauses_about(text: str, names: Collection[str]) -> Iterator[str]:
    """Pass over all that speaks of other packages; this is the busiest loop of an assessment."""
    for clause in text.split(","):
        if "|" in clause:
            if any(_name(part) in names for part in clause.split("|")):
                yield clause
            continue
        word = clause.strip().partition(" ")[0]
        if word in names or (":" in word and word.partition(":")[0] in names):
            yield clause


def _name(clause: str) -> str:
    return clause.strip().partition(" ")[0].partition(":")[0]
