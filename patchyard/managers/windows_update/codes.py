"""What the codes of Windows Update, CBS, MSI and wusa mean, and whether asking again can help.

The table is windows.md 1.2, row by row. Names of the whole range 0x8024 are in wuerror.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from patchyard.domain.transaction import InstallProblem as Problem
from patchyard.managers.windows_update.wording import unsigned, written


class Retry(StrEnum):
    """What a code asks of whoever gets it."""

    OK = "ok"
    SKIP = "skip"
    LATER = "later"
    REMEDY = "remedy"
    REBOOT = "reboot"
    EACH = "each"
    NEVER = "never"


_ADVICE: Mapping[Retry, str] = MappingProxyType(
    {
        Retry.OK: "nothing is to be done",
        Retry.SKIP: "look again for what is applicable",
        Retry.LATER: "try again later",
        Retry.REMEDY: "try again after the remedy",
        Retry.REBOOT: "reboot first",
        Retry.EACH: "the results of the single updates say why",
        Retry.NEVER: "trying again does not help",
    }
)


@dataclass(frozen=True, slots=True)
class Code:
    """One code: its meaning and usual cause, and what to do.

    `reboot` is set where a restart is pending then; `tries` is how often to try at most.
    """

    number: int
    meaning: str
    cause: str
    retry: Retry
    remedy: str = ""
    problem: Problem = Problem.OTHER
    reboot: bool = False
    tries: int | None = None

    @property
    def good(self) -> bool:
        """True where it counts as success."""
        return self.retry == Retry.OK

    def __str__(self) -> str:
        cause = f" ({self.cause})" if self.cause else ""
        advice = self.remedy or _ADVICE[self.retry]
        return f"{written(self.number)} {self.meaning}{cause}: {advice}"


_Row = tuple[tuple[int, ...], str, str, Retry, str, Problem]
_NONE, _OTHER = Problem.NONE, Problem.OTHER

_ROWS: tuple[_Row, ...] = (
    ((0x00240006, 0x00240007), "already done", "the same again", Retry.OK, "", _NONE),
    ((0x80240009,), "another operation is in progress", "another client of Windows Update",
     Retry.LATER, "", Problem.LOCKED),
    ((0x8024000B, 0x800704C7), "cancelled", "our own cancel, or a policy", Retry.NEVER, "", _OTHER),
    ((0x8024000E,), "invalid XML", "bad metadata from WSUS or a proxy",
     Retry.REMEDY, "reset the update cache", Problem.FETCH_FAILED),
    ((0x80240010,), "relations too deep", "supersedence on the WSUS server",
     Retry.NEVER, "mend it on the server", _OTHER),
    ((0x80240016,), "installing is not allowed now", "another installation, or a pending reboot",
     Retry.REBOOT, "", Problem.LOCKED),
    ((0x80240017,), "not applicable", "superseded, or of another edition",
     Retry.SKIP, "", Problem.NOT_AVAILABLE),
    ((0x80240019,), "must be installed alone", "an exclusive update among others",
     Retry.REMEDY, "install it alone", _OTHER),
    ((0x8024001E,), "the service is stopping", "wuauserv was stopped, or a shutdown",
     Retry.LATER, "look which boot it is in, then try again", Problem.LOCKED),
    ((0x80240020,), "nobody is logged in", "it needs a desktop", Retry.NEVER, "", _OTHER),
    ((0x80240022,), "all updates failed", "", Retry.EACH, "", _OTHER),
    ((0x80240023,), "the license terms were declined", "they were not accepted",
     Retry.REMEDY, "accept them", _OTHER),
    ((0x80240024,), "no updates", "an empty list", Retry.OK, "", _NONE),
    ((0x80240025, 0x8024002E, 0x8024002F), "blocked by a policy",
     "DisableWindowsUpdateAccess, or an unmanaged server", Retry.NEVER,
     "change the policy", Problem.HELD),
    ((0x80240028,), "uninstalling is not allowed", "not from WSUS, or permanent",
     Retry.NEVER, "use DISM", _OTHER),
    ((0x80240034, 0x80246007), "not downloaded", "the network, or the update cache",
     Retry.LATER, "try again, then reset the update cache", Problem.FETCH_FAILED),
    ((0x80240044, 0x80070005), "access denied", "a log-in over the network, or not elevated",
     Retry.REMEDY, "run as SYSTEM", _OTHER),
    ((0x80240438,), "the update server cannot be reached", "no route, no DNS, or offline",
     Retry.LATER, "", Problem.FETCH_FAILED),
    ((0x80240FFF,), "unexpected error", "", Retry.LATER, "try again once", _OTHER),
    ((0x8024200B,), "the update's own installer failed", "",
     Retry.LATER, "try again once", Problem.SCRIPT_FAILED),
    ((0x8024200D,), "needs another download", "a payload that is damaged or not whole",
     Retry.REMEDY, "download it again", Problem.FETCH_FAILED),
    ((0x80242014,), "work after a reboot is pending", "servicing has not ended",
     Retry.LATER, "wait, then try again", Problem.LOCKED),
    ((0x80242017, 0x800F0823), "a newer servicing stack is needed", "",
     Retry.REMEDY, "install the servicing stack update first", Problem.UNMET_DEPENDENCIES),
    ((0x80244010,), "too many trips to the server", "a large WSUS catalogue",
     Retry.LATER, "try again at once", Problem.FETCH_FAILED),
    ((0x80244017, 0x80244018, 0x80244019), "the update server refused (HTTP 401, 403 or 404)",
     "WSUS or a proxy", Retry.NEVER, "mend the configuration", Problem.FETCH_FAILED),
    ((0x8024401C, 0x80244021, 0x80244022, 0x80244023),
     "the update server did not answer (HTTP 408, 502, 503 or 504)", "an overloaded WSUS or proxy",
     Retry.LATER, "try again after a long time", Problem.FETCH_FAILED),
    ((0x8024402C,), "the update server's name cannot be resolved", "a proxy, or DNS",
     Retry.LATER, "", Problem.FETCH_FAILED),
    ((0x80246002,), "a file has the wrong hash", "a proxy, or a damaged cache",
     Retry.REMEDY, "clear the update cache", Problem.FETCH_FAILED),
    ((0x80248007,), "the agent's data store has no data", "a damaged DataStore",
     Retry.REMEDY, "reset SoftwareDistribution", _OTHER),
    ((0x80072EE2, 0x80072EFD, 0x80072EFE), "the connection failed or timed out", "the network",
     Retry.LATER, "", Problem.FETCH_FAILED),
    ((0x80072EE7,), "a name cannot be resolved", "DNS", Retry.LATER, "", Problem.FETCH_FAILED),
    ((0x80072F8F,), "the certificate of the server is not accepted",
     "a wrong clock, or TLS inspection", Retry.REMEDY, "set the clock, or trust the authority",
     Problem.FETCH_FAILED),
    ((0x80070422,), "a service is disabled", "wuauserv or BITS",
     Retry.REMEDY, "enable the service", _OTHER),
    ((0x80070020,), "a file is in use", "a virus scanner, or another installer",
     Retry.LATER, "", Problem.LOCKED),
    ((0x80070070,), "the disk is full", "drive C:, or where the cache is",
     Retry.REMEDY, "free space", Problem.DISK_FULL),
    ((0x8007000E,), "out of memory", "a small machine", Retry.LATER, "", _OTHER),
    ((0x80070002, 0x80070003), "a file or folder is missing", "a cache that was cleaned",
     Retry.REMEDY, "reset the update cache", Problem.FETCH_FAILED),
    ((0x80070490, 0x80073712, 0x80073701), "the component store is damaged", "",
     Retry.REMEDY, "RestoreHealth", Problem.BROKEN_DATABASE),
    ((0x800F081F,), "the source of a repair is missing", "",
     Retry.REMEDY, "provide a source", Problem.BROKEN_DATABASE),
    ((0x800F0831,), "the component store misses an earlier package",
     "a broken chain of cumulative updates", Retry.REMEDY, "repair Windows in place",
     Problem.BROKEN_DATABASE),
    ((0x800F0922,), "installers failed", "a small system partition, .NET, or a VPN",
     Retry.REMEDY, "make room on the system partition; else trying again does not help",
     Problem.SCRIPT_FAILED),
    ((0x800F0825,), "cannot be uninstalled", "the package is permanent", Retry.NEVER, "", _OTHER),
    ((0x800F0982, 0x800F0986, 0x800F0988), "the update does not fit what is installed",
     "an odd base version", Retry.REMEDY, "RestoreHealth, or the whole .msu",
     Problem.BROKEN_DATABASE),
    ((0x80070643,), "an installer failed", ".NET, the recovery partition, or Defender",
     Retry.REMEDY, "see what that product needs", Problem.SCRIPT_FAILED),
    ((0x8007045B,), "the machine is shutting down", "somebody else's reboot",
     Retry.LATER, "wait for it, then try again", Problem.LOCKED),
    ((0x800706BA, 0x800706BE, 0x80080005), "the service has gone", "wuauserv restarts",
     Retry.LATER, "", Problem.LOCKED),
    ((0x80D02002,), "Delivery Optimization stalls", "its peers",
     Retry.LATER, "try again without it", Problem.FETCH_FAILED),
    ((2359302,), "already installed (wusa)", "", Retry.OK, "", _NONE),
    ((2359303,), "already gone (wusa)", "", Retry.OK, "", _NONE),
)  # fmt: skip

_REBOOT: tuple[tuple[int, str], ...] = (
    (0x00240005, "done, and a restart is pending"),
    (3010, "done, and a restart is pending"),
    (1641, "done, and a restart has begun"),
)
"""Codes of a success that is whole only after a restart."""

_TRIES: Mapping[int, int] = MappingProxyType(
    {0x80240FFF: 1, 0x8024200B: 1, 0x80244010: 5, 0x8024402C: 3, 0x80072EE7: 3}
)
"""How often the table allows another try, where it says so ("once", "up to 5", "few")."""


def _table() -> Mapping[int, Code]:
    found = {
        number: Code(number, meaning, cause, retry, remedy, problem, tries=_TRIES.get(number))
        for numbers, meaning, cause, retry, remedy, problem in _ROWS
        for number in numbers
    }
    for number, meaning in _REBOOT:
        found[number] = Code(number, meaning, "", Retry.OK, problem=_NONE, reboot=True)
    return MappingProxyType(found)


CODES: Mapping[int, Code] = _table()
"""Every code that is told apart, by its unsigned number."""

NO_ERROR = Code(0, "done", "", Retry.OK, problem=_NONE)
_AGENT = 0x8024


def explain(code: int) -> Code:
    """Return what a code means; signed and unsigned HRESULTs are the same.

    One of the update agent's that is not known may be tried once more (windows.md 1.2).
    """
    number = unsigned(code)
    if number == 0:
        return NO_ERROR
    if number in CODES:
        return CODES[number]
    if number >> 16 == _AGENT:
        return Code(number, "an error of the update agent", "", Retry.LATER, "try again once",
                    tries=1)  # fmt: skip
    return Code(number, "an error that is not known here", "", Retry.NEVER)


def in_words(code: int, message: str) -> str:
    """Tell what a code means; of one that is not known, what came with it too."""
    known = explain(code)
    told = "" if known.number in CODES else f" ({' '.join(message.split())})" if message else ""
    return f"{known}{told}"
