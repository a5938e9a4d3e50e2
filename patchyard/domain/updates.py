"""Updates and assessments: what a machine has, and what it could have."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from patchyard.domain.value import Known, Value

BUILD = "build:windows"
"""The key under which a Windows machine's build stands among its packages."""


class Classification(StrEnum):
    """Class of an update, in the words of Azure's patch API.

    Linux has the first three, Windows the first two and the others.
    """

    CRITICAL = "Critical"
    SECURITY = "Security"
    OTHER = "Other"
    UPDATE_ROLL_UP = "UpdateRollUp"
    FEATURE_PACK = "FeaturePack"
    SERVICE_PACK = "ServicePack"
    DEFINITION = "Definition"
    TOOLS = "Tools"
    UPDATES = "Updates"


class Standing(StrEnum):
    """Whether the package manager would install an update if asked, and if not, why not."""

    INSTALLABLE = "installable"
    HELD = "held"
    PINNED = "pinned"
    PHASED = "phased"
    NEEDS_NEW = "needs_new"
    NEEDS_REMOVAL = "needs_removal"
    KEPT_BACK = "kept_back"


class Update(Value):
    """One available update of one package on one machine.

    `installed` is empty for a package that only comes along as a new dependency.
    `requires` names the other updates without which this one cannot be installed.
    `restorable` says whether a repository still offers the installed version.
    `alone` is set where it must be installed with nothing else. `hotpatch` says by which rule it
    is known to take effect without a reboot; empty where it is not, None where its system has no
    such updates. `build` is what the system's build should be afterwards, where that is known.
    `severity` is what its maker calls it, in the maker's word; empty where nobody tells one.
    `by_itself` is set where it is wanted for its own sake although nothing of it is installed, as
    an update of Windows is. `advisories` and `cves` are ids of what it fixes, None where nobody
    tells them. `told_fixes` and `told_no_fixes` are ids that it is known to fix and not to fix,
    where single ones are told. `source_version` is the candidate's, where its source has another
    one. Sizes are bytes.
    """

    name: str
    architecture: str
    installed: str
    candidate: str
    classification: Classification
    origin: str
    source: str = ""
    source_version: str = ""
    standing: Standing = Standing.INSTALLABLE
    detail: str = ""
    requires: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    download_bytes: int | None = None
    installed_bytes: int | None = None
    restorable: Known = Known.UNKNOWN
    title: str = ""
    alone: bool = False
    hotpatch: str | None = None
    build: str = ""
    severity: str = ""
    by_itself: bool = False
    advisories: tuple[str, ...] | None = None
    cves: tuple[str, ...] | None = None
    told_fixes: tuple[str, ...] = ()
    told_no_fixes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name and architecture: the identity of a package on a machine."""
        return f"{self.name}:{self.architecture}"


class OperatingSystem(Value):
    """What the machine says it runs, and whether that release still gets fixes."""

    id: str
    version_id: str = ""
    codename: str = ""
    pretty_name: str = ""
    architecture: str = ""
    end_of_life: Known = Known.UNKNOWN


class Source(Value):
    """One repository source and how fresh what we know of it is.

    `error` holds what the package manager said when the source could not be refreshed.
    """

    name: str
    security: bool = False
    released_at: datetime | None = None
    valid_until: datetime | None = None
    error: str = ""


class Kernel(Value):
    """The running kernel against the newest installed one.

    In a container the kernel belongs to the host: `applicable` is then NO.
    """

    running: str
    newest_installed: str = ""
    applicable: Known = Known.UNKNOWN
    outdated: Known = Known.UNKNOWN


class OutdatedService(Value):
    """A service that still runs code which an update has replaced on disk."""

    name: str
    restartable: bool = True


class LivePatch(Value):
    """A kernel live patch and until when it stands in for a reboot.

    Only the state `applied` covers the running kernel; any other says in words why not.
    """

    state: str
    covers_until: datetime | None = None


class Rival(Value):
    """Something else on the machine that installs updates or reboots by itself."""

    name: str
    active: Known
    detail: str = ""


class LockHolder(Value):
    """A process that holds a lock of the package manager."""

    path: str
    pid: int | None = None
    command: str = ""

    def __str__(self) -> str:
        who = f"{self.command or 'a process'} (pid {self.pid})" if self.pid else "a process"
        return f"{self.path} is held by {who}"


class Filesystem(Value):
    """A mounted file system. Sizes are bytes; inodes are None where it has none."""

    mount: str
    size: int
    free: int
    inodes: int | None = None
    inodes_free: int | None = None


class Assessment(Value):
    """The full truth about a machine at one moment, as far as it could be seen.

    `complete` is YES only when every source that matters was refreshed: an assessment that
    is not complete can show missing updates but can never show that none are missing.
    `reboot_reasons` are those that asked for a reboot, other than for a newer kernel.
    `reboot_first` is set where nothing can be changed before the reboot that is owed.
    `moving` are the keys of packages that come and go by themselves, as a scanner's definitions do.
    `built_from` has the source of each package, and its version behind a space, where they are not
    the package's own; None where nobody told. `fixed` are ids, of those that were asked for, that
    what is installed proves to be fixed.
    `taken_at` is the controller's clock; `clock_skew` is the machine's minus ours, in seconds.
    `machine_id` is what the system calls this installation, `host_key` the kind and fingerprint of
    the SSH key that the machine showed; empty where there is none.
    """

    machine: str
    manager: str
    taken_at: datetime
    os: OperatingSystem
    boot_id: str = ""
    clock_skew: float | None = None
    packages: dict[str, str]
    built_from: dict[str, str] | None = None
    fixed: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()
    updates: tuple[Update, ...]
    sources: tuple[Source, ...] = ()
    complete: Known
    incomplete_because: tuple[str, ...] = ()
    reboot_required: Known = Known.UNKNOWN
    reboot_reasons: tuple[str, ...] = ()
    reboot_first: bool = False
    kernel: Kernel
    running_services: tuple[str, ...] = ()
    outdated_services: tuple[OutdatedService, ...] = ()
    outdated_services_known: Known = Known.UNKNOWN
    live_patch: LivePatch | None = None
    rivals: tuple[Rival, ...] = ()
    database_problems: tuple[str, ...] = ()
    lock_holders: tuple[LockHolder, ...] = ()
    filesystems: tuple[Filesystem, ...] = ()
    findings: tuple[str, ...] = ()
    machine_id: str = ""
    host_key: str = ""

    def of_class(self, classifications: frozenset[Classification]) -> tuple[Update, ...]:
        """Return the available updates of the given classes."""
        return tuple(update for update in self.updates if update.classification in classifications)

    def filesystem(self, path: str) -> Filesystem | None:
        """Return the file system that holds `path`: the longest mount point that contains it."""
        holding = [fs for fs in self.filesystems if _contains(fs.mount, path)]
        return max(holding, key=lambda fs: len(fs.mount), default=None)


def _contains(mount: str, path: str) -> bool:
    return path == mount or path.startswith(mount.rstrip("/") + "/")


class Compliance(StrEnum):
    """Whether a machine has what it should have."""

    COMPLIANT = "compliant"
    MISSING = "missing"
    UNKNOWN = "unknown"


def compliance(
    assessment: Assessment | None, classifications: frozenset[Classification]
) -> Compliance:
    """Judge an assessment. Phased updates are not missing; a stale source makes it unknown."""
    if assessment is None:
        return Compliance.UNKNOWN
    missing = [u for u in assessment.of_class(classifications) if u.standing != Standing.PHASED]
    if missing:
        return Compliance.MISSING
    return Compliance.COMPLIANT if assessment.complete == Known.YES else Compliance.UNKNOWN
