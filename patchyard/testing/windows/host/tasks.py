"""Scheduled tasks: they outlive the shell that made them, and run as SYSTEM."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.events import TASK_LOG
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.processes import Process

if TYPE_CHECKING:
    from patchyard.testing.windows.host.computer import SimulatedComputer

DISABLED, QUEUED, READY, RUNNING = 1, 2, 3, 4
NEVER_RUN = 0x41303
IS_RUNNING = 0x41301
IS_QUEUED = 0x41325
TERMINATED = 0x41306
NOT_FOUND = 0x80070002
PROVIDER = "Microsoft-Windows-TaskScheduler"
SYSTEM_NAMES = {"s-1-5-18", "system", "nt authority\\system", "localsystem"}
START_SECONDS = 1.0


@dataclass
class Definition:
    """What a task does, and for whom."""

    path: str = ""
    arguments: str = ""
    directory: str = ""
    user: str = ""
    run_level: int = 0
    limit: str = "PT72H"
    multiple: int = 2
    enabled: bool = True
    description: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Task:
    r"""One task in its folder, such as `\\Patchyard\\run-1`."""

    path: str
    definition: Definition
    last_result: int = NEVER_RUN
    last_run: float = 0.0
    queued: bool = False
    process: Process | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("\\")[2]

    @property
    def running(self) -> bool:
        """True while its process runs."""
        return self.process is not None and not self.process.ended

    @property
    def state(self) -> int:
        """What the scheduler calls its state."""
        if not self.definition.enabled:
            return DISABLED
        if self.queued:
            return QUEUED
        return RUNNING if self.running else READY


class Tasks:
    """The task scheduler of one computer."""

    def __init__(self, computer: SimulatedComputer) -> None:
        self._computer = computer
        self._lock = threading.Lock()
        self.folders: set[str] = {"\\"}
        self.by_path: dict[str, Task] = {}
        self.programs: list[Any] = []
        self.launched: Counter[str] = Counter()
        """How often each task was started, by its name."""
        self.exits: Counter[tuple[str, int]] = Counter()
        """How often each has ended with which exit code."""

    def find(self, path: str) -> Task | None:
        """Return a task by its path."""
        return self.by_path.get(path.lower())

    def register(self, path: str, definition: Definition) -> Task:
        """Add a task, or replace one."""
        with self._lock:
            before = self.by_path.get(path.lower())
            task = Task(path, definition)
            if before is not None and before.running:
                task.process = before.process
            self.by_path[path.lower()] = task
            self.folders.add((path.rpartition("\\")[0] or "\\").lower())
            return task

    def delete(self, path: str) -> bool:
        """Remove a task; what it has started goes on."""
        with self._lock:
            return self.by_path.pop(path.lower(), None) is not None

    def run(self, task: Task) -> None:
        """Start a task, a moment later; one that runs already is left alone."""
        if task.running or task.queued:
            return
        task.queued = True
        if self._computer.faults.look(Fault.TASK_NEVER_RUNS) is not None:
            task.last_result = IS_QUEUED
            self._log(
                101,
                2,
                f'Task Scheduler failed to start "{task.path}" task for user '
                '"NT AUTHORITY\\SYSTEM". Additional Data: Error Value: 2147943785.',
            )
            return
        self._computer.clock.after(START_SECONDS, lambda: self._launch(task))

    def _launch(self, task: Task) -> None:
        computer = self._computer
        task.queued = False
        if computer.power_now != "up":
            return
        now = computer.clock.time()
        system = task.definition.user.lower() in SYSTEM_NAMES
        if not system:
            raise NotSimulated(f"a scheduled task for {task.definition.user!r}")
        process = computer.processes.start("powershell", "NT AUTHORITY\\SYSTEM", now)
        task.process, task.last_run, task.last_result = process, now, IS_RUNNING
        self.launched[task.name] += 1
        self._log(129, 4, f'Task Scheduler launched task "{task.path}".')
        killed = computer.faults.strike(Fault.TASK_KILLED)
        if killed is not None:
            computer.clock.after(
                float(killed.get("seconds", 5)), lambda: computer.processes.end(process)
            )
        self._begin(task, process)

    def _begin(self, task: Task, process: Process) -> None:
        from patchyard.testing.windows.host.program import PowerShell  # noqa: PLC0415
        from patchyard.testing.windows.host.programs import (  # noqa: PLC0415
            is_powershell,
            order_of,
            words_of,
        )

        definition = task.definition
        if not is_powershell(definition.path):
            self._computer.refused.append(f"{task.path}: the program {definition.path!r}")
            self._computer.processes.end(process)
            return
        order = order_of(words_of(definition.arguments))
        script = order.script
        if order.file:
            script = self._computer.files.read(order.file).decode("utf-8-sig")

        def ended(code: int) -> None:
            self.exits[task.name, code] += 1
            if task.process is process and task.last_result == IS_RUNNING:
                task.last_result = code

        program = PowerShell(
            self._computer, process, "system", script, file=order.file, ended=ended
        )
        program.stdin.feed(b"", end=True)
        self.programs.append(program)
        program.begin()

    def stop(self, task: Task) -> None:
        """End a task's process."""
        task.queued = False
        if task.process is not None and not task.process.ended:
            task.last_result = TERMINATED
            self._computer.processes.end(task.process)

    def stop_all(self) -> None:
        """End everything, as a shutdown does."""
        for task in list(self.by_path.values()):
            self.stop(task)

    def wait(self, longest: float = 30.0) -> None:
        """Wait for whatever tasks have started; `longest` is in our own seconds."""
        for program in list(self.programs):
            program.join(longest)

    def _log(self, number: int, level: int, message: str) -> None:
        now = self._computer.clock.time()
        self._computer.events.add(TASK_LOG, PROVIDER, number, level, now, message)

    def state(self) -> list[dict[str, Any]]:
        """Return everything as JSON can hold it."""
        return [
            {
                "path": task.path,
                "definition": asdict(task.definition),
                "last_result": TERMINATED if task.running else task.last_result,
                "last_run": task.last_run,
            }
            for task in self.by_path.values()
        ]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Become what `state` returned."""
        self.by_path = {}
        for entry in state:
            task = self.register(entry["path"], Definition(**entry["definition"]))
            task.last_result, task.last_run = entry["last_result"], entry["last_run"]
