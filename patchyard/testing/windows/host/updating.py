"""What Windows Update does on a computer: offers, downloads, installations, history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from patchyard.testing.windows.host.catalogue import EULA, Update, update_of
from patchyard.testing.windows.host.events import UPDATE_CLIENT
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.processes import Process

if TYPE_CHECKING:
    from patchyard.testing.windows.host.computer import SimulatedComputer

NOT_STARTED, IN_PROGRESS, SUCCEEDED, WITH_ERRORS, FAILED, ABORTED = range(6)
DOWNLOAD_RATE = 60 * 1024 * 1024
EXCLUSIVE = 2
CALL_CANCELLED = 0x8024000B
NOT_DOWNLOADED = 0x80246007
EULA_DECLINED = 0x80240023
EXCLUSIVE_CONFLICT = 0x80240019
DISK_FULL = 0x80070070
STORE_CORRUPT = 0x80073712
UNINSTALL_NOT_ALLOWED = 0x80240028


@dataclass
class Offer:
    """An update as one computer knows it."""

    update: Update
    hidden: bool = False
    downloaded: bool = False
    eula_accepted: bool = False
    installed: bool = False
    reboot_required: bool = False
    removing: bool = False

    @property
    def eula_text(self) -> str:
        """The licence that has to be accepted; empty where there is none."""
        return EULA if self.update.eula else ""


@dataclass(frozen=True)
class Past:
    """One entry of the history. Operation 1 is an installation, 2 its removal."""

    update: str
    revision: int
    title: str
    time: float
    operation: int
    code: int
    hresult: int
    client: str


@dataclass
class Outcome:
    """How one update of a job ended."""

    code: int = NOT_STARTED
    hresult: int = 0
    reboot: bool = False


@dataclass
class Work:
    """A download, an installation or a removal of some updates, one after the other."""

    kind: str
    offers: list[Offer]
    process: Process
    client: str
    outcomes: list[Outcome] = field(default_factory=list)
    at: int = 0
    began: float = 0.0
    takes: float = 1.0
    abort: bool = False
    finished: bool = False

    def code(self) -> int:
        """Return the result of the whole."""
        if not self.finished:
            return IN_PROGRESS
        codes = {outcome.code for outcome in self.outcomes}
        if codes <= {SUCCEEDED}:
            return SUCCEEDED
        if ABORTED in codes:
            return ABORTED
        return WITH_ERRORS if SUCCEEDED in codes else FAILED

    def hresult(self) -> int:
        """Return the error of the whole: only where nothing at all succeeded."""
        if self.code() == ABORTED:
            return CALL_CANCELLED
        failed = [outcome.hresult for outcome in self.outcomes if outcome.code == FAILED]
        return 0x80240022 if failed and self.code() == FAILED else 0

    def reboot(self) -> bool:
        """True where something that was done waits for a reboot."""
        return any(outcome.reboot for outcome in self.outcomes)

    def percent(self, now: float) -> int:
        """Return how far the current update is."""
        if self.finished:
            return 100
        return max(0, min(99, int((now - self.began) / self.takes * 100)))

    def whole_percent(self, now: float) -> int:
        """Return how far the whole is."""
        if self.finished:
            return 100
        return int((self.at * 100 + self.percent(now)) / len(self.offers))


class WindowsUpdate:
    """The update agent of one computer."""

    def __init__(self, computer: SimulatedComputer) -> None:
        self._computer = computer
        self.offers: dict[str, Offer] = {}
        self.history: list[Past] = []
        self.work: Work | None = None
        self.begun: Counter[tuple[str, str]] = Counter()
        """How often each update was begun to be downloaded, installed or removed: kind and KB."""
        self.microsoft_update = False
        """Whether the service Microsoft Update was added."""
        self.searching_seconds = 12.0
        self.removing_seconds = 180.0
        """How long DISM takes to remove one package."""
        self.cached: set[str] = set()
        """What the last search at the source has found: a search offline finds no more."""
        self.still_offered_while_pending = False
        """Whether a search for what is not installed shows what waits for a reboot."""

    # What a test arranges

    def offer(self, *updates: Update, downloaded: bool = False) -> None:
        """Let updates be found by the next search."""
        for update in updates:
            self.offers[update.id] = Offer(
                update, downloaded=downloaded, eula_accepted=not update.eula
            )

    def withdraw(self, *updates: Update) -> None:
        """Let updates be found no more."""
        for update in updates:
            self.offers.pop(update.id, None)

    def has_installed(self, update: Update) -> bool:
        """True where an update is installed and waits for no reboot."""
        offer = self.offers.get(update.id)
        return offer is not None and offer.installed

    def pending(self) -> list[Offer]:
        """Return what waits for a reboot."""
        return [offer for offer in list(self.offers.values()) if offer.reboot_required]

    # What the agent does

    def applicable(self) -> list[Offer]:
        """Return what a search can find: what a newer offered one supersedes is left out."""
        superseded = {old for offer in self.offers.values() for old in offer.update.supersedes}
        return [
            o for o in list(self.offers.values()) if o.update.id not in superseded or o.installed
        ]

    def counts_as_installed(self, offer: Offer) -> bool:
        """Return what IsInstalled says."""
        if offer.reboot_required and not offer.removing:
            return not self.still_offered_while_pending
        return offer.installed

    def begin(self, kind: str, offers: Iterable[Offer], process: Process, client: str) -> Work:
        """Begin a job; it goes on as the computer's time passes."""
        chosen = list(offers)
        work = Work(kind, chosen, process, client, [Outcome() for _ in chosen])
        self.work = work
        self._helpers(run=kind != "download")
        self._next(work)
        return work

    def _helpers(self, *, run: bool) -> None:
        computer = self._computer
        for name in ("TiWorker", "TrustedInstaller"):
            for process in computer.processes.named(name):
                computer.processes.end(process, 0)
            if run:
                computer.processes.start(name, "S-1-5-18", computer.clock.time())
        computer.services.get("TrustedInstaller").state = "Running" if run else "Stopped"
        computer.services.get("wuauserv").state = "Running"

    def _next(self, work: Work) -> None:
        """Begin the next update, unless nobody wants it any more."""
        stopped = work.abort or work.process.ended
        if work.at >= len(work.offers) or stopped:
            for outcome in work.outcomes[work.at :]:
                outcome.code, outcome.hresult = ABORTED, CALL_CANCELLED
            self._end(work)
            return
        update = work.offers[work.at].update
        self.begun[work.kind, update.kb] += 1
        work.began = self._computer.clock.time()
        seconds = update.size / DOWNLOAD_RATE if work.kind == "download" else update.minutes * 60
        work.takes = max(seconds, 0.5)
        self._computer.clock.after(work.takes, lambda: self._done(work))

    def interrupt(self) -> None:
        """Leave what is under way where it is: the computer goes down."""
        if self.work is not None:
            self.work.finished = True
            self.work = None

    def _done(self, work: Work) -> None:
        if work.finished:
            return
        offer, outcome = work.offers[work.at], work.outcomes[work.at]
        steps: dict[str, Callable[[Work, Offer], int]] = {
            "download": self._download,
            "install": self._install,
            "uninstall": self._uninstall,
        }
        hresult = steps[work.kind](work, offer)
        outcome.hresult = hresult
        outcome.code = FAILED if hresult else SUCCEEDED
        outcome.reboot = not hresult and offer.reboot_required
        if work.kind != "download":
            self._record(work, offer, outcome)
        work.at += 1
        self._next(work)

    def _end(self, work: Work) -> None:
        work.finished = True
        if self.work is work:
            self.work = None
        self._helpers(run=False)

    def _download(self, _work: Work, offer: Offer) -> int:
        fault = self._computer.faults.strike(Fault.DOWNLOAD_FAILS, update=offer.update.id)
        if fault:
            return int(fault.get("hresult", 0x80240034))
        if self._computer.free_bytes() < offer.update.size:
            return DISK_FULL
        offer.downloaded = True
        return 0

    def _install(self, work: Work, offer: Offer) -> int:
        computer, update = self._computer, offer.update
        fault = computer.faults.strike(Fault.INSTALL_FAILS, update=update.id)
        refused = self._refusal(work, offer)
        if fault or refused:
            return int(fault.get("hresult", 0x8024200B)) if fault else refused
        if computer.faults.look(Fault.LIES, update=update.id):
            return 0
        computer.store.install(update, computer.clock.time())
        if update.kind == "definition":
            computer.registry.set(
                "SOFTWARE\\Microsoft\\Windows Defender\\Signature Updates",
                "AVSignatureVersion",
                update.build,
            )
        if update.kind == "hotpatch":
            computer.show_version()
        if update.reboot:
            offer.reboot_required = True
            computer.mark_pending()
        else:
            offer.installed = True
        return 0

    def _refusal(self, work: Work, offer: Offer) -> int:
        update = offer.update
        if not offer.downloaded:
            return NOT_DOWNLOADED
        if not offer.eula_accepted:
            return EULA_DECLINED
        if update.impact == EXCLUSIVE and len(work.offers) > 1:
            return EXCLUSIVE_CONFLICT
        if self._computer.free_bytes() < update.size:
            return DISK_FULL
        corrupt = self._computer.faults.look(Fault.STORE_CORRUPT)
        if corrupt is not None and update.kind in {"lcu", "dotnet", "hotpatch"}:
            self._computer.store.health = "Repairable"
            return STORE_CORRUPT
        return 0

    def _uninstall(self, _work: Work, offer: Offer) -> int:
        if offer.update.kind not in {"plain", "driver"}:
            return UNINSTALL_NOT_ALLOWED
        offer.installed = False
        return 0

    def _record(self, work: Work, offer: Offer, outcome: Outcome) -> None:
        computer, update = self._computer, offer.update
        now = computer.clock.time()
        operation = 2 if work.kind == "uninstall" else 1
        self.remember(update, operation, outcome.code, outcome.hresult, work.client)
        if outcome.hresult:
            message = (
                f"Installation Failure: Windows failed to install the following update with "
                f"error 0x{outcome.hresult:08X}: {update.title}."
            )
            computer.events.add("System", UPDATE_CLIENT, 20, 2, now, message)
        else:
            message = (
                "Installation Successful: Windows successfully installed the following "
                f"update: {update.title}"
            )
            computer.events.add("System", UPDATE_CLIENT, 19, 4, now, message)

    def remember(
        self, update: Update, operation: int, code: int, hresult: int, client: str
    ) -> None:
        """Add an entry to the history."""
        now = self._computer.clock.time()
        self.history.insert(
            0, Past(update.id, update.revision, update.title, now, operation, code, hresult, client)
        )

    def complete(self, rolled_back: Callable[[Update], bool]) -> None:
        """Do what a reboot does to what waited for it."""
        store, now = self._computer.store, self._computer.clock.time()
        for offer in self.pending():
            offer.reboot_required = False
            if offer.removing:
                offer.removing = offer.installed = False
            elif rolled_back(offer.update):
                store.roll_back(offer.update)
                self.remember(offer.update, 1, FAILED, 0x800F0922, "")
            else:
                store.complete(offer.update, now)
                offer.installed = True
        for package in store.complete_removals():
            removed = self.offers.get(package.update)
            if removed is not None:
                removed.installed = False

    # Memory

    def state(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            "offers": [
                {**asdict(offer), "update": asdict(offer.update)} for offer in self.offers.values()
            ],
            "cached": sorted(self.cached),
            "history": [asdict(past) for past in self.history],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` returned."""
        self.offers = {}
        for entry in state["offers"]:
            update = update_of(entry["update"])
            self.offers[update.id] = Offer(**{**entry, "update": update})
        self.cached = set(state["cached"])
        self.history = [Past(**entry) for entry in state["history"]]
