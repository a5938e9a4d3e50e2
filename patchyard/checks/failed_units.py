"""No unit of systemd has failed that had not failed before."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import Field

from patchyard.checks.base import Check, Options, Text
from patchyard.domain.health import Finding, Outcome, passed
from patchyard.errors import MalformedOutput
from patchyard.transcript import Section

_BULLETS = frozenset("\u25cf\u00d7*")


class FailedUnits(Options):
    """Options of the check `failed_units`."""

    ignore: tuple[Text, ...] = Field(
        (), description="Units that may fail: names, in which * and ? are wildcards."
    )


def judge(options: FailedUnits, section: Section) -> Finding:
    """Name the units that have failed.

    Raises:
        ScriptFailed: systemd could not be asked.
        MalformedOutput: a line names no unit.
    """
    units = (_unit(line) for line in section.require().splitlines() if line.strip())
    found = tuple(
        unit for unit in units if not any(fnmatchcase(unit, mask) for mask in options.ignore)
    )
    if not found:
        return passed("no unit has failed")
    return Finding(outcome=Outcome.FAILED, detail=f"failed: {', '.join(found)}", faults=found)


def _unit(line: str) -> str:
    # Older versions of systemd put a dot before what has failed, even in a plain list.
    words = [word for word in line.split() if word not in _BULLETS]
    if not words or "." not in words[0]:
        raise MalformedOutput(f"{line[:80]!r} names no unit")
    return words[0]


CHECK = Check(name="failed_units", options=FailedUnits, script="failed_units.sh.j2", judge=judge)
