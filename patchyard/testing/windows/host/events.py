"""The event logs of a computer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LEVELS = {1: "Critical", 2: "Error", 3: "Warning", 4: "Information"}
UPDATE_CLIENT = "Microsoft-Windows-WindowsUpdateClient"
TASK_LOG = "Microsoft-Windows-TaskScheduler/Operational"
LOGS = (
    "System",
    "Application",
    "Setup",
    "Security",
    TASK_LOG,
    "Microsoft-Windows-WindowsUpdateClient/Operational",
)


@dataclass(frozen=True)
class Event:
    """One record."""

    log: str
    provider: str
    id: int
    level: int
    time: float
    message: str
    record: int = 0
    properties: tuple[str, ...] = ()
    """What the message is filled in with."""


class EventLog:
    """All logs of one computer."""

    def __init__(self) -> None:
        self.records: list[Event] = []

    def add(
        self,
        log: str,
        provider: str,
        number: int,
        level: int,
        time: float,
        message: str,
        *properties: str,
    ) -> None:
        """Write a record."""
        record = len(self.records) + 1
        event = Event(log, provider, number, level, time, message, record, properties)
        self.records.append(event)

    def state(self) -> list[dict[str, Any]]:
        """Return everything as JSON can hold it."""
        return [asdict(record) for record in self.records]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Become what `state` returned."""
        self.records = [
            Event(**{**entry, "properties": tuple(entry["properties"])}) for entry in state
        ]
