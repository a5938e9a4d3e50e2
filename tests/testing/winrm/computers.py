"""Computers that know a few programs written in Python, to stand behind the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from patchyard.testing.windows.base import NotSimulated, Output, Power, Program


class Talk:
    """A program whose output a test decides: at any time, or when its input has ended."""

    def __init__(self, answer: Callable[[bytes], None] | None = None) -> None:
        self.answer = answer
        self._changed = threading.Condition()
        self._waiting = Output()
        self.input = b""
        self.pieces: list[int] = []
        self.closed = False
        self.ended = False

    def say(self, stdout: bytes = b"", stderr: bytes = b"", exit_code: int | None = None) -> None:
        """Print, and end where an exit code is given."""
        with self._changed:
            said = self._waiting
            self._waiting = Output(said.stdout + stdout, said.stderr + stderr, exit_code)
            self._changed.notify_all()

    def feed(self, data: bytes, *, end: bool) -> None:
        self.input += data
        self.pieces.append(len(data))
        self.closed = end
        if end and self.answer is not None:
            self.answer(self.input)

    def receive(self, longest: float) -> Output:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting != Output() or self.ended, longest)
            said, self._waiting = self._waiting, Output(exit_code=self._waiting.exit_code)
            return said

    def end(self) -> None:
        with self._changed:
            self.ended = True
            self._changed.notify_all()


@dataclass(frozen=True)
class Started:
    """One program as it was started."""

    command: str
    arguments: Sequence[str]
    user: str
    environment: Mapping[str, str]
    direct: bool
    program: Program


@dataclass
class FakeComputer:
    """A computer whose programs a function makes; None is a program it does not know."""

    program: Callable[[str, Sequence[str]], Program | None]
    name: str = "WIN01"
    boot: int = 1
    power: Power = "up"
    started: list[Started] = field(default_factory=list)

    def start(
        self,
        command: str,
        arguments: Sequence[str],
        *,
        user: str,
        environment: Mapping[str, str],
        direct: bool,
    ) -> Program:
        made = self.program(command, arguments)
        if made is None:
            raise NotSimulated(command)
        self.started.append(Started(command, arguments, user, environment, direct, made))
        return made

    def reboot(self) -> None:
        """Go down and come up at once, with another boot."""
        self.power = "down"
        time.sleep(0.15)
        self.boot += 1
        self.power = "up"


def saying(stdout: bytes = b"", stderr: bytes = b"", exit_code: int = 0) -> Program:
    """Make a program that prints and ends."""
    made = Talk()
    made.say(stdout, stderr, exit_code)
    return made


def hello(_command: str, _arguments: Sequence[str]) -> Program:
    """Make the program that most tests need."""
    return saying("Grüße 漢".encode(), b"careful", 3)
