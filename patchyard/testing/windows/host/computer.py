"""A simulated Windows Server: what it is made of, and what tests make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from patchyard.testing.windows.base import Power, Program
from patchyard.testing.windows.host import pending, saving
from patchyard.testing.windows.host.catalogue import Update
from patchyard.testing.windows.host.clock import Clock
from patchyard.testing.windows.host.events import EventLog
from patchyard.testing.windows.host.facts import write_facts, write_service
from patchyard.testing.windows.host.faults import Fault, Faults
from patchyard.testing.windows.host.files import FileSystem
from patchyard.testing.windows.host.packages import ComponentStore, Package
from patchyard.testing.windows.host.power import PowerSupply
from patchyard.testing.windows.host.processes import Processes
from patchyard.testing.windows.host.profiles import CURRENT, SERVER_2022, Profile
from patchyard.testing.windows.host.programs import start_program
from patchyard.testing.windows.host.registry import Registry
from patchyard.testing.windows.host.services import Service, Services
from patchyard.testing.windows.host.tasks import Tasks
from patchyard.testing.windows.host.updating import WindowsUpdate

AWAY = 30 * 86400.0


class SimulatedComputer:
    """One computer. All that a script can see of it is in its parts.

    Args:
        name: its host name.
        profile: what kind of Windows Server it is.
        factor: how many of its seconds pass in one of ours.
        start: the moment at which it begins; now, if it is not given.
        leaps: whether time that is only waited for is left out (clock.py).
    """

    def __init__(
        self,
        name: str = "win-0001",
        profile: Profile = SERVER_2022,
        *,
        factor: float = 60.0,
        start: datetime | None = None,
        leaps: bool = False,
    ) -> None:
        self.name = name
        self.profile = profile
        self.clock = Clock(start, factor, leaps=leaps)
        self.skew = 0.0
        """Seconds by which its own clock is wrong."""
        now = self.clock.time()
        self.boots = 1
        self.boot_time = now - AWAY
        self.power_now: Power = "up"
        self.registry = Registry()
        self.files = FileSystem(now - AWAY)
        self.services = Services()
        self.processes = Processes()
        self.events = EventLog()
        self.store = ComponentStore(profile.build, profile.revision)
        self.updates: WindowsUpdate = WindowsUpdate(self)
        self.catalogue = self.updates
        self.tasks = Tasks(self)
        self.supply = PowerSupply(self)
        self.faults = Faults()
        self.mutexes: dict[str, int] = {}
        """Global names, each with the process that holds it."""
        self.listening: set[int] = {135, 445, 3389, 5985}
        self.web: dict[str, tuple[int, str]] = {}
        """What an HTTP address answers: status and body."""
        self.reachable: dict[tuple[str, int], bool] = {}
        """Whether a connection to another computer's port is accepted."""
        self.names: dict[str, list[str]] = {"localhost": ["127.0.0.1"]}
        """What the name service knows."""
        self.absent_namespaces = {"root/ccm/clientsdk", "root/ccm"}
        """CIM namespaces that are known not to be there."""
        self.cim_methods: dict[tuple[str, str, str], dict[str, Any]] = {}
        """What methods of CIM classes answer: namespace, class and method in lower case."""
        self.file_locks: dict[str, Any] = {}
        self.reboot_first = False
        """Whether the update agent wants a reboot before it installs anything."""
        self.reboot_between = False
        """Whether it wants one before it installs anything beside what waits for one."""
        self.vbs = 2 if profile.hotpatch else 0
        self.shown: list[str] = []
        """What was shown to whoever is logged in."""
        self.refused: list[str] = []
        """What scripts have asked for that is not known; a good test ends with none."""
        self.nothings: list[str] = []
        """Fields that scripts have written as {} for want of a value; a good test ends with none.
        """
        self._baseline()
        write_facts(self)
        self.note_boot(clean=True)
        self.note_ready()
        self.start_services()

    def _baseline(self) -> None:
        now = self.boot_time
        name = f"Package_for_RollupFix~31bf3856ad364e35~amd64~~{self.profile.baseline}.1.4"
        self.store.packages.append(
            Package(
                name, "Installed", self.profile.baseline_kb, self.profile.baseline, installed=now
            )
        )

    # Computer

    @property
    def boot(self) -> int:
        """Counts boots."""
        self.settle()
        return self.boots

    @property
    def power(self) -> Power:
        """Whether it runs now."""
        self.settle()
        return self.power_now

    def start(
        self,
        command: str,
        arguments: Sequence[str],
        *,
        user: str,
        environment: Mapping[str, str],
        direct: bool,
    ) -> Program:
        """Start a program as a user's WinRM shell does.

        Raises:
            NotSimulated: the computer does not know this program.
        """
        self.settle()
        return start_program(self, command, arguments, user, environment, direct=direct)

    def settle(self) -> None:
        """Let everything happen that is due by now."""
        self.clock.settle()

    # What a test or a demo makes of it

    def cause(self, fault: Fault, *, times: int = -1, **detail: Any) -> None:
        """Make something wrong; what a fault takes is told where it is declared.

        Without `times` it stays until it is healed.
        """
        if isinstance(detail.get("update"), Update):
            detail["update"] = detail["update"].id
        if fault == Fault.BUSY:
            self.processes.start("TiWorker", "S-1-5-18", self.clock.time())
        if fault == Fault.STORE_CORRUPT:
            self.store.health = "Repairable"
        self.faults.cause(fault, times=times, **detail)

    def heal(self, fault: Fault) -> None:
        """End a fault. What it has led to stays."""
        if fault == Fault.BUSY:
            for process in self.processes.named("TiWorker"):
                self.processes.end(process, 0)
        self.faults.heal(fault)

    def owe_reboot(self, reason: str = "cbs_reboot_pending") -> None:
        """Let a reboot be pending for one of the reasons in `pending.REASONS`."""
        pending.REASONS[reason](self.registry)

    def add_service(self, service: Service) -> None:
        """Add a service, with what the registry says of it."""
        self.services.add(service)
        write_service(self, service)

    def manage_by_sccm(self, *, reboot_pending: bool = False) -> None:
        """Let another product manage its updates."""
        self.absent_namespaces.clear()
        answer = {"RebootPending": reboot_pending, "IsHardRebootPending": False}
        name = ("root/ccm/clientsdk", "ccm_clientutilities", "determineifrebootpending")
        self.cim_methods[name] = answer

    def restart(self, after: float = 0.0, *, clean: bool = True) -> None:
        """Reboot as somebody else does, or with `clean` off as a power cut does."""
        self.clock.after(after, lambda: self.supply.go_down(clean=clean))
        self.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self.clock.advance(seconds)

    def save(self, path: Path) -> None:
        """Write its state to a file."""
        saving.save(self, path)

    def load(self, path: Path) -> None:
        """Take up the state that `save` wrote, as after having been off for a while.

        Raises:
            ValueError: the file is of another computer.
        """
        saving.load(self, path)

    # What its parts ask

    def free_bytes(self) -> int:
        """Return what is free on C:."""
        full = self.faults.look(Fault.DISK_FULL)
        return self.files.free if full is None else int(full.get("bytes", 0))

    def mark_pending(self) -> None:
        """Note that servicing waits for a reboot."""
        pending.mark(self.registry)

    def reboot_required(self) -> bool:
        """Return what the update agent says about a reboot."""
        return pending.is_marked(self.registry) or bool(self.updates.pending())

    def show_version(self) -> None:
        """Write the build that runs where scripts read it."""
        self.registry.set(CURRENT, "UBR", self.store.revision)
        self.registry.set(CURRENT, "LCUVer", f"10.0.{self.store.version}")

    def note_boot(self, *, clean: bool) -> None:
        """Write what a boot leaves in the event log."""
        at = self.boot_time
        kernel = "Microsoft-Windows-Kernel-General"
        self.events.add("System", kernel, 12, 4, at, "The operating system started.")
        self.events.add("System", "EventLog", 6005, 4, at, "The Event log service was started.")
        if not clean:
            self.events.add(
                "System", "EventLog", 6008, 2, at, "The previous system shutdown was unexpected."
            )
            self.events.add(
                "System",
                "Microsoft-Windows-Kernel-Power",
                41,
                1,
                at,
                "The system has rebooted without cleanly shutting down first.",
            )

    def note_ready(self) -> None:
        """Write what LogonUI writes once configuring is over."""
        self.registry.make(pending.LOGON_CHECKED, volatile=True)

    def start_services(self) -> None:
        """Start what starts with the computer; one that refuses says so in the log."""
        stays_down = self.faults.look(Fault.SERVICE_STAYS_DOWN)
        down = str(stays_down.get("service", "")).lower() if stays_down else ""
        for service in self.services.all():
            if service.start != "Auto" or service.trigger:
                continue
            if service.refuses or service.name.lower() == down:
                service.state, service.exit_code = "Stopped", 1053
                self.events.add(
                    "System",
                    "Service Control Manager",
                    7000,
                    2,
                    self.clock.time(),
                    f"The {service.display} service failed to start due to the following error: "
                    "The service did not respond to the start or control request in a timely "
                    "fashion.",
                    service.display,
                    "%%1053",
                )
            elif not service.delayed:
                service.state = "Running"
                service.pid = self.processes.start("svchost", "S-1-5-18", self.clock.time()).pid
