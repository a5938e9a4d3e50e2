"""Going down and coming up again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchyard.testing.windows.host import pending
from patchyard.testing.windows.host.catalogue import Update
from patchyard.testing.windows.host.clock import Timer
from patchyard.testing.windows.host.faults import Fault

if TYPE_CHECKING:
    from patchyard.testing.windows.host.computer import SimulatedComputer

ALREADY_SCHEDULED = 1190
IN_PROGRESS = 1115
NOT_SCHEDULED = 1116
ACCESS_DENIED = 5


class PowerSupply:
    """How one computer goes down and comes up.

    `down_seconds` nobody is there, `starting_seconds` there is a network and no WinRM.
    """

    def __init__(self, computer: SimulatedComputer) -> None:
        self._computer = computer
        self.down_seconds = 25.0
        self.starting_seconds = 20.0
        self.going_seconds = 8.0
        """How long it says that a shutdown is in progress, before it is down."""
        self._scheduled: Timer | None = None
        self.going = False

    def shut_down(self, seconds: float, *, restart: bool, reason: str, user: str) -> int:
        """Schedule a shutdown as shutdown.exe does; return its exit code."""
        refused = self._computer.faults.strike(Fault.REBOOT_REFUSED)
        if refused is not None:
            return int(refused.get("code", ACCESS_DENIED))
        if self.going:
            return IN_PROGRESS
        if self._scheduled is not None:
            return ALREADY_SCHEDULED
        computer = self._computer
        kind = "restart" if restart else "power off"
        computer.events.add(
            "System",
            "User32",
            1074,
            4,
            computer.clock.time(),
            f"The process C:\\Windows\\system32\\shutdown.exe has initiated the {kind} of computer "
            f"{computer.name} on behalf of user {user} for the following reason: {reason}",
        )
        self._scheduled = computer.clock.after(seconds, lambda: self._begin(restart=restart))
        return 0

    def abort(self) -> int:
        """Call a scheduled shutdown off; return shutdown.exe's exit code."""
        if self._scheduled is None:
            return NOT_SCHEDULED
        self._scheduled.cancelled = True
        self._scheduled = None
        return 0

    def _begin(self, *, restart: bool) -> None:
        self._scheduled = None
        self.going = True
        self._computer.clock.after(self.going_seconds, lambda: self.go_down(restart=restart))

    def go_down(self, *, restart: bool = True, clean: bool = True) -> None:
        """Be down from now on, and come back after a while if it is a restart."""
        computer = self._computer
        now = computer.clock.time()
        if clean:
            computer.events.add(
                "System", "EventLog", 6006, 4, now, "The Event log service was stopped."
            )
        self.going = False
        self._scheduled = None
        computer.power_now = "down"
        computer.updates.interrupt()
        computer.tasks.stop_all()
        computer.processes.end_all()
        if not restart or computer.faults.strike(Fault.NEVER_BACK) is not None:
            return
        slow = computer.faults.strike(Fault.SLOW_REBOOT) or {}
        work = sum(offer.update.reboot_minutes * 60 for offer in computer.updates.pending())
        seconds = self.down_seconds + work + float(slow.get("seconds", 0))
        computer.clock.after(seconds, lambda: self._start(clean=clean))

    def power_on(self) -> None:
        """Start a computer that is off."""
        if self._computer.power_now == "down":
            self._start(clean=True)

    def boot_at_once(self) -> None:
        """Boot in no time: what a computer does that was saved and is taken up again."""
        self._boot(clean=True)
        self._computer.power_now = "up"
        self._computer.note_ready()

    def _start(self, *, clean: bool) -> None:
        self._boot(clean=clean)
        self._computer.power_now = "starting"
        self._servicing()
        self._computer.clock.after(self.starting_seconds, self._up)

    def _boot(self, *, clean: bool) -> None:
        computer = self._computer
        computer.boots += 1
        computer.boot_time = computer.clock.time()
        pending.settle_after_boot(computer.registry)
        computer.updates.complete(self._rolls_back)
        computer.show_version()
        computer.note_boot(clean=clean)
        computer.start_services()

    def _rolls_back(self, update: Update) -> bool:
        return self._computer.faults.strike(Fault.ROLLS_BACK, update=update.id) is not None

    def _servicing(self) -> None:
        computer = self._computer
        busy = computer.faults.look(Fault.SERVICING_AFTER_BOOT)
        if busy is None:
            return
        computer.registry.set(pending.INTERFACE, "ServicingInProgress", 2)
        seconds = self.starting_seconds + float(busy.get("seconds", 60))

        def over() -> None:
            computer.registry.set(pending.INTERFACE, "ServicingInProgress", 0)

        computer.clock.after(seconds, over)

    def _up(self) -> None:
        computer = self._computer
        computer.power_now = "up"
        late = computer.faults.look(Fault.SLOW_READY) or {}
        computer.clock.after(float(late.get("seconds", 2)), computer.note_ready)
