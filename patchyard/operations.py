"""The verbs: render a script, run it as a job, parse what it says.

Each function does one act on one machine over an open link. What a machine cannot do is raised
as a `MachineError`; nothing here decides what comes next.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from patchyard import jobs
from patchyard._coming_back import Refusals
from patchyard.domain.actions import Download, Install, Keep, Reboot, Undo
from patchyard.domain.inventory import Machine
from patchyard.domain.preflight import SPARE_BYTES
from patchyard.domain.record import RebootOutcome, Result
from patchyard.domain.restore import Kept, PackageVersion, RestorePoint
from patchyard.domain.transaction import Transaction
from patchyard.domain.updates import Assessment
from patchyard.errors import (
    AuthenticationFailed,
    MachineError,
    ScriptFailed,
    TimedOut,
    Unreachable,
)
from patchyard.link import Link
from patchyard.managers.base import PackageManager
from patchyard.systems.base import Boot, System
from patchyard.transcript import Transcript

READ_LIMIT = timedelta(minutes=10)
"""How long one question to a machine may take, repository refresh included."""

REFRESH_SECONDS = 240
"""How long a machine may take to refresh its repositories (osconfig saw one hang for 15 days)."""

RESTART_LIMIT = timedelta(minutes=10)
"""How long restarting services may take."""

REBOOT_POLL_SECONDS = 2.0
"""Time between two looks for a machine that reboots."""

SETTLE = timedelta(minutes=5)
"""How long a machine that is still at work, such as Windows that is servicing itself, is waited for
before it is rebooted."""

BOOT_ANSWER = timedelta(seconds=20)
"""How long a machine may take to say which boot it is in."""

HOOK_SLACK = timedelta(seconds=60)
"""So much longer than its time a hook's job is waited for: it is ended on the machine itself."""

MESSAGE_LIMIT = timedelta(seconds=20)
"""How long showing a message may take; a machine that does not answer so soon is not told."""

TIMEOUT_STATUS = 124
"""Exit status of a hook's script that had to be ended; no script ends with it by itself."""

LONGEST_JOB_ID = 100


@dataclass(frozen=True, slots=True)
class Given:
    """A script of the operator's own, and what it is told."""

    script: str
    text: str
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bench:
    """One machine under work: its link, its package manager, and the run's clock and secret."""

    machine: Machine
    system: System
    manager: PackageManager
    link: Link
    run_id: str
    seed: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    progress: Callable[[str], None] = lambda _line: None
    cancelled: Callable[[], bool] = lambda: False

    def nonce(self, job_id: str) -> str:
        """Return the frame marker of a job: the same for whoever attaches, unknown to others."""
        return hashlib.sha256(f"{self.seed}/{job_id}".encode()).hexdigest()[:24]

    def job_id(self, key: str) -> str:
        """Return the id under which a step's job is known on the machine."""
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", f"{self.run_id}-{self.machine.name}-{key}")
        if len(plain) <= LONGEST_JOB_ID:
            return plain
        return f"{plain[: LONGEST_JOB_ID - 13]}-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"


def assess(bench: Bench, key: str, *, refresh: bool) -> Assessment:
    """Look at the machine afresh.

    Raises:
        MachineError: it could not be reached, or what it said could not be read.
    """
    transcript = _read(
        bench,
        key,
        f"{bench.manager.name}/assess",
        refresh=refresh,
        lock_seconds=bench.machine.policy.lock_seconds,
        refresh_seconds=REFRESH_SECONDS,
    )
    seen = bench.manager.parse_assessment(transcript, bench.machine.name, bench.clock())
    return seen.model_copy(update={"host_key": bench.link.host_key})


def keep(bench: Bench, action: Keep, deadline: datetime) -> RestorePoint:
    """Keep the present versions of packages on the machine."""
    transcript = _change(
        bench,
        action.key,
        deadline,
        f"{bench.manager.name}/restore_point",
        folder=action.folder,
        packages=_plain(action.packages),
        coming=_plain(action.coming),
    )
    return bench.manager.parse_restore_point(transcript)


def repair(bench: Bench, key: str, deadline: datetime) -> Transaction:
    """Bring an interrupted package database to an end."""
    transcript = _change(bench, key, deadline, f"{bench.manager.name}/repair")
    return bench.manager.parse_transaction(transcript)


def download(bench: Bench, action: Download, deadline: datetime) -> Transaction:
    """Fetch exactly the versions of the action, and install nothing."""
    transcript = _change(
        bench,
        action.key,
        deadline,
        f"{bench.manager.name}/download",
        updates=_plain(action.packages),
        lock_seconds=bench.machine.policy.lock_seconds,
        spare_bytes=SPARE_BYTES,
    )
    return bench.manager.parse_transaction(transcript)


