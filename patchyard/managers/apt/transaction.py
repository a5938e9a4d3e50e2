"""Transactions: what apt says of an install, a repair, an undo or a download, by its words.

apt-get ends with 100 for nearly everything, so the text decides what went wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.errors import MalformedOutput, ScriptFailed
from patchyard.managers.apt.fetching import fetched, no_room
from patchyard.managers.apt.outlook import parse_outlook
from patchyard.managers.apt.wording import shortened
from patchyard.transcript import Section, Transcript

_ACTS = ("install", "repair", "undo", "direct", "download")
"""The sections that act, one of which ends a transaction."""

_SIGNS: tuple[tuple[InstallProblem, re.Pattern[str]], ...] = (
    (
        InstallProblem.LOCKED,
        re.compile(
            r"Could not get lock|Unable to acquire the dpkg frontend lock|Unable to lock"
            r"|lock was locked by another process|is locked by another process"
        ),
    ),
    (
        InstallProblem.DISK_FULL,
        re.compile(r"No space left on device|You don't have enough free space|Disk quota exceeded"),
    ),
    (
        InstallProblem.BROKEN_DATABASE,
        re.compile(r"dpkg was interrupted|--fix-broken install|parsing file '/var/lib/dpkg"),
    ),
    (InstallProblem.HELD, re.compile(r"Held packages were changed")),
    (
        InstallProblem.NOT_AVAILABLE,
        re.compile(
            r"^E: (Version '.*' for '.*' was not found|Unable to locate package"
            r"|Package '.*' has no installation candidate|Unsupported file)",
            re.MULTILINE,
        ),
    ),
    (
        InstallProblem.UNMET_DEPENDENCIES,
        re.compile(
            r"have unmet dependencies|held broken packages|remove is disabled"
            r"|Unable to correct problems|pre-dependency problem|dependency problems"
        ),
    ),
    (
        InstallProblem.SCRIPT_FAILED,
        re.compile(
            r"Errors were encountered while processing|subprocess returned error"
            r"|dpkg: error processing|Sub-process .* returned an error code"
            r"|Sub-process .* received (a segmentation fault|signal)"
        ),
    ),
    (
        InstallProblem.FETCH_FAILED,
        re.compile(r"Failed to fetch|Unable to fetch some archives|Hash Sum mismatch"),
    ),
)

_WHO_SCRIPT = re.compile(r"^dpkg: error processing (?:package|archive) (\S+)", re.MULTILINE)
_WHO_MISSING = re.compile(
    r"^E: (?:Version '.*' for '([^']+)'|Unable to locate package (\S+)|Package '([^']+)' has no)",
    re.MULTILINE,
)
_WHO_UNMET = re.compile(r"^ (\S+) : (?:Pre-)?(?:Depends|Breaks|Conflicts)", re.MULTILINE)
_WHO_FETCH = re.compile(r"Failed to fetch \S*/([^/_\s]+)_\S+\.deb")

GUARD_STATUS = 93
"""Exit status of the scripts' own guard: apt would change more than was asked for."""


def parse_transaction(transcript: Transcript) -> Transaction:
    """Read the answers of the scripts `install`, `repair`, `undo` and `download`.

    Raises:
        ScriptFailed: a tool failed and said nothing.
        MalformedOutput: the output has no end of what was begun.
    """
    section = _deciding(transcript)
    if section.status == 0:
        return fetched(transcript) if transcript.get("there") else Transaction(exit_status=0)
    text = f"{section.stdout}\n{section.stderr}".strip()
    if not text:
        section.require()
    if section.name == "room":
        return no_room(section)
    if section.name == "beyond":
        return _refused(section)
    if section.name == "repair":
        text = f"{transcript['configure'].stdout}\n{transcript['configure'].stderr}\n{text}"
    return _failed(section, text, parse_outlook(text).held)


def _deciding(transcript: Transcript) -> Section:
    """Return the section that decides: the act, or the question that forbade it."""
    for name in _ACTS:
        section = transcript.get(name)
        if section is not None:
            return section
    for name in ("room", "beyond", "outlook"):
        section = transcript.get(name)
        if section is not None and section.status != 0:
            return section
    nothing = transcript.get("there")
    if nothing is not None:
        return nothing
    seen = ", ".join(transcript.sections) or "nothing"
    raise MalformedOutput(f"the transaction has no end in the output (seen: {seen})")


def _refused(section: Section) -> Transaction:
    """The guard forbade it: apt would have changed what nobody asked for."""
    if section.status != GUARD_STATUS:
        raise ScriptFailed(
            f"the comparison before the act ended with status {section.status}",
            exit_status=section.status,
            tail=section.stderr[-400:],
        )
    lines = [line.split(" ", 1) for line in section.stdout.split("\n") if " " in line]
    words = {"Inst": "install", "Remv": "remove"}
    more = ", ".join(f"{words.get(verb, verb)} {what}" for verb, what in lines)
    return Transaction(
        exit_status=section.status,
        problem=InstallProblem.UNMET_DEPENDENCIES,
        detail=shortened(f"apt would also {more}; nothing was changed"),
        culprits=_names(what.partition("=")[0] for _, what in lines),
    )


def _failed(section: Section, text: str, held: Iterable[str]) -> Transaction:
    problem = next((kind for kind, sign in _SIGNS if sign.search(text)), InstallProblem.OTHER)
    return Transaction(
        exit_status=section.status,
        problem=problem,
        detail=_detail(problem, text),
        culprits=_culprits(problem, text, held),
    )


def _detail(problem: InstallProblem, text: str) -> str:
    """Return the line that tells most: the one that showed the kind, else apt's own errors."""
    sign = next((sign for kind, sign in _SIGNS if kind == problem), None)
    lines = text.splitlines()
    errors = [line for line in lines if line.startswith(("E: ", "dpkg: error"))]
    telling = [line for line in errors if sign is not None and sign.search(line)]
    if problem == InstallProblem.LOCKED:
        telling = [line for line in lines if "held by process" in line][-1:] or telling
    elif problem == InstallProblem.SCRIPT_FAILED:
        telling = _script_lines(lines) or telling
    elif problem == InstallProblem.UNMET_DEPENDENCIES:
        telling = [line for line in lines if _WHO_UNMET.match(line)] or telling
    return shortened("; ".join(telling[:3] or errors[:3] or lines[-3:]))


def _script_lines(lines: list[str]) -> list[str]:
    """Return dpkg's words on the first package that failed, with the line that gives the reason."""
    for index, line in enumerate(lines):
        if line.startswith("dpkg: error processing"):
            return [part.strip() for part in lines[index : index + 2]]
    return []


def _culprits(problem: InstallProblem, text: str, held: Iterable[str]) -> tuple[str, ...]:
    match problem:
        case InstallProblem.SCRIPT_FAILED | InstallProblem.DISK_FULL:
            return _names(_WHO_SCRIPT.findall(text))
        case InstallProblem.NOT_AVAILABLE:
            return _names("".join(found) for found in _WHO_MISSING.findall(text))
        case InstallProblem.UNMET_DEPENDENCIES:
            return _names(_WHO_UNMET.findall(text))
        case InstallProblem.FETCH_FAILED:
            return _names(_WHO_FETCH.findall(text))
        case InstallProblem.HELD:
            return tuple(sorted(held))
        case _:
            return ()


def _names(found: Iterable[str]) -> tuple[str, ...]:
    """Return package names without doubles; of an archive's path, the package in its name."""
    names = (name.rpartition("/")[2].partition("_")[0].rstrip(":") for name in found)
    return tuple(dict.fromkeys(name for name in names if name))
