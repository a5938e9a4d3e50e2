"""Where updates come from, what policies keep away, and who else installs them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from patchyard.domain.updates import Rival, Source
from patchyard.domain.value import Known
from patchyard.errors import ScriptFailed
from patchyard.managers.windows_update.codes import explain
from patchyard.managers.windows_update.facts import (
    Facts,
    answered,
    as_list,
    facts_of,
    known,
    known_rows,
    moment,
    number,
    word,
)
from patchyard.managers.windows_update.wording import code_in, shortened
from patchyard.transcript import Section, Transcript

SUCCEEDED, WITH_ERRORS = 2, 3
"""OperationResultCode of a search that found all, and of one that had trouble."""

SCHEDULED_INSTALL = 4
"""AUOptions of updates that are installed by themselves."""

MICROSOFT_UPDATE = "7971f918-a847-4430-9279-4a52d1efe18d"
WINDOWS_UPDATE = "9482f4b4-e343-43b6-b170-9a65bc822c77"
WSUS = "3da21691-e39d-4da6-8a4b-b43877bcb1b7"

PAUSE = timedelta(days=35)
"""How long a policy can pause updates (PauseQualityUpdatesStartTime)."""

_PROXY_FLAG = 2
_PROXY_HEAD = 16
"""Bytes of WinHttpSettings before the name of the proxy: version, counter, flags, its length."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What a search has found, and what is to be said of it."""

    updates: list[Facts]
    fresh: bool
    error: str
    warnings: tuple[str, ...]


def offers(transcript: Transcript) -> Offers:
    """Read the search: the fresh one, or where it failed or was not wanted what the agent keeps.

    Raises:
        ScriptFailed: neither search was answered.
    """
    fresh, cached = transcript.get("offered"), transcript.get("cached")
    if fresh is not None and fresh.status == 0:
        found = facts_of(fresh)
        return Offers(_updates(found), fresh=True, error=_result(found), warnings=_warnings(found))
    error = _told(fresh) if fresh is not None else ""
    asked = cached if cached is not None else transcript["offered"]
    if asked.status != 0 and asked.stderr:
        said = f"no search for updates is possible: {_told(asked)}"
        raise ScriptFailed(said, exit_status=asked.status, tail=asked.stderr)
    kept = facts_of(asked)
    return Offers(_updates(kept), fresh=False, error=error, warnings=_warnings(kept))


def _updates(found: Facts) -> list[Facts]:
    return [row for row in as_list(found.get("updates")) if isinstance(row, dict)]


def _result(found: Facts) -> str:
    code = number(found.get("result_code"))
    if code in {SUCCEEDED, WITH_ERRORS}:
        return ""
    return f"the search ended with result {code}"


def _warnings(found: Facts) -> tuple[str, ...]:
    rows = (row for row in as_list(found.get("warnings")) if isinstance(row, dict))
    told = tuple(
        shortened(f"{explain(number(row.get('hresult')) or 0)} {word(row.get('message'))}")
        for row in rows
    )
    if number(found.get("result_code")) == WITH_ERRORS and not told:
        return ("the search succeeded with errors that it does not name",)
    return told


def _told(section: Section) -> str:
    """Say what a failed question means."""
    code = code_in(section.stderr)
    return shortened(str(explain(code)) if code is not None else section.stderr)


def source_name(transcript: Transcript) -> str:
    """Name the source that the agent asks: a WSUS server, Microsoft Update or Windows Update."""
    policy = known(transcript, "policy")
    server = word(policy.get("wu_server"))
    if number(policy.get("use_wu_server")) == 1 and server:
        return shortened(f"WSUS {server}")
    services = known_rows(transcript, "services_of_agent")
    default = next((s for s in services if s.get("default")), {})
    identity = word(default.get("id")).lower()
    names = {WSUS: "WSUS", MICROSOFT_UPDATE: "Microsoft Update", WINDOWS_UPDATE: "Windows Update"}
    return names.get(identity) or word(default.get("name")) or "Windows Update"


def sources(transcript: Transcript, found: Offers) -> tuple[Source, ...]:
    """Return the one source, with what went wrong in asking it."""
    return (Source(name=source_name(transcript), security=True, error=found.error),)


def completeness(
    transcript: Transcript, found: Offers, today: date, more: tuple[str, ...]
) -> tuple[Known, tuple[str, ...]]:
    """Say whether this look could prove that nothing is missing, and if not, why not.

    `more` are reasons against it from elsewhere.
    """
    against = [*more, *_against(transcript, found, today)]
    if against:
        return Known.NO, tuple(dict.fromkeys(against))
    doubts = tuple(_doubts(transcript, found))
    return (Known.UNKNOWN, doubts) if doubts else (Known.YES, ())


