"""Programs that a remote shell can start, and what their command lines say."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated, Output, Program
from patchyard.testing.windows.host.inside import Inside
from patchyard.testing.windows.host.native import native_program
from patchyard.testing.windows.host.program import PowerShell

if TYPE_CHECKING:
    from patchyard.testing.windows.host.computer import SimulatedComputer

SILENT_OPTIONS = {"-noprofile", "-noninteractive", "-nologo", "-sta", "-mta"}
VALUED_OPTIONS = {"-executionpolicy", "-windowstyle", "-inputformat", "-outputformat", "-version"}


@dataclass(frozen=True)
class Order:
    """What powershell.exe was told to run."""

    script: str = ""
    file: str = ""


def words_of(line: str) -> list[str]:
    """Return the words of a command line; quotes keep blanks together."""
    words: list[str] = []
    word, quoted, begun = "", False, False
    for char in line:
        if char == '"':
            quoted, begun = not quoted, True
        elif char == " " and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word, begun = word + char, True
    return [*words, word] if begun else words


def is_powershell(command: str) -> bool:
    """True for powershell.exe under any of its names."""
    name = command.strip('"').replace("/", "\\").rpartition("\\")[2].lower()
    return name in {"powershell", "powershell.exe"}


def order_of(arguments: Sequence[str]) -> Order:
    """Return what a command line of powershell.exe says.

    Raises:
        NotSimulated: it has an option that is not known.
    """
    rest = list(arguments)
    while rest:
        option = rest.pop(0).lower().replace("/", "-", 1)
        if option in SILENT_OPTIONS:
            continue
        if option in VALUED_OPTIONS and rest:
            rest.pop(0)
        elif option in {"-encodedcommand", "-enc", "-e", "-ec"} and rest:
            return Order(script=_decoded(rest[0]))
        elif option in {"-command", "-c"} and rest and rest[0] != "-":
            return Order(script=" ".join(rest))
        elif option in {"-file", "-f"} and rest and rest[0] != "-":
            if rest[1:]:
                raise NotSimulated("arguments after powershell.exe -File")
            return Order(file=rest[0].strip('"'))
        else:
            raise NotSimulated(f"powershell.exe {option}")
    raise NotSimulated("powershell.exe that is told nothing")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotSimulated(f"an encoded command that is none: {error}") from None


def start_program(
    computer: SimulatedComputer,
    command: str,
    arguments: Sequence[str],
    user: str,
    environment: Mapping[str, str],
    *,
    direct: bool,
) -> Program:
    """Start a program in a job object of its own.

    Raises:
        NotSimulated: the computer does not know it.
    """
    # On Windows a program is given one line, however it was sent, and takes it apart itself.
    words = words_of(" ".join([command, *arguments]))
    del direct
    job = computer.processes.new_job()
    now = computer.clock.time()
    if is_powershell(words[0]):
        order = order_of(words[1:])
        script = order.script
        if order.file:
            script = computer.files.read(order.file).decode("utf-8-sig")
        process = computer.processes.start("powershell", user, now, job=job)
        program = PowerShell(
            computer, process, "network", script, environment=dict(environment), file=order.file
        )
        program.begin()
        return program
    process = computer.processes.start(words[0], user, now, job=job)
    inside = Inside(computer, process, "network", environment)
    run = native_program(inside, words[0])
    computer.processes.end(process, 0)
    if run is None:
        raise NotSimulated(f"the program {words[0]!r}")
    code, out, errors = run(words[1:], [])
    return Done(code, out, errors)


class Done:
    """A program that has ended already."""

    def __init__(self, code: int, out: str, errors: str) -> None:
        self._output = Output(out.encode(), errors.encode(), code)

    def feed(self, data: bytes, *, end: bool) -> None:
        """It reads nothing."""

    def receive(self, longest: float) -> Output:  # noqa: ARG002 - the protocol's
        """Return what it wrote, and then only that it has ended."""
        said, self._output = self._output, Output(exit_code=self._output.exit_code)
        return said

    def end(self) -> None:
        """It has ended."""
