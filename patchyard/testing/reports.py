"""Sample reports: what a run of a small fleet looks like, for tests, pages and pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from patchyard.domain.health import Difference, Outcome
from patchyard.domain.outcome import InstallationState, RebootStatus, Status
from patchyard.domain.plan import LeftOut, WhyNot
from patchyard.domain.report import MachineReport, RunReport, StepReport, UpdateReport
from patchyard.domain.updates import Classification, Compliance

START = datetime(2026, 3, 4, 2, 15, 7, tzinfo=UTC)

_VERSIONS = (
    ("bind9-host", "1:9.18.28-1~deb12u2", "1:9.18.33-1~deb12u2"),
    ("bsdutils", "1:2.38.1-5+deb12u1", "1:2.38.1-5+deb12u3"),
    ("curl", "7.88.1-10+deb12u7", "7.88.1-10+deb12u12"),
    ("krb5-locales", "1.20.1-2+deb12u2", "1.20.1-2+deb12u3"),
    ("libc-bin", "2.36-9+deb12u8", "2.36-9+deb12u10"),
    ("libc6", "2.36-9+deb12u8", "2.36-9+deb12u10"),
    ("libcurl4", "7.88.1-10+deb12u7", "7.88.1-10+deb12u12"),
    ("libexpat1", "2.5.0-1+deb12u1", "2.5.0-1+deb12u2"),
    ("libgnutls30", "3.7.9-2+deb12u3", "3.7.9-2+deb12u4"),
    ("libgssapi-krb5-2", "1.20.1-2+deb12u2", "1.20.1-2+deb12u3"),
    ("liblzma5", "5.4.1-0.2", "5.4.1-1"),
    ("libpython3.11-stdlib", "3.11.2-6+deb12u4", "3.11.2-6+deb12u6"),
    ("libssl3", "3.0.14-1~deb12u2", "3.0.16-1~deb12u1"),
    ("libsystemd0", "252.30-1~deb12u2", "252.36-1~deb12u1"),
    ("libtasn1-6", "4.19.0-2", "4.19.0-2+deb12u1"),
    ("libxml2", "2.9.14+dfsg-1.3~deb12u1", "2.9.14+dfsg-1.3~deb12u2"),
    ("openssh-server", "1:9.2p1-2+deb12u3", "1:9.2p1-2+deb12u5"),
    ("openssl", "3.0.14-1~deb12u2", "3.0.16-1~deb12u1"),
    ("python3.11", "3.11.2-6+deb12u4", "3.11.2-6+deb12u6"),
    ("vim-common", "2:9.0.1378-2", "2:9.0.1378-2+deb12u2"),
)

_STEPS = (
    ("preflight", "Preflight", 4.2, "all clear"),
    ("restore_point", "Restore point", 9.8, "20 earlier versions kept on the machine"),
    ("checks_before", "Checks before", 2.1, ""),
    ("install", "Install", 96.0, "job ended with status 0"),
    ("path", "Restart services", 7.4, ""),
    ("verify", "Checks and fresh assessment", 31.5, ""),
)

_REASONS = {
    Status.UNKNOWN: "the security repository does not answer, so nothing can be proven",
    Status.NOT_STARTED: "the run was halted before its turn",
    Status.IN_PROGRESS: "the install job is at work",
    Status.SUCCEEDED: "all planned updates are installed and every check holds",
    Status.COMPLETED_WITH_WARNINGS: "a reboot is owed and the reboot setting is never",
    Status.FAILED: "3 of 20 updates are not installed: dpkg stopped at libc6",
    Status.ROLLED_BACK: "check systemd_unit legacy-app.service failed after the update",
    Status.NEEDS_REPAIR: "the check still fails after the earlier versions were put back",
    Status.LOST_CONTACT: "not back 15 min after the reboot was ordered",
    Status.UNREACHABLE: "no connection within 10 s",
    Status.REFUSED: "/var has 38 MiB free, the plan needs 412",
    Status.CANCELLED: "cancelled by a person before its turn",
    Status.SKIPPED: "it is off, and its policy is when_off: skip",
}

_INSTALLED = frozenset(
    {Status.SUCCEEDED, Status.COMPLETED_WITH_WARNINGS, Status.NEEDS_REPAIR, Status.LOST_CONTACT}
)
_UNTOUCHED = frozenset(
    {
        Status.NOT_STARTED,
        Status.UNREACHABLE,
        Status.REFUSED,
        Status.CANCELLED,
        Status.SKIPPED,
    }
)
_BAD_CHECK = frozenset({Status.ROLLED_BACK, Status.NEEDS_REPAIR})


def sample_report() -> RunReport:
    """Return a run of eight machines in three waves, with one undone and one not reached."""
    good, warned = Status.SUCCEEDED, Status.COMPLETED_WITH_WARNINGS
    machines = (
        sample_machine("web-01", good, wave=1, path="reboot"),
        sample_machine("web-02", good, wave=1),
        sample_machine("web-03", Status.ROLLED_BACK, wave=2),
        sample_machine("db-01", warned, wave=2, path="reboot_owed"),
        sample_machine("db-02", good, wave=2, path="none"),
        sample_machine("mail-01", Status.REFUSED, wave=2),
        sample_machine("edge-01", Status.UNREACHABLE, wave=2),
        sample_machine("cache-01", Status.NOT_STARTED, wave=3),
    )
    return _run(
        machines,
        status=Status.FAILED,
        halted_because="the failure budget of 2 machines is used up by edge-01 and web-03",
        drift=("libxml2: the plan has 2.9.14+dfsg-1.3~deb12u2, the archive now has ~deb12u4",),
    )


def every_status_report() -> RunReport:
    """Return a run with one machine for every status there is."""
    machines = (sample_machine(f"{status.lower()}-01", status, wave=1) for status in Status)
    return _run(machines, status=Status.FAILED)


def large_report(machines: int, *, troubled_every: int = 50) -> RunReport:
    """Return a run of many machines; every so many-th was rolled back."""
    kinds = {
        (status, wave): sample_machine("node", status, wave=wave)
        for status in (Status.SUCCEEDED, Status.ROLLED_BACK)
        for wave in range(1, 6)
    }
    made = []
    for number in range(1, machines + 1):
        status = Status.SUCCEEDED if number % troubled_every else Status.ROLLED_BACK
        like = kinds[status, 1 + number * 4 // machines]
        made.append(like.model_copy(update={"name": f"node-{number:05}"}))
    return _run(made, status=Status.FAILED)


def sample_machine(
    name: str, status: Status, *, wave: int | None = None, path: str = "restart_services"
) -> MachineReport:
    """Return a machine of the given status with twenty updates and all that belongs to it."""
    begun = status not in _UNTOUCHED
    ended = begun and status != Status.IN_PROGRESS
    return MachineReport(
        name=name,
        address="127.0.1.10",
        platform="on_prem",
        os="Debian GNU/Linux 12 (bookworm)",
        wave=wave,
        status=status,
        reason=_REASONS[status],
        compliance_before=_compliance_before(status),
        compliance_after=_compliance_after(status),
        path=path if ended else "",
        path_reason=_path_reason(path) if ended else "",
        reboot=_reboot(status, path),
        undo=_undo(status),
        updates=tuple(_update(number, status) for number in range(len(_VERSIONS))),
        left_out=_left_out(),
        checks=_checks(status) if ended else (),
        steps=_steps(ended=ended) if begun else (),
        findings=("unattended-upgrades is active: it installs updates by itself",),
        started_at=START + timedelta(seconds=20) if begun else None,
        finished_at=START + timedelta(seconds=171) if ended else None,
    )


def _run(
    machines: Iterable[MachineReport],
    *,
    status: Status,
    halted_because: str = "",
    drift: tuple[str, ...] = (),
) -> RunReport:
    made = tuple(machines)
    waves = sorted({machine.wave for machine in made if machine.wave is not None})
    return RunReport(
        run_id="2026-03-04-brave-heron",
        kind="patch",
        inventory="inventories/sample",
        scope="platform == on_prem and not tags.frozen",
        status=status,
        plan_hash=hashlib.sha256(b"sample").hexdigest(),
        halted_because=halted_because,
        started_at=START,
        finished_at=START + timedelta(minutes=11, seconds=42),
        waves=tuple(tuple(m.name for m in made if m.wave == wave) for wave in waves),
        not_reached=tuple(m.name for m in made if m.status == Status.NOT_STARTED),
        drift=drift,
        machines=made,
    )


def _update(number: int, status: Status) -> UpdateReport:
    name, before, planned = _VERSIONS[number]
    state, detail = _state(number, status)
    return UpdateReport(
        name=name,
        architecture="amd64",
        before=before,
        planned=planned,
        after=planned if state == InstallationState.INSTALLED else before,
        classification=Classification.OTHER if name == "liblzma5" else Classification.SECURITY,
        state=state,
        detail=detail,
    )


def _state(number: int, status: Status) -> tuple[InstallationState, str]:
    if status in _INSTALLED or (status == Status.FAILED and number not in {4, 5, 9}):
        return InstallationState.INSTALLED, ""
    if status == Status.ROLLED_BACK:
        return InstallationState.FAILED, "put back"
    if status == Status.FAILED:
        return InstallationState.FAILED, "left unconfigured by dpkg"
    if status == Status.UNKNOWN:
        return InstallationState.UNKNOWN, ""
    return InstallationState.PENDING, ""


def _compliance_before(status: Status) -> Compliance:
    unseen = {Status.UNKNOWN, Status.UNREACHABLE, Status.SKIPPED}
    return Compliance.UNKNOWN if status in unseen else Compliance.MISSING


def _compliance_after(status: Status) -> Compliance:
    if status in {Status.SUCCEEDED, Status.COMPLETED_WITH_WARNINGS, Status.NEEDS_REPAIR}:
        return Compliance.COMPLIANT
    if status in {Status.FAILED, Status.ROLLED_BACK, Status.REFUSED}:
        return Compliance.MISSING
    return Compliance.UNKNOWN


def _path_reason(path: str) -> str:
    return {
        "reboot": "kernel 6.1.0-28-amd64 runs, 6.1.0-32-amd64 is installed",
        "reboot_owed": "a reboot is owed and the reboot setting is never: libc6 was replaced",
        "restart_services": "3 services run code that was replaced: cron, nginx, ssh",
    }.get(path, "nothing runs replaced code")


def _reboot(status: Status, path: str) -> RebootStatus:
    if status == Status.LOST_CONTACT:
        return RebootStatus.STARTED
    if status in {Status.UNKNOWN, Status.UNREACHABLE, Status.SKIPPED}:
        return RebootStatus.UNKNOWN
    if status == Status.COMPLETED_WITH_WARNINGS:
        return RebootStatus.REQUIRED
    return RebootStatus.COMPLETED if path == "reboot" else RebootStatus.NOT_NEEDED


def _undo(status: Status) -> str:
    if status in _UNTOUCHED:
        return "not needed"
    if status == Status.ROLLED_BACK:
        return "done: 20 of 20 packages are back"
    if status == Status.NEEDS_REPAIR:
        return "failed: legacy-app.service still does not start"
    return "possible"


def _left_out() -> tuple[LeftOut, ...]:
    rows = (
        ("nginx", "1.22.1-9", "1.22.1-9+deb12u1", WhyNot.EXCLUDED, "mask nginx*"),
        ("nginx-common", "1.22.1-9", "1.22.1-9+deb12u1", WhyNot.EXCLUDED, "mask nginx*"),
        ("postgresql-15", "15.8-0+deb12u1", "15.12-0+deb12u2", WhyNot.HELD, "apt-mark hold"),
        ("tzdata", "2024a-0+deb12u1", "2025a-0+deb12u1", WhyNot.CLASSIFICATION, "Other"),
    )
    return tuple(
        LeftOut(
            name=name,
            architecture="amd64",
            installed=installed,
            candidate=candidate,
            classification=Classification.OTHER,
            why=why,
            detail=detail,
        )
        for name, installed, candidate, why, detail in rows
    )


def _checks(status: Status) -> tuple[Difference, ...]:
    passed, failed = Outcome.PASSED, Outcome.FAILED
    broken = status in _BAD_CHECK
    legacy = "failed (Result: exit-code), 3 restarts" if broken else "active (running)"
    rows = (
        ("systemd_unit legacy-app.service", passed, failed if broken else passed, legacy),
        ("failed_units", passed, failed if broken else passed, "legacy-app.service" * broken),
        ("listening_port 443", passed, passed, "nginx listens"),
        ("http /healthz", passed, passed, "200 in 12 ms"),
        ("dns", failed, failed, "no answer from the second resolver"),
    )
    return tuple(
        Difference(check=check, before=before, after=after, detail=detail)
        for check, before, after, detail in rows
    )


def _steps(*, ended: bool) -> tuple[StepReport, ...]:
    steps = []
    at = START + timedelta(seconds=20)
    for key, title, seconds, result in _STEPS if ended else _STEPS[:4]:
        done = at + timedelta(seconds=seconds)
        open_end = not ended and key == "install"
        steps.append(
            StepReport(
                key=key,
                title=title,
                started_at=at,
                finished_at=None if open_end else done,
                result="" if open_end else result,
            )
        )
        at = done
    return tuple(steps)
