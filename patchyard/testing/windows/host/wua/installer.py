"""IUpdateDownloader and IUpdateInstaller, with their jobs and results."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from patchyard.testing.windows.host.com import ComObject, com_info, kept
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.updating import IN_PROGRESS, Outcome, Work
from patchyard.testing.windows.host.wua.agent import must_work
from patchyard.testing.windows.host.wua.update import UpdateCollection
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.errors import ComError, signed
from patchyard.testing.windows.powershell.values import NOTHING, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside

NO_UPDATES = 0x80240024
NOT_ALLOWED = 0x80240016
OPERATION_IN_PROGRESS = 0x80240009
BAD_POINTER = 0x80004003
LOOK_SECONDS = 1.0


class OneResult(ComObject):
    """IUpdateInstallationResult and IUpdateDownloadResult."""

    net = com_info("IUpdateInstallationResult")

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    net.property("ResultCode")(lambda target: target.outcome.code)
    net.property("HResult")(lambda target: signed(target.outcome.hresult))
    net.property("RebootRequired")(lambda target: target.outcome.reboot)


class Result(ComObject):
    """IInstallationResult and IDownloadResult."""

    net = com_info("IInstallationResult")

    def __init__(self, work: Work) -> None:
        self.work = work

    net.property("ResultCode")(lambda target: target.work.code())
    net.property("HResult")(lambda target: signed(target.work.hresult()))
    net.property("RebootRequired")(lambda target: target.work.reboot())

    @net.method("GetUpdateResult")
    def _of_update(self, _rt: Value, index: Value) -> Value:
        at = to_int(index)
        if not 0 <= at < len(self.work.outcomes):
            raise ComError(0x80240007)
        return OneResult(self.work.outcomes[at])


class Progress(ComObject):
    """IInstallationProgress and IDownloadProgress."""

    net = com_info("IInstallationProgress")

    def __init__(self, work: Work, now: float) -> None:
        self.work = work
        self.at = min(work.at, len(work.offers) - 1)
        self.percent = work.whole_percent(now)
        self.current = work.percent(now)

    net.property("PercentComplete")(lambda target: target.percent)
    net.property("CurrentUpdateIndex")(lambda target: target.at)
    net.property("CurrentUpdatePercentComplete")(lambda target: target.current)

    @net.method("GetUpdateResult")
    def _of_update(self, _rt: Value, index: Value) -> Value:
        outcome = self.work.outcomes[to_int(index)]
        if to_int(index) == self.work.at and not self.work.finished:
            return OneResult(Outcome(IN_PROGRESS))
        return OneResult(outcome)

    @net.property("TotalBytesToDownload")
    def _total(self) -> Value:
        return Decimal(sum(offer.update.size for offer in self.work.offers))

    @net.property("TotalBytesDownloaded")
    def _done(self) -> Value:
        total = sum(offer.update.size for offer in self.work.offers)
        return Decimal(total * self.percent // 100)

    @net.property("CurrentUpdateDownloadPhase")
    def _phase(self) -> Value:
        return 2


class Job(ComObject):
    """IInstallationJob and IDownloadJob."""

    net = com_info("IInstallationJob")

    def __init__(self, inside: Inside, work: Work, updates: UpdateCollection, state: Value) -> None:
        self.inside, self.work, self.updates, self.state = inside, work, updates, state

    @net.property("IsCompleted")
    def _completed(self) -> Value:
        self.inside.check()
        return self.work.finished

    @net.method("GetProgress")
    def _progress(self, _rt: Value) -> Value:
        self.inside.check()
        return Progress(self.work, self.inside.time())

    @net.method("RequestAbort")
    def _abort(self, _rt: Value) -> Value:
        self.work.abort = True
        return NOTHING

    @net.method("CleanUp")
    def _clean_up(self, _rt: Value) -> Value:
        return NOTHING

    net.property("AsyncState")(lambda target: target.state)
    net.property("Updates")(lambda target: target.updates)


class Worker(ComObject):
    """What a downloader and an installer share."""

    net = com_info("IUpdateWorker")
    client = ""

    def __init__(self, inside: Inside, client: str) -> None:
        self.inside = inside
        self.client = client
        self.updates = UpdateCollection()
        self.values: dict[str, Value] = {}

    @net.property("Updates")
    def _updates(self) -> Value:
        return self.updates

    @net.setter("Updates")
    def _set_updates(self, value: Value) -> None:
        if not isinstance(value, UpdateCollection):
            raise ComError(0x80020005, "Type mismatch.")
        self.updates = value

    def begin(self, kind: str) -> Work:
        """Begin a job.

        Raises:
            ComError: the agent refuses.
        """
        must_work(self.inside)
        if not self.updates.items:
            raise ComError(NO_UPDATES)
        computer = self.inside.computer
        self.refuse(kind)
        if computer.updates.work is not None:
            raise ComError(OPERATION_IN_PROGRESS)
        offers = [item.offer for item in self.updates.items]
        client = str(self.values.get("clientapplicationid") or self.client)
        return computer.updates.begin(kind, offers, self.inside.process, client)

    def refuse(self, kind: str) -> None:
        """Raise what a fault refuses this kind of job with.

        Raises:
            ComError: it does.
        """
        if kind == "download":
            return
        computer = self.inside.computer
        refused = computer.faults.strike(Fault.INSTALL_REFUSED)
        busy = computer.faults.look(Fault.BUSY)
        if refused is not None or busy is not None:
            raise ComError(int((refused or {}).get("hresult", NOT_ALLOWED)))

    def run(self, kind: str) -> Value:
        """Do a job and wait for its end."""
        work = self.begin(kind)
        while not work.finished:
            self.inside.sleep(LOOK_SECONDS)
        return Result(work)

    def start(self, kind: str, callbacks: tuple[Value, ...]) -> Value:
        """Begin a job that goes on by itself.

        Raises:
            ComError: this host wants callbacks.
        """
        refuses = self.inside.computer.faults.look(Fault.NULL_CALLBACKS_REFUSED)
        if refuses is not None and any(callback is None for callback in callbacks[:2]):
            raise ComError(BAD_POINTER)
        state = callbacks[2] if len(callbacks) > 2 else None  # noqa: PLR2004
        return Job(self.inside, self.begin(kind), self.updates, state)


def wait_for(job: Any) -> Value:
    """Return a job's result, after waiting for its end."""
    while not job.work.finished:
        job.inside.sleep(LOOK_SECONDS)
    return Result(job.work)


