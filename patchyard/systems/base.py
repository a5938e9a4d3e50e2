"""The shape of a kind of operating system.

A system's module ends in `SYSTEM = System(...)`. Package managers and checks say what is asked;
a system says in which language, how the answer is read, and how work outlives the link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from patchyard._job_calls import Job, JobState, Kind, Runner
from patchyard.transcript import Transcript
from patchyard.transports.base import Parameters

Language = Literal["sh", "ps1"]
"""POSIX shell, or Windows PowerShell 5.1."""

POLL_WAIT = timedelta(seconds=5)
"""How long one question after a job waits on the machine for its end."""


@dataclass(frozen=True, slots=True)
class Script:
    """What is sent to a machine: a text, and the values that travel beside it where they do."""

    text: str
    parameters: Parameters | None = None


@dataclass(frozen=True, slots=True)
class Boot:
    """Which boot a machine is in: equal ids are the same boot. `ready` once it has started."""

    id: str
    ready: bool


class Start(Protocol):
    """Start a job, or attach to it, and wait a little for its end."""

    def __call__(
        self, runner: Runner, job: Job, *, wait: timedelta = ..., token: str | None = None
    ) -> JobState:
        """Start or attach; raises MachineError where the link or the machine does not allow it."""
        ...


class Poll(Protocol):
    """Wait a little for the end of a job, and say how it stands. Starts nothing."""

    def __call__(
        self,
        runner: Runner,
        job_id: str,
        kind: Kind,
        *,
        wait: timedelta = ...,
        token: str | None = None,
    ) -> JobState:
        """Ask; raises MachineError where the link or the machine does not allow it."""
        ...


class Cancel(Protocol):
    """Ask a job to begin nothing further. What it has begun goes on."""

    def __call__(self, runner: Runner, job_id: str) -> bool:
        """False where there is no such job; raises MachineError where the link fails."""
        ...


@dataclass(frozen=True, slots=True)
class System:
    """Functions of one kind of operating system.

    Attributes:
        name: its own templates are in `templates/<name>/`: boot_probe, reboot, restart_services.
        language: what its scripts are written in, and the ending of their templates.
        os_families: the families of the inventory that it serves.
        script: makes a script of a template (without its ending), a nonce and values.
        read: reads what a script printed, by the nonce that marks its frames.
        parse_boot: reads the answer of the template `boot_probe`.
        start: starts a job.
        poll: asks after a job.
        cancel: asks a job of several acts to begin none further; None where a job is one act, which
            is never ended half-way.
    """

    name: str
    language: Language
    os_families: frozenset[str]
    script: Callable[[str, str, Mapping[str, object]], Script]
    read: Callable[[str, str], Transcript]
    parse_boot: Callable[[Transcript], Boot]
    start: Start
    poll: Poll
    cancel: Cancel | None = None
