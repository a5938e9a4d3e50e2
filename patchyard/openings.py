"""A run in its window: claimed once, under its configuration, by its machines' own times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile

from patchyard.domain.admission import EXCEEDED
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.maintenance import (
    LONGEST_PREPARATION,
    Maintenance,
    MaintenanceConfiguration,
)
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.outcome import Status
from patchyard.domain.path import RebootSetting
from patchyard.domain.rings import NOT_READY
from patchyard.domain.room import WindowRoom
from patchyard.errors import ConfigurationError
from patchyard.maintenance_parameters import bare_key
from patchyard.parameters import WindowParameters
from patchyard.promoting import judge_ring
from patchyard.providers import load_maintenance
from patchyard.runs import Run
from patchyard.store import WindowClaim

TAKEN = "window_taken"
"""The word for a run whose window another run has."""

GONE = "window_closed"
"""The word for a run whose window was moved, frozen, skipped or taken away after it was booked."""

FAR = LONGEST_PREPARATION + timedelta(days=1)
"""How far ahead a run looks for its own window, which has begun or soon will."""


ASK_AGAIN = timedelta(minutes=1)
"""Time between two looks whether a window that is waited for is still what it was."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a run may not begin. `word` is what its end is called."""

    word: str
    reason: str

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}"


def enter(run: Run) -> Closed | None:
    """Let a run into its window: claim it, and take its configuration's rules for the machines.

    What a run that has its window has begun is brought to its end, however late it is taken up
    again. One that died before it had claimed its window has begun nothing, and is asked anew. A
    dry run claims nothing.
    """
    window = run.window
    if window is None:
        return None
    has_it = run.resumed and _has_claimed(run, window)
    closed = None if has_it else _at_the_wrong_time(run, window) or _not_open(run, window)
    closed = closed or _not_proven(run, window)
    if closed is None and not has_it and not run.record.parameters.get("dry_run"):
        closed = _claim(run, window)
    if closed is None:
        _take_rules(run, window)
    return closed


class Opening:
    """The opening of a run's window: until the first machine is begun on, it may still be closed.

    What a person has frozen, moved or taken away while the run was preparing is given back, so
    that a later run can have it.
    """

    def __init__(self, run: Run) -> None:
        """See whether a controller before this one has begun on machines: then it is past."""
        begun = any(
            record.wave and record.status != Status.NOT_STARTED
            for record in run.store.machines(run.id)
        )
        self._run, self._past, self._asked = run, run.window is None or begun, run.clock()

    def closed(self, *, beginning: bool) -> Closed | None:
        """Say why nothing may begin any more, if so. While it is waited for, ask now and then."""
        window = self._run.window
        if self._past or window is None:
            return None
        now, self._past = self._run.clock(), beginning
        if not beginning and now - self._asked < ASK_AGAIN:
            return None
        self._asked = now
        closed = self._told(window, beginning=beginning)
        if closed is not None:
            self._run.store.release_window(self._run.inventory.name, self._run.id)
        return closed

    def _told(self, window: WindowParameters, *, beginning: bool) -> Closed | None:
        """Ask the files. Somebody may be writing in them: that counts when the window opens."""
        try:
            return _not_open(self._run, window)
        except ConfigurationError as error:
            told = f"whether window {window.key} is still open cannot be told: {error}"
            return Closed(GONE, told) if beginning else None


def _at_the_wrong_time(run: Run, window: WindowParameters) -> Closed | None:
    now = run.clock()
    if now >= window.end:
        told = f"window {window.key} ended at {window.end:%Y-%m-%d %H:%M} UTC, before this run came"
        return Closed(EXCEEDED, told)
    if window.start - now > LONGEST_PREPARATION:
        told = f"window {window.key} opens at {window.start:%Y-%m-%d %H:%M} UTC only"
        return Closed(EXCEEDED, told)
    return None


def _has_claimed(run: Run, window: WindowParameters) -> bool:
    claims = run.store.window_claims(run.inventory.name, [bare_key(window.key)])
    return run.id in {claim.run_id for claim in claims} or _has_a_part(run, window)