def install(bench: Bench, action: Install, deadline: datetime) -> Transaction:
    """Install exactly the versions of the action."""
    transcript = _change(
        bench,
        action.key,
        deadline,
        f"{bench.manager.name}/install",
        updates=_plain(action.packages),
        conffiles=bench.machine.policy.conffiles,
        lock_seconds=bench.machine.policy.lock_seconds,
    )
    return bench.manager.parse_transaction(transcript)


def undo(bench: Bench, action: Undo, deadline: datetime) -> Transaction:
    """Go back to the versions of the action, from the restore point."""
    transcript = _change(
        bench,
        action.key,
        deadline,
        f"{bench.manager.name}/undo",
        folder=action.folder,
        install=_plain(action.packages),
        remove=action.remove,
        kept=_plain(action.kept),
        conffiles=bench.machine.policy.conffiles,
        lock_seconds=bench.machine.policy.lock_seconds,
    )
    return bench.manager.parse_transaction(transcript)


def restart(bench: Bench, key: str, services: tuple[str, ...]) -> str:
    """Restart services. Answers what went wrong, in words; empty where nothing did."""
    deadline = bench.clock() + RESTART_LIMIT
    transcript = _change(
        bench, key, deadline, f"{bench.system.name}/restart_services", units=services
    )
    failed = [
        f"{section.name}: {(section.stderr or section.stdout).strip()[:200]}"
        for section in transcript.sections.values()
        if section.status != 0
    ]
    return "; ".join(failed)


def hook(bench: Bench, key: str, given: Given, timeout: timedelta) -> str:
    """Run a script of the operator's own, once for its key. Answers the end of what it said.

    On Linux one that takes longer than `timeout` is ended; on Windows it is left behind.

    Raises:
        ScriptFailed: it ended badly, or took longer, which TIMEOUT_STATUS tells.
        MachineError: the link failed; the script may be at work.
    """
    seconds = timeout.total_seconds()
    deadline = bench.clock() + timeout + HOOK_SLACK
    try:
        transcript = _change(
            bench,
            key,
            deadline,
            f"{bench.system.name}/hook",
            script=given.script,
            given=given.text,
            variables=given.variables,
            seconds=f"{seconds:g}",
            whole_seconds=f"{int(seconds)}",
        )
    except TimedOut as error:
        if bench.clock() < deadline:
            raise
        raise ScriptFailed(str(error), exit_status=TIMEOUT_STATUS) from None
    section = transcript["hook"]
    if section.status == TIMEOUT_STATUS:
        told = f"not ended after {seconds:g} s, so it was ended"
        raise ScriptFailed(told, exit_status=section.status)
    said = section.require().strip()
    return str(json.loads(said) or "") if bench.system.language == "ps1" else said


def message(bench: Bench, key: str, text: str) -> None:
    """Show a text to whoever is logged in on the machine, once for its key until it reboots.

    Raises:
        MachineError: it could not be shown.
    """
    job = jobs.Job(bench.job_id(key), "read", "")
    deadline = bench.clock() + MESSAGE_LIMIT
    transcript = _run(bench, job, deadline, f"{bench.system.name}/message", {"text": text})
    transcript["message"].require()


def reboot(bench: Bench, action: Reboot, deadline: datetime) -> Result:
    """Reboot the machine and wait until it is back with another boot id.

    The reboot is scheduled on the machine and the link closed by us. Being asked again for the
    same action never schedules a second one. A probe that fails is no answer, never a yes.
    Credentials that were accepted before are "not back yet" where they are refused after it, a
    bounded number of times.
    """
    if _boot_before(bench, action.boot_id, deadline) == action.boot_id:
        refused = _order_reboot(bench, action, deadline)
        bench.link.close()
        if refused:
            return Result(reboot=RebootOutcome.NOT_REBOOTED, detail=refused)
    detail = "no answer since the reboot was asked for"
    refusals = Refusals(bench.clock)
    while True:
        seen, detail = _probe(bench, detail, refusals)
        if seen and seen != action.boot_id:
            return Result(reboot=RebootOutcome.REBOOTED, detail=f"boot id {seen}")
        if bench.clock() >= deadline:
            break
        bench.sleep(REBOOT_POLL_SECONDS)
    waited = f"after {bench.machine.policy.reboot_seconds} s"
    if seen:
        detail = f"the boot id has not changed {waited}: the machine did not reboot"
        return Result(reboot=RebootOutcome.NOT_REBOOTED, detail=detail)
    return Result(
        reboot=RebootOutcome.NOT_BACK, detail=f"not back from its reboot {waited}: {detail}"
    )