class Downloader(Worker):
    """IUpdateDownloader."""

    net = com_info("IUpdateDownloader", Worker.net)
    kept(net, "ClientApplicationID", "IsForced", "Priority")

    def __init__(self, inside: Inside, client: str) -> None:
        super().__init__(inside, client)
        self.values = {"clientapplicationid": "", "isforced": False, "priority": 2}

    net.method("Download")(lambda target, _rt: target.run("download"))
    net.method("BeginDownload")(
        lambda target, _rt, progress, completed, state: target.start(
            "download", (progress, completed, state)
        )
    )
    net.method("EndDownload")(lambda _target, _rt, job: wait_for(job))


class Installer(Worker):
    """IUpdateInstaller4."""

    net = com_info("IUpdateInstaller", Worker.net)
    kept(
        net,
        *("ClientApplicationID", "IsForced", "AllowSourcePrompts", "ForceQuiet"),
        "AttemptCloseAppsIfNecessary",
    )

    def __init__(self, inside: Inside, client: str) -> None:
        super().__init__(inside, client)
        names = ("isforced", "allowsourceprompts", "forcequiet", "attemptcloseappsifnecessary")
        self.values = {"clientapplicationid": "", **dict.fromkeys(names, False)}

    @net.property("IsBusy")
    def _busy(self) -> Value:
        must_work(self.inside)
        computer = self.inside.computer
        return computer.updates.work is not None or computer.faults.look(Fault.BUSY) is not None

    @net.property("RebootRequiredBeforeInstallation")
    def _reboot_first(self) -> Value:
        must_work(self.inside)
        computer = self.inside.computer
        return computer.reboot_first or (
            computer.reboot_between and bool(computer.updates.pending())
        )

    net.method("Install")(lambda target, _rt: target.run("install"))
    net.method("Uninstall")(lambda target, _rt: target.run("uninstall"))
    net.method("BeginInstall")(
        lambda target, _rt, progress, completed, state: target.start(
            "install", (progress, completed, state)
        )
    )
    net.method("EndInstall")(lambda _target, _rt, job: wait_for(job))
