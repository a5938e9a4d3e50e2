"""What apt and dpkg answer about packages, read once for all machines that answer the same.

Machines of one image that are patched alike give the same texts to the letter. Reading them is
most of the work of an assessment, so the latest ones are remembered, and such machines share
what was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from patchyard.domain.updates import Update
from patchyard.errors import MalformedOutput
from patchyard.managers.apt import freshness
from patchyard.managers.apt.candidates import Market, Record, available_updates
from patchyard.managers.apt.outlook import parse_outlook
from patchyard.managers.apt.relations import Needs
from patchyard.managers.apt.versions import origins, parse_releases, parse_tables
from patchyard.transcript import Transcript

REMEMBERED = 64
"""How many different answers are remembered: the images of a fleet, at some 100 kB each."""

_PACKAGE_FIELDS = 5
_RELATION_FIELDS = 6
_SOURCE_FIELDS = 6
_ABSENT = frozenset("nc")
"""Second letters of dpkg's status for what is not on the machine: never was, or only its files."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What dpkg has: versions and states by key, versions by name, and provided names."""

    packages: dict[str, str]
    states: dict[str, str]
    by_name: dict[str, str]
    provided: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answers:
    """The texts that updates follow from, each as the script `assess` names its section."""

    native: str
    packages: str
    releases: str
    versions: str
    policy: str
    records: str
    relations: str
    holds: str
    would_full: str
    would_new: str
    would_plain: str
    simulated: bool


def answers_of(transcript: Transcript, native: str, *, simulated: bool) -> Answers:
    """Take the texts out of the answers of one machine.

    Args:
        transcript: the output of the script `assess`.
        native: the machine's architecture, as dpkg names it.
        simulated: whether apt could work out what it would do.

    Raises:
        ScriptFailed: a tool without whose answer nothing can be said has failed.
        MalformedOutput: an answer is missing.
    """
    full = transcript["would_full"].stdout
    new, plain = transcript.get("would_new"), transcript.get("would_plain")
    return Answers(
        native=native,
        packages=transcript["packages"].require(),
        releases=transcript["releases"].require(),
        versions=transcript["versions"].require(),
        policy=transcript["policy"].require(),
        records=transcript["records"].require(),
        relations=transcript["relations"].require(),
        holds=transcript["holds"].require(),
        would_full=full,
        # Where the full upgrade neither adds nor removes, the script asks for no smaller one.
        would_new=full if new is None else new.stdout,
        would_plain=full if plain is None else plain.stdout,
        simulated=simulated,
    )


@lru_cache(maxsize=REMEMBERED)
def read_updates(answers: Answers) -> tuple[Update, ...]:
    """Return all updates that a machine with these answers could have, by name.

    Raises:
        MalformedOutput: an answer cannot be read.
    """
    installed = read_installed(answers.packages)
    tables = parse_tables(answers.versions)
    releases = parse_releases(answers.policy)
    full = parse_outlook(answers.would_full)
    return available_updates(
        Market(
            native=answers.native,
            packages=installed.packages,
            provided=installed.provided,
            tables=tuple(tables),
            releases=releases,
            origins=origins(tables, releases),
            reluctant=freshness.reluctant_releases(freshness.parse_headers(answers.releases)),
            records=_records(answers.records),
            relations=_relations(answers.relations),
            holds=frozenset(answers.holds.split()),
            full=full,
            with_new=parse_outlook(answers.would_new),
            plain=parse_outlook(answers.would_plain),
            simulated=answers.simulated,
        )
    )


@lru_cache(maxsize=REMEMBERED)
def read_installed(text: str) -> Installed:
    """Read what `dpkg-query` lists. What it returns is shared: it is not to be changed.

    Raises:
        MalformedOutput: a line is none of its list, or there is none at all.
    """
    packages: dict[str, str] = {}
    states: dict[str, str] = {}
    by_name: dict[str, str] = {}
    provided: list[str] = []
    for line in text.split("\n"):
        if not line:
            continue
        fields = line.split("\t")
        if len(fields) != _PACKAGE_FIELDS:
            raise MalformedOutput(f"dpkg-query printed {line[:80]!r}")
        name, architecture, version, state, provides = fields
        if state[1] in _ABSENT:
            continue
        key = f"{name}:{architecture}"
        packages[key] = by_name[name] = version
        if state != "ii ":
            states[key] = state
        if provides:
            provided.append(provides)
    if not packages:
        raise MalformedOutput("dpkg-query names no installed package")
    names = (part.partition("(")[0].strip() for part in ",".join(provided).split(","))
    return Installed(packages, states, by_name, frozenset(name for name in names if name))


@lru_cache(maxsize=REMEMBERED)
def read_sources(text: str) -> dict[str, str] | None:
    """Read what packages were built from, by key, where it is not told by their name and version.

    None where it was not asked for, or not answered; it is shared, and not to be changed.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != _SOURCE_FIELDS:
            return None
        name, architecture, version, source, of_source, state = fields
        if state[1:2] not in _ABSENT and (name, version) != (source, of_source):
            told = source if version == of_source else f"{source} {of_source}"
            found[f"{name}:{architecture}"] = told
    return found if text.strip() else None


def _records(text: str) -> dict[tuple[str, str], tuple[Record, ...]]:
    found: dict[tuple[str, str], tuple[Record, ...]] = {}
    for block in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines() if line)
        if "Package" in fields:
            key = (fields["Package"], fields.get("Version", ""))
            found[key] = (*found.get(key, ()), fields)
    return found


def _relations(text: str) -> dict[str, Needs]:
    found: dict[str, Needs] = {}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == _RELATION_FIELDS:
            name, architecture, pre, depends, breaks, conflicts = fields
            found[f"{name}:{architecture}"] = Needs(f"{pre},{depends}", f"{breaks},{conflicts}")
    return found
