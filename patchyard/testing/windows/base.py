"""What a simulated Windows computer offers to the server that stands before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Power = Literal["up", "starting", "down"]
"""`down` answers nobody; `starting` has a network, and no WinRM service yet."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a program has printed since the last question; `exit_code` is None while it runs."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int | None = None


class Program(Protocol):
    """One program that runs on a computer, with its standard input, output and error."""

    def feed(self, data: bytes, *, end: bool) -> None:
        """Give it input; `end` closes its standard input."""
        ...

    def receive(self, longest: float) -> Output:
        """Wait up to `longest` seconds for output or its end; nothing new is an empty answer."""
        ...

    def end(self) -> None:
        """End it, and with it what it has started as its own children."""
        ...


class Computer(Protocol):
    """One computer, as its WinRM service sees it."""

    @property
    def name(self) -> str:
        """Its host name."""
        ...

    @property
    def boot(self) -> int:
        """Counts boots: shells of an earlier one are gone."""
        ...

    @property
    def power(self) -> Power:
        """Whether it runs now. Time passes between two questions, so the answer may change."""
        ...

    def start(
        self,
        command: str,
        arguments: Sequence[str],
        *,
        user: str,
        environment: Mapping[str, str],
        direct: bool,
    ) -> Program:
        """Start a program as a user's WinRM shell does, inside the shell's job object.

        Args:
            command: the program, or with `direct` off a line for cmd.exe.
            arguments: its arguments as they were sent.
            user: who logged in.
            environment: the shell's variables.
            direct: whether cmd.exe is left out (WINRS_SKIP_CMD_SHELL).

        Raises:
            NotSimulated: the computer does not know this program; nothing is guessed.
        """
        ...


class NotSimulated(Exception):
    """Something was asked of a simulated computer that it does not know. It never guesses."""
