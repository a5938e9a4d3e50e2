"""Shells and the commands in them, with the quotas Windows sets."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from patchyard.testing.windows.base import Computer, Program
from patchyard.testing.windows.winrm.problems import Code, Problem
from patchyard.testing.windows.winrm.settings import Settings

SLICE = 0.1
"""Seconds between two looks whether a wait has become pointless."""

GONE = "The request contained invalid selectors for the resource: there is no such shell."


@dataclass(frozen=True, slots=True)
class Received:
    """What one Receive hands over; `exit_code` is None while the command runs."""

    stdout: bytes
    stderr: bytes
    exit_code: int | None


class Command:
    """One command of a shell. Its output is handed over once, in pieces."""

    def __init__(self, identity: str, program: Program) -> None:
        self.id = identity
        self.ended = False
        self._program = program
        self._turn = 0
        self._lock = threading.Lock()
        self._stdout, self._stderr = b"", b""
        self._exit_code: int | None = None
        self._closed = False

    def feed(self, data: bytes, *, end: bool) -> None:
        """Give it input.

        Raises:
            Problem: its input has ended, or the command has.
        """
        with self._lock:
            if self._closed or self.ended:
                raise Problem(Code.BROKEN_PIPE, "The pipe has been ended.")
            self._closed = end
            self._program.feed(data, end=end)

    def receive(self, longest: float, most: int, pointless: Callable[[], bool]) -> Received:
        """Wait for output or the end.

        Args:
            longest: seconds to wait.
            most: bytes to hand over of each stream.
            pointless: says whether nobody waits for the answer any more.

        Raises:
            Problem: nothing came in time, or the command was ended meanwhile.
        """
        with self._lock:
            self._turn += 1
            turn = self._turn
        deadline = time.monotonic() + longest
        while True:
            found = self._look(deadline)
            with self._lock:
                if self.ended or turn != self._turn or pointless():
                    raise Problem(Code.ABORTED, "The I/O operation has been aborted.")
                if found:
                    return self._taken(most)
            if time.monotonic() >= deadline:
                raise Problem(
                    Code.OPERATION_TIMEOUT,
                    "The WS-Management service cannot complete the operation within the time "
                    "specified in OperationTimeout.",
                )

    def _look(self, deadline: float) -> bool:
        """Wait a little for something to hand over; what comes is kept until it is taken."""
        with self._lock:
            if not self._has_something:
                left = max(0.0, min(SLICE, deadline - time.monotonic()))
                said = self._program.receive(left)
                self._stdout, self._stderr = said.stdout, said.stderr
                self._exit_code = said.exit_code
            return self._has_something

    @property
    def _has_something(self) -> bool:
        return bool(self._stdout or self._stderr) or self._exit_code is not None

    def _taken(self, most: int) -> Received:
        out, self._stdout = self._stdout[:most], self._stdout[most:]
        err, self._stderr = self._stderr[:most], self._stderr[most:]
        return Received(out, err, None if self._stdout or self._stderr else self._exit_code)

    def end(self) -> None:
        """End it, and what it has started as its children."""
        self.ended = True
        self._program.end()


@dataclass
class Shell:
    """One shell of a user."""

    id: str
    user: str
    environment: Mapping[str, str]
    idle_timeout: float
    input_streams: str
    output_streams: str
    codepage: str = ""
    commands: dict[str, Command] = field(default_factory=dict)
    started: int = 0
    used: float = field(default_factory=time.monotonic)

    def command(self, identity: str) -> Command:
        """Return a command.

        Raises:
            Problem: there is none of that id.
        """
        if identity not in self.commands:
            raise Problem(
                Code.SHELL_NOT_FOUND,
                "The request contained invalid selectors for the resource: there is no such "
                "command in the shell.",
            )
        return self.commands[identity]


class Shells:
    """All shells of one computer. They end with its boot."""

    def __init__(self, computer: Computer, settings: Settings) -> None:
        self._computer = computer
        self._settings = settings
        self._boot = computer.boot
        self._shells: dict[str, Shell] = {}
        self._lock = threading.RLock()

    @property
    def open(self) -> int:
        """How many shells there are."""
        self.tidy()
        return len(self._shells)

    def tidy(self) -> None:
        """Drop the shells of an earlier boot, and those that were idle for too long."""
        now = time.monotonic()
        with self._lock:
            rebooted = self._computer.boot != self._boot
            self._boot = self._computer.boot
            for shell in tuple(self._shells.values()):
                if rebooted or now - shell.used > shell.idle_timeout:
                    self._drop(shell)

    def add(self, shell: Shell) -> None:
        """Add a shell.

        Raises:
            Problem: the user has as many as are allowed, or the id is taken.
        """
        with self._lock:
            self.tidy()
            own = [each for each in self._shells.values() if each.user == shell.user]
            if len(own) >= self._settings.max_shells:
                raise Problem(
                    Code.SHELLS_QUOTA,
                    "The WS-Management service cannot process the request. This user is allowed "
                    f"a maximum number of {self._settings.max_shells} concurrent shells, which "
                    "has been exceeded. Close existing shells or raise the quota for this user.",
                )
            if shell.id in self._shells:
                raise Problem(Code.SCHEMA, "There is a shell of this id.")
            self._shells[shell.id] = shell

    def get(self, identity: str, user: str) -> Shell:
        """Return a user's shell, and note that it is used.

        Raises:
            Problem: there is none, or it is another user's.
        """
        with self._lock:
            self.tidy()
            found = self._shells.get(identity)
            if found is None or found.user != user:
                raise Problem(Code.SHELL_NOT_FOUND, GONE)
            found.used = time.monotonic()
            return found

    def start(self, shell: Shell, identity: str, program: Callable[[], Program]) -> Command:
        """Start a command in a shell.

        Raises:
            Problem: a quota is used up, or the id is taken.
        """
        with self._lock:
            own = [each for each in self._shells.values() if each.user == shell.user]
            if sum(each.started for each in own) >= self._settings.max_operations:
                raise Problem(
                    Code.OPERATIONS_QUOTA,
                    "The WS-Management service cannot process the request. The maximum number of "
                    "concurrent operations for this user has been exceeded. Close existing "
                    "operations for this user, or raise the quota for this user.",
                )
            if len(shell.commands) >= self._settings.max_processes:
                raise Problem(
                    Code.PROCESSES_QUOTA,
                    "The WS-Management service cannot process the request. The maximum number of "
                    f"processes per shell is {self._settings.max_processes}.",
                )
            if identity in shell.commands:
                raise Problem(Code.SCHEMA, "There is a command of this id.")
            command = Command(identity or new_id(), program())
            shell.commands[command.id] = command
            shell.started += 1
            return command

    def drop(self, shell: Shell) -> None:
        """End a shell with all that runs in it."""
        with self._lock:
            self._drop(shell)

    def drop_all(self) -> None:
        """End all shells."""
        with self._lock:
            for shell in tuple(self._shells.values()):
                self._drop(shell)

    def _drop(self, shell: Shell) -> None:
        self._shells.pop(shell.id, None)
        for command in shell.commands.values():
            command.end()


def new_id() -> str:
    """Return an id as Windows makes them."""
    return str(uuid.uuid4()).upper()