def come_up(bench: Bench, deadline: datetime) -> str:
    """Wait until a machine that was started answers and has finished starting.

    Answers why it has not; empty where it has. A cancelled run does not wait.
    """
    detail = "no answer since it was started"
    refusals = Refusals(bench.clock)
    while not bench.cancelled():
        seen, detail = _probe(bench, detail, refusals)
        if seen:
            return ""
        if bench.clock() >= deadline:
            return detail
        bench.sleep(REBOOT_POLL_SECONDS)
    return "the run was cancelled"


def _boot_before(bench: Bench, boot_id: str, deadline: datetime) -> str:
    """Return which boot a machine is in; one that is still at work gets some time to end it.

    One that does not answer may be on its way: a controller that was killed had asked for it.
    """
    until = bench.clock() + SETTLE
    while True:
        try:
            boot = _boot(bench)
        except Unreachable:
            if bench.clock() >= deadline:
                raise
        else:
            if boot.ready or boot.id != boot_id or bench.clock() >= until:
                return boot.id
        bench.sleep(REBOOT_POLL_SECONDS)


def _order_reboot(bench: Bench, action: Reboot, deadline: datetime) -> str:
    """Let the machine reboot in a moment. Answers why it refuses; empty where it does not."""
    try:
        transcript = _change(
            bench, action.key, deadline, f"{bench.system.name}/reboot", delay_seconds=2
        )
    except jobs.JobOrphaned:
        # A slow machine is down before the job has told its end. Whether it is, its boot id tells.
        return ""
    said = transcript.get("reboot")
    if said is None or said.status == 0:
        return ""
    return f"the machine refuses to reboot: {(said.stderr or said.stdout).strip()[:200]}"


def _probe(bench: Bench, detail: str, refusals: Refusals) -> tuple[str, str]:
    if refusals.waiting:
        return "", detail
    try:
        return _boot_id(bench), detail
    except Unreachable as error:
        return "", str(error)
    except AuthenticationFailed as error:
        told = refusals.note(error)
        bench.link.renew()
        return "", told


def _boot_id(bench: Bench) -> str:
    """Ask for the boot id of a machine that has finished starting; empty while it has not."""
    boot = _boot(bench)
    return boot.id if boot.ready else ""


def _boot(bench: Bench) -> Boot:
    nonce = bench.nonce(bench.job_id("boot"))
    script = bench.system.script(f"{bench.system.name}/boot_probe", nonce, {})
    done = bench.link.run(script.text, timeout=BOOT_ANSWER, parameters=script.parameters)
    return bench.system.parse_boot(bench.system.read(done.stdout, nonce))


def _plain(packages: Iterable[PackageVersion | Kept]) -> list[dict[str, str]]:
    return [package.model_dump() for package in packages]


def _read(bench: Bench, key: str, template: str, **values: object) -> Transcript:
    """Ask one question as a job. A question that got lost is asked again under a new id."""
    deadline = bench.clock() + READ_LIMIT
    attempt = 0
    while True:
        job_id = bench.job_id(f"{key}-{bench.clock():%H%M%S%f}-{attempt}")
        try:
            return _run(bench, jobs.Job(job_id, "read", ""), deadline, template, values)
        except jobs.JobOrphaned:
            attempt += 1
            if attempt > 2 or bench.clock() >= deadline:  # noqa: PLR2004 - two more tries
                raise


def _change(
    bench: Bench, key: str, deadline: datetime, template: str, **values: object
) -> Transcript:
    """Run one act as a job, exactly once, however often it is asked for.

    A job of this very run may be at work still, where it was lost sight of: its end is waited for.
    """
    job = jobs.Job(bench.job_id(key), "change", "")
    while True:
        try:
            return _run(bench, job, deadline, template, values)
        except jobs.JobBusy as busy:
            own = busy.holder.startswith(bench.job_id(""))
            if not own or bench.clock() >= deadline:
                raise
            _wait_for(bench, busy.holder, deadline)


def _wait_for(bench: Bench, holder: str, deadline: datetime) -> None:
    jobs.wait_for(
        bench.link,
        holder,
        system=bench.system,
        deadline=deadline,
        clock=bench.clock,
        sleep=bench.sleep,
    )


def _run(
    bench: Bench, job: jobs.Job, deadline: datetime, template: str, values: dict[str, object]
) -> Transcript:
    nonce = bench.nonce(job.id)
    script = bench.system.script(template, nonce, values)
    done = jobs.run_job(
        bench.link,
        jobs.Job(job.id, job.kind, script.text, script.parameters),
        system=bench.system,
        deadline=deadline,
        clock=bench.clock,
        sleep=bench.sleep,
        on_progress=bench.progress,
        cancelled=bench.cancelled,
    )
    return bench.system.read(done.output, nonce)


__all__ = [
    "Bench",
    "Given",
    "MachineError",
    "TimedOut",
    "assess",
    "come_up",
    "download",
    "hook",
    "install",
    "keep",
    "message",
    "reboot",
    "repair",
    "restart",
    "undo",
]
