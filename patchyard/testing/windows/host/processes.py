"""Processes of a computer, and the job objects in which a remote shell keeps its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field


@dataclass
class Process:
    """One process. A `job` is ended as a whole."""

    pid: int
    name: str
    user: str
    started: float
    job: int = 0
    parent: int = 0
    cpu: float = 0.0
    exit_code: int | None = None
    arguments: str = ""
    mutexes: set[str] = field(default_factory=set)
    waits_for: str = ""
    """The mutex that it waits for."""
    path: str = ""

    @property
    def ended(self) -> bool:
        """True where it runs no more."""
        return self.exit_code is not None


class Processes:
    """All processes of one computer."""

    def __init__(self) -> None:
        self._pids = itertools.count(1204, 4)
        self._jobs = itertools.count(1)
        self.running: dict[int, Process] = {}

    def new_job(self) -> int:
        """Return a new job object."""
        return next(self._jobs)

    def start(
        self,
        name: str,
        user: str,
        now: float,
        *,
        job: int = 0,
        parent: int = 0,
        arguments: str = "",
    ) -> Process:
        """Start a process."""
        process = Process(next(self._pids), name, user, now, job, parent, arguments=arguments)
        self.running[process.pid] = process
        return process

    def end(self, process: Process, code: int = 1) -> None:
        """End one process."""
        if process.exit_code is None:
            process.exit_code = code
        self.running.pop(process.pid, None)

    def end_job(self, job: int) -> None:
        """End every process of a job object."""
        for process in [p for p in list(self.running.values()) if job and p.job == job]:
            self.end(process)

    def end_all(self) -> None:
        """End everything, as a shutdown does."""
        for process in list(self.running.values()):
            self.end(process)

    def named(self, name: str) -> list[Process]:
        """Return processes by their name, with or without .exe."""
        wanted = name.lower().removesuffix(".exe")
        return [p for p in list(self.running.values()) if p.name.lower() == wanted]
