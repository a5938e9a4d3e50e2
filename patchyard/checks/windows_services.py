"""Every service of Windows that should run with the machine does, other than before."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import Field

from patchyard.checks.base import Check, Options, Text
from patchyard.checks.windows_answers import rows, text
from patchyard.domain.health import Finding, Outcome, passed
from patchyard.transcript import Section

PASSING = (
    "edgeupdate", "gupdate", "GoogleUpdater*", "MapsBroker", "sppsvc", "RemoteRegistry",
    "ShellHWDetection", "clr_optimization*", "WbioSrvc", "CDPSvc", "tiledatamodelsvc", "BITS",
    "TrustedInstaller", "*_[0-9a-f][0-9a-f][0-9a-f][0-9a-f]*",
)  # fmt: skip
"""Services that end by themselves when they have nothing to do, and those of one log-in."""


class WindowsServices(Options):
    """Options of the check `windows_services`."""

    ignore: tuple[Text, ...] = Field(
        PASSING,
        description="Services that may be stopped: names, in which * and ? are wildcards. At "
        "first those that end by themselves.",
    )


def judge(options: WindowsServices, section: Section) -> Finding:
    """Name the services that start with the machine and do not run.

    Those that a trigger starts, or that start late (delayed), may be stopped.

    Raises:
        ScriptFailed: the services could not be asked.
        MalformedOutput: the answer holds no service.
    """
    services = [(text(row, "name"), row) for row in rows(section)]
    masks = [mask.lower() for mask in options.ignore]
    found = tuple(
        sorted(
            name
            for name, row in services
            if _should_run(row) and not any(fnmatchcase(name.lower(), mask) for mask in masks)
        )
    )
    if not found:
        return passed("every service that should run does")
    return Finding(outcome=Outcome.FAILED, detail=f"not running: {', '.join(found)}", faults=found)


def _should_run(row: dict[str, object]) -> bool:
    by_itself = text(row, "start") == "Auto" and not row.get("trigger") and not row.get("delayed")
    return by_itself and text(row, "state") != "Running"


CHECK = Check(
    name="windows_services",
    options=WindowsServices,
    powershell="windows_services.ps1.j2",
    judge=judge,
)
