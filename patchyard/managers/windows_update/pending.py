"""Pending reboots: every reason that Windows notes, weighed (windows.md 1.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from patchyard.domain.updates import LockHolder
from patchyard.domain.value import Known
from patchyard.managers.windows_update.facts import (
    Facts,
    answered,
    as_list,
    known,
    number,
    word,
)
from patchyard.transcript import Transcript

SHOWN = 3
"""Files named in one reason."""

STILL_SERVICING = 2
"""ServicingInProgress while CBS works."""


class Weight(StrEnum):
    """What a reason is worth. Strong ones must be dealt with before anything is installed."""

    STRONG = "strong"
    MEDIUM = "medium"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Reason:
    """One place where Windows notes a pending reboot."""

    key: str
    weight: Weight
    text: str
    holds: Callable[[object], bool] = bool


def _positive(value: object) -> bool:
    return (number(value) or 0) > 0


REASONS: tuple[Reason, ...] = (
    Reason("cbs_reboot_pending", Weight.STRONG, "servicing waits for a reboot (RebootPending)"),
    Reason("cbs_reboot_in_progress", Weight.STRONG, "servicing is in a reboot (RebootInProgress)"),
    Reason("cbs_packages_pending", Weight.STRONG, "packages wait for a reboot (PackagesPending)"),
    Reason("wu_reboot_required", Weight.STRONG, "Windows Update asks for one (RebootRequired)"),
    Reason(
        "wu_post_reboot", Weight.STRONG, "Windows Update reports after it (PostRebootReporting)"
    ),
    Reason(
        "wu_services", Weight.STRONG, "Windows Update has work for after it (Services\\Pending)"
    ),
    Reason("update_exe", Weight.MEDIUM, "an installer waits (UpdateExeVolatile)", _positive),
    Reason("server_manager", Weight.MEDIUM, "Server Manager waits for a reboot", _positive),
    Reason("dvd_signal", Weight.MEDIUM, "a set-up waits for a reboot (DVDRebootSignal)"),
    Reason("join_domain", Weight.INFORMATION, "joining a domain waits for a reboot"),
    Reason("avoid_spn", Weight.INFORMATION, "a change of the domain account waits for a reboot"),
)
"""What the registry says by presence or by a number; the others are read one by one below."""

_SYSTEM_PATH = re.compile(
    r"\\Windows\\(?!Temp\\|System32\\spool\\|SoftwareDistribution\\)", re.IGNORECASE
)
"""Where a pending rename matters: virus scanners, browsers and printers leave theirs elsewhere."""

_STRONG_SOURCES = ("pending", "system_info")
"""Questions without whose answer a reboot may be owed unseen."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What is owed: `required`, the reasons, whether it comes first, and what is only told."""

    required: Known
    reasons: tuple[str, ...]
    first: bool
    findings: tuple[str, ...]
    seen: Known
    """YES where every source that matters could be read."""


def pending(transcript: Transcript) -> Pending:
    """Weigh all that was noted. What could not be read leaves it unknown, never denied."""
    facts = known(transcript, "pending")
    found = [
        *((reason.weight, reason.text) for reason in REASONS if reason.holds(_fact(facts, reason))),
        *_renames(facts),
        *_names(facts),
        *_others(transcript),
    ]
    strong = [text for weight, text in found if weight == Weight.STRONG]
    medium = [text for weight, text in found if weight == Weight.MEDIUM]
    unseen = [name for name in _STRONG_SOURCES if not answered(transcript, name)]
    required = Known.YES if strong or medium else Known.NO
    if not (strong or medium) and unseen:
        required = Known.UNKNOWN
    return Pending(
        required=required,
        reasons=(*strong, *medium),
        first=bool(strong),
        findings=tuple(text for weight, text in found if weight == Weight.INFORMATION),
        seen=Known.UNKNOWN if unseen else Known.YES,
    )


def _fact(facts: Facts, reason: Reason) -> object:
    return facts.get(reason.key)


def _renames(facts: Facts) -> Iterator[tuple[Weight, str]]:
    """Read PendingFileRenameOperations: pairs of a file and its new name, empty for none."""
    entries = [word(e) for e in [*as_list(facts.get("renames")), *as_list(facts.get("renames_2"))]]
    files = [entry.removeprefix("!").removeprefix("\\??\\") for entry in entries if entry]
    ours = [file for file in files if _SYSTEM_PATH.search(file)]
    if ours:
        yield Weight.STRONG, f"files of Windows are to be renamed: {_some(ours)}"
    elif files:
        yield Weight.INFORMATION, f"files are to be renamed at the next boot: {_some(files)}"


def _some(files: list[str]) -> str:
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return ", ".join(files[:SHOWN]) + more


def _names(facts: Facts) -> Iterator[tuple[Weight, str]]:
    for now, then in (("computer_name_now", "computer_name"), ("host_name_now", "host_name")):
        old, new = word(facts.get(now)), word(facts.get(then))
        if old and new and old.lower() != new.lower():
            yield Weight.INFORMATION, f"the machine will be called {new} after a reboot, not {old}"
            return


def _others(transcript: Transcript) -> Iterator[tuple[Weight, str]]:
    if known(transcript, "system_info").get("reboot_required"):
        yield Weight.STRONG, "the update agent says so (SystemInfo.RebootRequired)"
    if known(transcript, "sccm").get("reboot_pending"):
        yield Weight.STRONG, "Configuration Manager says so"
    boot = word(known(transcript, "system").get("boot"))
    marker = known(transcript, "marker")
    if boot and word(marker.get("boot")) == boot:
        yield (
            Weight.STRONG,
            f"an installer asked for it ({word(marker.get('by')) or 'by Patchyard'})",
        )


def busy_servicing(transcript: Transcript) -> Iterator[LockHolder]:
    """Tell of servicing that is at work: it is waited for.

    Sessions that wait for a reboot that is pending anyway are not waited for: it ends them.
    """
    facts = known(transcript, "pending")
    if number(facts.get("servicing")) == STILL_SERVICING:
        yield LockHolder(path="component servicing", command="a session in progress")
    elif _positive(facts.get("cbs_sessions")) and not facts.get("cbs_reboot_pending"):
        yield LockHolder(path="component servicing", command="an exclusive session")
