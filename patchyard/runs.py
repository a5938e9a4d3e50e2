"""Runs: opened or taken up again, owned by one controller, recorded as they go.

A run's owner proves that it lives by a heartbeat. A run that is unfinished and has no living
owner is taken up by whoever comes next; what it had begun on machines is attached to.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from patchyard.batches import Batch
from patchyard.domain.around import Hook, Notice
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.outcome import Status
from patchyard.domain.rings import Judged, Ring
from patchyard.errors import ConfigurationError, Refused
from patchyard.execution import Workshop
from patchyard.measured import Measured
from patchyard.parameters import WindowParameters
from patchyard.providers import load_inventory
from patchyard.settings import settings
from patchyard.store import RunRecord, Store, open_store

OWNER_TTL = timedelta(seconds=60)
"""How long a controller counts as alive after its last heartbeat."""

HEARTBEAT_SECONDS = 10.0
"""Time between heartbeats; several fit into OWNER_TTL, so that one lost write is no loss."""

TOGETHER = 0.1
"""Seconds in which machines that come to an end are answered together: in a large run they come by
the second, and each answer reads the record of all."""

FRESH = timedelta(hours=24)
"""How old a run may be that is taken up by itself: an older plan tells of an older world."""

CHOICE = (
    "folder",
    "dry_run",
    "classifications",
    "include",
    "exclude",
    "fixes",
    "windows",
    "emergency",
    "hotpatch_only",
    "waves",
    "run_id",
    "machines",
    "window",
    "hooks",
    "availability",
)
"""Parameters that decide what a run does; where they differ, it is another run."""


def now() -> datetime:
    """Return the controller's clock, which all windows and records go by."""
    return datetime.now(UTC)


@dataclass
class Run:
    """One open run of this controller."""

    record: RunRecord
    store: Store
    inventory: Inventory
    owner: str
    resumed: bool = False
    say: Callable[[str, str, str], None] = lambda _machine, _step, _text: None
    clock: Callable[[], datetime] = now
    sleep: Callable[[float], None] = time.sleep
    stop: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)
    changed: threading.Event = field(default_factory=threading.Event)
    at_work: dict[str, str] = field(default_factory=dict)
    hands: dict[str, threading.Lock] = field(default_factory=dict)
    """By machine, what lets one thread at a time act on it."""
    batches: dict[tuple[str, str], Batch] = field(default_factory=dict)
    """The batches at work, by the task that holds them and their label."""
    ring: tuple[Ring, Judged] | None = None
    """The ring before this run's, and what it has proven; None where it follows none."""
    to_download: set[str] = field(default_factory=set)
    """Machines whose updates can be fetched while the run's window is waited for."""
    pending: set[str] = field(default_factory=set)
    """Machines that no longer fit into the run's window."""
    stops: dict[str, str] = field(default_factory=dict)
    """Hooks, or machines with a hook, whose failure lets nothing new begin; and why."""

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @cached_property
    def folder(self) -> Path:
        """Where the run's report and log are kept."""
        return settings().home / "runs" / self.id

    @cached_property
    def window(self) -> WindowParameters | None:
        """The maintenance window that the run belongs to; None where it belongs to none.

        A rollback has the parameters of the run that it takes back, and not its window.
        """
        taken_back = self.record.kind == "rollback"
        given = None if taken_back else self.record.parameters.get("window")
        return WindowParameters.model_validate(given) if given else None

    @property
    def preparing(self) -> bool:
        """True until the run's window opens; never where it has none."""
        return self.window is not None and self.clock() < self.window.start

    @cached_property
    def hooks(self) -> tuple[Hook, ...]:
        """The hooks that the run was begun with. A dry run calls none."""
        given = self.record.parameters
        asked = () if given.get("dry_run") else given.get("hooks", ())
        return tuple(Hook.model_validate(each) for each in asked)

    @cached_property
    def notices(self) -> tuple[Notice, ...]:
        """Who is told of the run, as it was begun. Of a dry run nobody is."""
        given = self.record.parameters
        asked = () if given.get("dry_run") else given.get("notices", ())
        return tuple(Notice.model_validate(each) for each in asked)

    @cached_property
    def measured(self) -> Measured:
        """What machines took in the runs before this one."""
        return Measured(self.store, self.inventory.name, self.id)

    @property
    def slots(self) -> int:
        """How many machines are at work at once."""
        return int(self.record.parameters["slots"])

    @property
    def leg(self) -> str:
        """The run's id, and how often it had ended and goes on now, where it did."""
        return f"{self.id}#{self.record.reopened}" if self.record.reopened else self.id

    def cancelled(self) -> bool:
        """True where nothing new may be started."""
        return self.stop.is_set() or self.lost.is_set()

    def must_be_ours(self) -> None:
        """Leave the run to another controller that has taken it up, where one has.

        Raises:
            Refused: this controller was taken for dead; its record is the other's to write.
        """
        if self.lost.is_set():
            raise Refused(f"run {self.id} was taken up by another controller, which goes on")

    def pause(self, longest: timedelta) -> None:
        """Wait until a machine of this run has come to an end, or for `longest`."""
        if self.changed.wait(longest.total_seconds()):
            time.sleep(TOGETHER)
        self.changed.clear()

    def workshop(self) -> Workshop:
        """Return what carrying out machines of this run needs."""
        return Workshop(
            store=self.store,
            inventory=self.inventory,
            run_id=self.id,
            seed=str(self.record.parameters["seed"]),
            clock=self.clock,
            sleep=self.sleep,
            cancelled=self.cancelled,
            lost=self.lost.is_set,
            say=self.say,
            stop=self.stops.__setitem__,
        )

    def machine(self, name: str) -> Machine:
        """Return a machine of the run's inventory.

        Raises:
            ConfigurationError: the inventory has it no more.
        """
        found = self.inventory.machine(name)
        if found is None:
            raise ConfigurationError.of(
                f"machine {name} is in run {self.id} but not in the inventory"
            )
        return found

    def cancel(self) -> None:
        """Begin nothing further, now and when the run is taken up again."""
        self.stop.set()
        self.store.request_cancel(self.id)

    def beat(self) -> None:
        """Prove life once: renew the ownership and the leases, and see whether to stop."""
        if not self.store.heartbeat(self.id, self.owner, self.clock(), OWNER_TTL):
            self.lost.set()
        for key in tuple(self.at_work.values()):
            self.store.renew_lease(key, self.id, self.owner, self.clock(), OWNER_TTL)
        if self.store.cancel_requested(self.id):
            self.stop.set()


