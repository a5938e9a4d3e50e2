"""Services of a computer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Service:
    """One service. `start` is Auto, Manual or Disabled, as CIM writes it."""

    name: str
    display: str
    start: str = "Manual"
    state: str = "Stopped"
    delayed: bool = False
    trigger: bool = False
    exit_code: int = 0
    pid: int = 0
    refuses: bool = False
    """Whether it does not start."""
    depends: tuple[str, ...] = ()
    path: str = "C:\\Windows\\System32\\svchost.exe -k netsvcs -p"
    account: str = "LocalSystem"


_KNOWN = (
    ("wuauserv", "Windows Update", "Manual", "Stopped", "trigger"),
    ("bits", "Background Intelligent Transfer Service", "Manual", "Stopped", ""),
    ("TrustedInstaller", "Windows Modules Installer", "Manual", "Stopped", ""),
    ("cryptsvc", "Cryptographic Services", "Auto", "Running", ""),
    ("UsoSvc", "Update Orchestrator Service", "Auto", "Running", "delayed"),
    ("msiserver", "Windows Installer", "Manual", "Stopped", ""),
    ("WinRM", "Windows Remote Management (WS-Management)", "Auto", "Running", ""),
    ("Schedule", "Task Scheduler", "Auto", "Running", ""),
    ("EventLog", "Windows Event Log", "Auto", "Running", ""),
    ("Dnscache", "DNS Client", "Auto", "Running", "trigger"),
    ("LanmanServer", "Server", "Auto", "Running", ""),
    ("W32Time", "Windows Time", "Auto", "Running", ""),
    ("WinDefend", "Microsoft Defender Antivirus Service", "Auto", "Running", ""),
    ("Spooler", "Print Spooler", "Auto", "Running", ""),
    ("W3SVC", "World Wide Web Publishing Service", "Auto", "Running", ""),
    ("sppsvc", "Software Protection", "Auto", "Stopped", "delayed trigger"),
    ("MapsBroker", "Downloaded Maps Manager", "Auto", "Stopped", "delayed"),
    ("RemoteRegistry", "Remote Registry", "Auto", "Stopped", "trigger"),
)


class Services:
    """All services of one computer."""

    def __init__(self) -> None:
        self._by_name: dict[str, Service] = {}
        for name, display, start, state, marks in _KNOWN:
            self.add(Service(name, display, start, state, "delayed" in marks, "trigger" in marks))
        self.get("W3SVC").path = "C:\\Windows\\System32\\svchost.exe -k iissvcs"

    def add(self, service: Service) -> Service:
        """Add a service, or replace one."""
        self._by_name[service.name.lower()] = service
        return service

    def find(self, name: str) -> Service | None:
        """Return a service by its name or its display name."""
        found = self._by_name.get(name.lower())
        return found or next(
            (s for s in self._by_name.values() if s.display.lower() == name.lower()), None
        )

    def get(self, name: str) -> Service:
        """Return a service that is there.

        Raises:
            KeyError: it is not.
        """
        return self._by_name[name.lower()]

    def all(self) -> list[Service]:
        """Return all services, by name."""
        return sorted(self._by_name.values(), key=lambda service: service.name.lower())

    def state(self) -> list[dict[str, Any]]:
        """Return everything as JSON can hold it."""
        return [asdict(service) for service in self._by_name.values()]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Become what `state` returned."""
        self._by_name = {}
        for entry in state:
            self.add(Service(**{**entry, "depends": tuple(entry["depends"])}))
