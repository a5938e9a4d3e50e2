"""Jobs, one round trip at a time: start one, or ask how it stands."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Literal, Protocol

from patchyard.errors import (
    MachineError,
    MalformedOutput,
    PrivilegeRefused,
    ProtocolError,
    ScriptFailed,
    Unreachable,
)
from patchyard.templates import render
from patchyard.transcript import Section, Transcript, parse
from patchyard.transports.base import Completed, Parameters

Kind = Literal["read", "change"]

LOADER = 'eval "$(echo $1 | base64 -d | gzip -dc)"'
"""The one command line under which every job begins, as docs/sudoers has it."""

JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")
LONGEST_ARGUMENT = 128 * 1024 - 1
"""Linux takes no longer argument of a program (MAX_ARG_STRLEN)."""

PACKED_ABOVE = 4096
"""Bytes of output above which it is packed for the way: what fits into a few packets is not."""

_GZIP = 16 + zlib.MAX_WBITS
"""What zlib calls the format of gzip."""

ANSWER = timedelta(seconds=40)
"""Time for an answer beyond the wait that was asked for: a loaded machine, a slow sudo."""

POLL_WAIT = timedelta(seconds=5)


class JobOrphaned(MachineError):
    """A job ended without a status: the machine went down, or the job was killed."""

    code = "job_orphaned"


class JobBusy(MachineError):
    """Another job changes the machine. Nothing was started; the id may be used again.

    `holder` is the id of that job.
    """

    code = "busy"

    def __init__(self, message: str, *, holder: str = "") -> None:
        self.holder = holder
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Job:
    """A script to run on a machine, as root, under an id that is its own for ever.

    A `change` waits for no other change and survives a reboot in the machine's memory; a `read`
    works with a full disk too, and is forgotten with a reboot. `parameters` are a PowerShell
    script's values.
    """

    id: str
    kind: Kind
    script: str
    parameters: Parameters | None = None

    def __post_init__(self) -> None:
        if not JOB_ID.match(self.id) or self.id in {".", ".."}:
            raise ValueError(f"{self.id!r} is no job id; it takes 1 to 100 of A-Z a-z 0-9 . _ -")


class State(StrEnum):
    """How it stands with a job."""

    FINISHED = "finished"
    RUNNING = "running"
    ORPHANED = "orphaned"
    REFUSED = "refused"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class JobState:
    """What a machine says about a job. `output` is there once the job is over."""

    state: State
    exit_status: int | None = None
    output: str = ""
    progress: str = ""
    started_here: bool = False
    detail: str = ""


class Runner(Protocol):
    """Whatever runs a script on a machine: a transport, or a link."""

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        """Run a script as `Transport.run` does."""
        ...


@cache
def boot() -> str:
    """Return what every job begins with on the machine, packed."""
    return pack(render("jobs/boot.sh.j2"))


def pack(text: str) -> str:
    """Return a text in characters that no shell, sudo or systemd changes."""
    data = text.encode("utf-8", "surrogateescape")
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def start(
    runner: Runner, job: Job, *, wait: timedelta = POLL_WAIT, token: str | None = None
) -> JobState:
    """Start a job, or attach to it, and wait a little for its end.

    `token` tells starters apart: the same one asks again for what it may have started itself.

    Raises:
        ProtocolError: the script is too large to be handed over.
        ScriptFailed: the machine could not start the job.
        MachineError: the link failed; the job may have been started.
    """
    payload = pack(job.script)
    if len(payload) > LONGEST_ARGUMENT:
        raise ProtocolError(
            f"the script of job {job.id} has {len(payload)} bytes packed, and no machine takes "
            f"more than {LONGEST_ARGUMENT} as one argument; split it"
        )
    checksum = hashlib.sha256(job.script.encode("utf-8", "surrogateescape")).hexdigest()
    question = _Question(job.id, job.kind, wait, token or new_token())
    return question.ask(
        runner,
        "jobs/start.sh.j2",
        loader=LOADER,
        boot=boot(),
        checksum=checksum,
        payload=payload,
    )


def poll(
    runner: Runner,
    job_id: str,
    kind: Kind,
    *,
    offset: int = 0,
    wait: timedelta = POLL_WAIT,
    token: str | None = None,
) -> JobState:
    """Wait a little for the end of a job, and say how it stands. Starts nothing.

    Raises:
        MachineError: the link failed, or the job belongs to another login user.
    """
    question = _Question(job_id, kind, wait, token or new_token(), offset)
    return question.ask(runner, "jobs/poll.sh.j2")


def new_token() -> str:
    """Return a name for one starter of jobs."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class _Question:
    job_id: str
    kind: Kind
    wait: timedelta
    token: str
    offset: int = 0
    nonce: str = field(default_factory=new_token)

    def ask(self, runner: Runner, template: str, **values: object) -> JobState:
        script = render(
            template,
            nonce=self.nonce,
            token=self.token,
            job_id=self.job_id,
            kind=self.kind,
            wait=f"{self.wait.total_seconds():g}",
            offset=self.offset,
            packed_above=PACKED_ABOVE,
            **values,
        )
        done = runner.run(script, timeout=self.wait + ANSWER)
        return self._read(parse(done.stdout, self.nonce), done)

    def _read(self, transcript: Transcript, done: Completed) -> JobState:
        if transcript.get("state") is None:
            raise MalformedOutput(
                f"no answer about job {self.job_id} (status {done.exit_status}): "
                f"{done.stderr.strip()[-300:] or 'no output'}"
            )
        word, _, rest = transcript["state"].require().strip().partition(" ")
        rest = rest.strip()
        if word == "denied":
            raise PrivilegeRefused(
                f"job {self.job_id} was started by another group of users; {rest} may not read it"
            )
        state = State(word)
        if state == State.ABSENT:
            self._must_have_launched(transcript.get("launch"), done)
        output = self._output(transcript)
        if state == State.FINISHED and output is None:
            raise Unreachable(f"the output of job {self.job_id} was cut off")
        return JobState(
            state=state,
            exit_status=int(rest) if state == State.FINISHED else None,
            output=output or "",
            progress=transcript["progress"].stdout.strip(),
            started_here=transcript["starter"].status == 0,
            detail=rest if state == State.REFUSED else "",
        )

    def _output(self, transcript: Transcript) -> str | None:
        plain, packed = transcript.get("output"), transcript.get("packed")
        if packed is None:
            return None if plain is None else plain.stdout
        try:
            # One member exactly: `gzip.decompress` takes nothing at all for an empty text.
            data = zlib.decompress(base64.b64decode(packed.stdout), wbits=_GZIP)
        except (ValueError, zlib.error) as error:
            raise Unreachable(f"the output of job {self.job_id} was cut off: {error}") from error
        return data.decode("utf-8", "replace")

    def _must_have_launched(self, launch: Section | None, done: Completed) -> None:
        """Tell why nothing started. A unit of that name is no reason: it is the job, starting."""
        if launch is None or launch.status == 0 or "already" in done.stderr:
            return
        tail = " ".join(done.stderr.split())[-400:]
        raise ScriptFailed(
            f"job {self.job_id} could not be started: {tail or f'status {launch.status}'}",
            exit_status=launch.status,
            tail=tail,
        )
