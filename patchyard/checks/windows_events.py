"""The event log of Windows tells of no service and no crash anew, since the last boot."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import Field

from patchyard.checks.base import Check, Options, Text
from patchyard.checks.windows_answers import rows, text
from patchyard.domain.health import Finding, Outcome, passed
from patchyard.transcript import Section

MEANINGS = {
    "7000": "did not start",
    "7001": "did not start, for another one did not",
    "7009": "did not answer in time",
    "7011": "did not answer in time",
    "7023": "ended with an error",
    "7031": "ended unexpectedly",
    "7034": "ended unexpectedly",
    "41": "rebooted without shutting down first",
    "6008": "the shutdown before was unexpected",
    "1001": "rebooted after a bug check",
}
"""Events of the System log, by id: of the Service Control Manager, and of a dirty shutdown."""

_CRASHES = frozenset({"41", "6008", "1001"})


class WindowsEvents(Options):
    """Options of the check `windows_events`."""

    ignore: tuple[Text, ...] = Field(
        (),
        description="Events that do not count: id and service, such as `7034 Spooler`, in which "
        "* and ? are wildcards.",
    )


def judge(options: WindowsEvents, section: Section) -> Finding:
    """Name the events that tell of trouble, each once.

    Raises:
        ScriptFailed: the event log could not be read.
        MalformedOutput: the answer holds no events.
    """
    names = (_name(row) for row in rows(section))
    found = tuple(
        dict.fromkeys(
            name
            for name in names
            if not any(fnmatchcase(name.lower(), mask.lower()) for mask in options.ignore)
        )
    )
    if not found:
        return passed("no such event since the last boot")
    told = "; ".join(f"{each} {MEANINGS.get(each.partition(' ')[0], '')}".strip() for each in found)
    return Finding(outcome=Outcome.FAILED, detail=told, faults=found)


def _name(row: dict[str, object]) -> str:
    """Return what an event is compared by: its id, and of a service's the service."""
    number = text(row, "id")
    subject = "" if number in _CRASHES else str(row.get("subject") or "")
    return f"{number} {subject}".strip()


CHECK = Check(
    name="windows_events", options=WindowsEvents, powershell="windows_events.ps1.j2", judge=judge
)
