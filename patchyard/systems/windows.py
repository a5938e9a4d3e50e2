"""Windows: PowerShell scripts whose values travel beside them, scheduled tasks as jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from patchyard import _windows_answers
from patchyard._windows_jobs import cancel, poll, start
from patchyard._windows_tables import hotpatch_table
from patchyard.errors import MalformedOutput
from patchyard.settings import settings
from patchyard.systems.base import Boot, Script, System
from patchyard.templates import render
from patchyard.transcript import Transcript

STILL_SERVICING = 2
"""ServicingInProgress while Windows still works on what was installed (windows.md 1.1)."""


def script(template: str, nonce: str, values: Mapping[str, object]) -> Script:
    """Render a PowerShell script. Its text is always the same: the values stand beside it.

    `job` is empty here; whoever starts the script as a job says which one it is.
    """
    return Script(render(f"{template}.ps1.j2"), {**values, "nonce": nonce, "job": None})


def read(output: str, nonce: str) -> Transcript:
    """Read what a script answered, and lay the table of hotpatches beside it.

    Raises:
        ScriptFailed: the script broke outside of its sections.
        Unreachable: there is no output at all.
        MalformedOutput: there is no answer in it, or it cannot be read.
    """
    table = hotpatch_table(settings().hotpatch_table)
    return replace(_windows_answers.read(output, nonce), reference=table)


def parse_boot(transcript: Transcript) -> Boot:
    """Read the time of the last boot; a machine that is still configuring is not ready.

    LogonUI makes the key AutoLogonChecked anew once configuring is over (windows.md 1, reboot).

    Raises:
        MachineError: the answer holds no time of a boot. That is no changed one.
    """
    facts = json.loads(transcript["boot"].require())
    started = facts.get("started") if isinstance(facts, dict) else None
    if not isinstance(started, str) or not started.isdigit():
        raise MalformedOutput(f"{str(started)[:60]!r} is no time of a boot")
    servicing = facts.get("servicing")
    return Boot(started, ready=facts.get("logon_checked") is True and servicing != STILL_SERVICING)


SYSTEM = System(
    name="windows",
    language="ps1",
    os_families=frozenset({"windows"}),
    script=script,
    read=read,
    parse_boot=parse_boot,
    start=start,
    poll=poll,
    cancel=cancel,
)