_OPEN: dict[str, Run] = {}


def open_run_of(run_id: str) -> Run:
    """Return the run of that id which this process has open.

    Raises:
        Refused: it is not open here.
    """
    try:
        return _OPEN[run_id]
    except KeyError:
        raise Refused(f"run {run_id} is not open in this process") from None


def new_run_id(kind: str, at: datetime) -> str:
    """Make an id that people can read and say: kind, time, four random characters."""
    return f"{kind}-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def me() -> str:
    """Name this controller: host, process and the process's start, so that a death is provable."""
    return f"{socket.gethostname()}/{os.getpid()}/{_process_start(os.getpid())}"


def _process_start(pid: int) -> str:
    """Return a process's start in ticks since boot (proc(5), field 22); empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def proven_dead(owner: str) -> bool:
    """True where the owner ran on this host and its process is gone."""
    host, _, rest = owner.partition("/")
    pid, _, start = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit() or not start:
        return False
    return _process_start(int(pid)) != start


@contextmanager
def begin(
    kind: str,
    *,
    inventory: str,
    scope: str,
    parameters: dict[str, Any],
    flow_run_id: str,
    resume: str = "never",
) -> Iterator[Run]:
    """Open a run: a new one, or one that is unfinished and has no living owner.

    Args:
        kind: patch, emergency, assess or rollback.
        inventory: the inventory's folder or name.
        scope: the scope expression.
        parameters: the flow's parameters, recorded with the run.
        flow_run_id: id of the Prefect flow run that drives it.
        resume: auto, never, or the id of a run.

    Raises:
        ConfigurationError: the inventory cannot be used, or there is no run of that id.
        Refused: the run to resume is owned by another controller that lives, or has ended.
    """
    loaded = load_inventory(inventory)
    store = open_store(settings().database_url)
    owner = me()
    wanted = _new(kind, loaded, scope, parameters)
    found = _to_resume(store, wanted, resume, owner)
    resumed = found is not None
    record = found or wanted
    if not resumed:
        record = replace(record, flow_run_id=flow_run_id)
        store.create_run(record)
        store.claim_run(record.id, owner, record.started_at, OWNER_TTL)
    run = Run(record=record, store=store, inventory=loaded, owner=owner, resumed=resumed)
    if record.cancel_requested:
        run.stop.set()
    run.folder.mkdir(parents=True, exist_ok=True)
    _OPEN[run.id] = run
    done = threading.Event()
    heart = threading.Thread(
        target=_beat, args=(run, done), name=f"heartbeat {run.id}", daemon=True
    )
    heart.start()
    try:
        yield run
    except ConfigurationError as error:
        _close_unbegun(run, error)
        raise
    finally:
        done.set()
        heart.join(timeout=HEARTBEAT_SECONDS)
        del _OPEN[run.id]
        store.release_run(run.id, owner)


def _close_unbegun(run: Run, error: ConfigurationError) -> None:
    """End a run that cannot be planned as it is written: resuming it would only say so again."""
    if run.store.find_plan(run.id) is None:
        run.store.finish_run(run.id, Status.REFUSED, str(error), run.clock())


def _beat(run: Run, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        try:
            run.beat()
        except Exception as error:  # noqa: BLE001 - a beat that fails is told and tried again
            run.say("", "heartbeat", f"failed: {error}")


def _new(kind: str, inventory: Inventory, scope: str, parameters: dict[str, Any]) -> RunRecord:
    at = now()
    return RunRecord(
        id=new_run_id(kind, at),
        kind=kind,
        inventory=inventory.name,
        scope=scope,
        parameters={**parameters, "folder": inventory.folder, "seed": secrets.token_hex(16)},
        status=Status.IN_PROGRESS,
        started_at=at,
    )


def _to_resume(store: Store, wanted: RunRecord, resume: str, owner: str) -> RunRecord | None:
    if resume == "never":
        return None
    if resume != "auto":
        return _named(store, wanted, resume, owner)
    for record in store.find_unfinished(wanted.kind, wanted.inventory):
        if _same(record, wanted) and take(store, record, owner):
            return record
    return None


def _same(record: RunRecord, wanted: RunRecord) -> bool:
    """True where an unfinished run is what is asked for now, so that going on is the answer.

    One that was cancelled is not: what it began is brought to its end by `resume`.
    """
    return (
        record.scope == wanted.scope
        and not record.cancel_requested
        and wanted.started_at - record.started_at <= FRESH
        and all(_choice(record, key) == _choice(wanted, key) for key in CHOICE)
    )


def _choice(record: RunRecord, key: str) -> object:
    """Return a choice; what a record of an earlier version does not have was not chosen."""
    return record.parameters.get(key) or None


def _named(store: Store, wanted: RunRecord, run_id: str, owner: str) -> RunRecord:
    record = store.run(run_id)
    if record is None or record.kind != wanted.kind:
        raise ConfigurationError.of(f"there is no {wanted.kind} run {run_id!r}", field="resume")
    if not take(store, record, owner):
        raise Refused(f"run {run_id} is driven by {record.owner}, which is alive")
    if record.finished_at is not None:
        store.reopen_run(run_id)
        record = replace(
            record, finished_at=None, cancel_requested=False, reopened=record.reopened + 1
        )
    if forgiven := wanted.parameters.get("forgive"):
        store.forgive(run_id, forgiven)
    return record


def take(store: Store, record: RunRecord, owner: str) -> bool:
    """Take over a run whose owner is gone. False where its owner may be alive."""
    if record.owner and proven_dead(record.owner):
        store.release_run(record.id, record.owner)
    return store.claim_run(record.id, owner, now(), OWNER_TTL)


def orphaned_runs(run_id: str = "") -> list[RunRecord]:
    """Return unfinished runs that changed machines and whose controller is gone, oldest first."""
    store = open_store(settings().database_url)
    unfinished = [
        record
        for kind in ("patch", "emergency", "rollback")
        for record in store.find_unfinished(kind, None)
        if run_id in {"", record.id}
    ]
    at = now()
    return [r for r in unfinished if _ownerless(r, at)]


def _ownerless(record: RunRecord, at: datetime) -> bool:
    if not record.owner or proven_dead(record.owner):
        return True
    return record.owner_expires_at is not None and record.owner_expires_at <= at
