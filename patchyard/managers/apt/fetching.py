"""Fetching: what apt still has to fetch, before a download and after it."""

from __future__ import annotations

import re

from patchyard.domain.counting import counted
from patchyard.domain.downloading import told_of
from patchyard.domain.preflight import MIB, SPARE_BYTES
from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.errors import ScriptFailed
from patchyard.managers.apt.outlook import parse_outlook
from patchyard.transcript import Section, Transcript

NO_ROOM_STATUS = 94
"""Exit status of the script's own look at the room for a download."""

_URI = re.compile(r"^'(?!file:)[^']*' \S+ (\d+)", re.MULTILINE)
"""An archive that has to be fetched. What lies in a folder of the machine itself is used there."""


def sizes(outlook: str) -> list[int]:
    """Return the sizes of the archives that apt would have to fetch."""
    return [int(size) for size in _URI.findall(outlook)]


def fetched(transcript: Transcript) -> Transaction:
    """Read a download that ended well: what was to be fetched before, and what still is."""
    outlook = transcript["outlook"].require()
    found = parse_outlook(outlook)
    wanted = len(found.upgraded | found.new | found.downgraded)
    before, left = sizes(outlook), sizes(transcript["there"].require())
    if left:
        told = f"{counted(len(left), 'archive')} of {wanted} not there after the download"
        return Transaction(exit_status=1, problem=InstallProblem.FETCH_FAILED, detail=told)
    return Transaction(exit_status=0, detail=told_of(wanted, sum(before), wanted - len(before)))


def no_room(section: Section) -> Transaction:
    """Read the refusal of a download for which there is no room.

    Raises:
        ScriptFailed: how much room there is could not be told.
    """
    if section.status != NO_ROOM_STATUS:
        raise ScriptFailed(
            f"the look at the room for a download ended with status {section.status}",
            exit_status=section.status,
            tail=section.stderr[-400:],
        )
    size, free = (int(word) for word in section.stdout.split())
    needed = (size + SPARE_BYTES) // MIB
    return Transaction(
        exit_status=section.status,
        problem=InstallProblem.DISK_FULL,
        detail=f"/var/cache/apt/archives has {free // 1024} MiB free, the download needs {needed}",
    )