def _has_a_part(run: Run, window: WindowParameters) -> bool:
    """Say whether an earlier version let the run into a part of its window, `KEY#windows`.

    The window's claim may be that of the run of the other part. A plan is frozen only by who is in.
    """
    part = window.key != bare_key(window.key) and not run.record.parameters.get("dry_run")
    return part and run.store.find_plan(run.id) is not None


def _claim(run: Run, window: WindowParameters) -> Closed | None:
    inventory, now = run.inventory.name, run.clock()
    has_it = run.store.claim_window(
        WindowClaim(inventory, window.key, run.id, window.start, window.end, now)
    )
    if has_it == run.id:
        return None
    return Closed(TAKEN, f"window {window.key} belongs to run {has_it}{_elsewhere(run, has_it)}")


def _elsewhere(run: Run, other: str) -> str:
    """Say where the inventory of another run stands, if it is not this one."""
    record = run.store.run(other)
    folder = str(record.parameters.get("folder", "")) if record else ""
    return f", whose inventory is in {folder}" if folder not in {"", run.inventory.folder} else ""


def _not_open(run: Run, window: WindowParameters) -> Closed | None:
    """Look again whether the window is still what it was when it was booked.

    A part of a window, as earlier versions booked them, is no window: its run ends here, and the
    one run that the dispatcher books for the whole window does its work.
    """
    key = window.key
    found = _windows(run, key)
    if found is None:
        return Closed(GONE, f"window {key} is no more")
    if found.state != State.OPEN:
        return Closed(GONE, f"window {key} is {found.state}: {found.reason}")
    if (found.start, found.end) != (window.start, window.end):
        return Closed(GONE, f"window {key} has moved to {found.start:%Y-%m-%d %H:%M} UTC")
    return None


def _not_proven(run: Run, window: WindowParameters) -> Closed | None:
    """Judge the ring before this one, unless a plan is frozen already: that stays what it is."""
    _, configuration = _configuration(run, window.key)
    ring = configuration.ring
    if ring is None or run.store.find_plan(run.id) is not None:
        return None
    judged = judge_ring(run, ring)
    if judged.ran is None or not (judged.proven or ring.otherwise == "ask"):
        return Closed(NOT_READY, judged.told)
    run.ring = (ring, judged)
    return None


def _windows(run: Run, key: str) -> Window | None:
    """Return the window of that key as the configuration has it now."""
    maintenance, configuration = _configuration(run, key)
    zones = configuration.by_zone(configuration.machines(run.inventory))
    for zone in zones or (configuration.schedule.time_zone,):
        near = maintenance.windows(configuration, zone, run.clock())
        soon = takewhile(lambda found: found.start <= run.clock() + FAR, near)
        for found in soon:
            if found.key == key:
                return found
    return None


def _take_rules(run: Run, window: WindowParameters) -> None:
    """See the machines as the window's configuration has them: its checks, its undo policy.

    Raises:
        ConfigurationError: the configuration is no more.
    """
    _, configuration = _configuration(run, window.key)
    under = tuple(configuration.under(machine) for machine in run.inventory.machines)
    run.inventory = Inventory(name=run.inventory.name, folder=run.inventory.folder, machines=under)


def _configuration(run: Run, key: str) -> tuple[Maintenance, MaintenanceConfiguration]:
    maintenance, name = load_maintenance(run.inventory.folder), key.partition("@")[0]
    for each in maintenance.configurations:
        if each.name == name:
            return maintenance, each
    raise ConfigurationError.of(f"there is no maintenance configuration {name!r}", field="window")


# --- what machines took before ----------------------------------------------------------------


def room_of(run: Run, machine: Machine, reboot: RebootSetting) -> WindowRoom:
    """Return what is left of the run's window for a machine, by its own times."""
    assert run.window is not None  # noqa: S101 - asked only of runs that have one
    return WindowRoom(
        closes=run.window.end,
        family=machine.os_family,
        history=run.measured.of(machine.name),
        may_reboot=reboot != RebootSetting.NEVER,
        may_undo=machine.policy.undo != "never",
    )