def _against(transcript: Transcript, found: Offers, today: date) -> Iterator[str]:
    policy = known(transcript, "policy")
    if found.error:
        yield f"{source_name(transcript)}: {found.error}"
    yield from (f"the search had trouble: {warning}" for warning in found.warnings)
    broken = [word(u.get("error")) for u in found.updates if u.get("error")]
    if broken:
        yield shortened(f"{len(broken)} offered updates could not be read: {broken[0]}")
    if number(policy.get("disable_access")) == 1:
        yield "a policy forbids Windows Update (DisableWindowsUpdateAccess)"
    until = _paused_until(policy)
    if until is not None and until >= today:
        yield f"updates are paused until {until}"


def _paused_until(policy: Facts) -> date | None:
    """Return the last day of a pause: as a user has set it, or as a policy begins it."""
    until, since = moment(policy.get("paused_until")), moment(policy.get("paused_since"))
    days = [t.date() for t in (until, since + PAUSE if since is not None else None) if t]
    return max(days, default=None)


def _doubts(transcript: Transcript, found: Offers) -> Iterator[str]:
    if not found.fresh:
        yield "the update source was not asked anew for this look"
    policy = known(transcript, "policy")
    if not answered(transcript, "policy"):
        yield "the policies of Windows Update could not be read"
    period = number(policy.get("defer_quality_days"))
    if number(policy.get("defer_quality")) == 1 and period:
        yield f"quality updates are shown only {period} days after their release, by policy"


def rivals(transcript: Transcript) -> tuple[Rival, ...]:
    """Return what else on the machine installs updates or reboots by itself."""
    found = [_automatic(transcript)]
    if managed_by(transcript):
        detail = "it approves and installs the updates of this machine"
        found.append(Rival(name=CONFIGURATION_MANAGER, active=Known.YES, detail=detail))
    if known(transcript, "policy").get("mdm"):
        detail = "policies of a device management (MDM) are set for Windows Update"
        found.append(Rival(name="device management", active=Known.UNKNOWN, detail=detail))
    return tuple(found)


def _automatic(transcript: Transcript) -> Rival:
    policy = known(transcript, "policy")
    level = number(policy.get("au_options"))
    detail = f"AUOptions is {level or 'not set'}"
    if number(policy.get("no_auto_update")) == 1:
        return Rival(name="Automatic Updates", active=Known.NO, detail="switched off by policy")
    if level == SCHEDULED_INSTALL and number(policy.get("no_reboot_with_users")) != 1:
        detail += "; it may reboot by itself"
    if level is None:
        return Rival(name="Automatic Updates", active=Known.UNKNOWN, detail=detail)
    active = Known.of(level == SCHEDULED_INSTALL)
    return Rival(name="Automatic Updates", active=active, detail=detail)


CONFIGURATION_MANAGER = "Configuration Manager (SCCM)"


def managed_by(transcript: Transcript) -> str:
    """Return who alone decides about updates here; empty where nobody does."""
    return CONFIGURATION_MANAGER if known(transcript, "sccm").get("installed") else ""


def findings(transcript: Transcript, *, enrolled: Known) -> Iterator[str]:
    """Tell what a person should know about the source."""
    policy = known(transcript, "policy")
    name = source_name(transcript)
    if name.startswith("WSUS"):
        yield f"updates come from {name}: what is not approved there is not seen here"
        if enrolled == Known.YES:
            yield "hotpatches are wanted, and WSUS does not always offer them"
    elif number(policy.get("do_not_connect")) == 1:
        yield "a policy forbids Microsoft's update servers, and no WSUS server is set"
    proxy = winhttp_proxy(word(policy.get("proxy")))
    if proxy:
        yield f"updates are fetched through the WinHTTP proxy {shortened(proxy)}"


def winhttp_proxy(settings: str) -> str:
    """Return the proxy in WinHttpSettings, a binary value in base64; empty where none is set."""
    try:
        data = base64.b64decode(settings, validate=True)
    except binascii.Error:
        return ""
    flags, length = (int.from_bytes(data[at : at + 4], "little") for at in (8, 12))
    name = data[_PROXY_HEAD : _PROXY_HEAD + length]
    return name.decode("ascii", "replace") if flags & _PROXY_FLAG else ""
