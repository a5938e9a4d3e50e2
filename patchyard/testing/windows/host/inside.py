"""A process of a computer as the script that runs in it sees its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from patchyard.testing.windows.host.com import com_object
from patchyard.testing.windows.host.files import ADMINISTRATORS, SYSTEM
from patchyard.testing.windows.host.native import native_program
from patchyard.testing.windows.host.processes import Process
from patchyard.testing.windows.host.standard_input import StandardInput
from patchyard.testing.windows.powershell.errors import Stopped
from patchyard.testing.windows.powershell.values import Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.computer import SimulatedComputer

Logon = Literal["network", "interactive", "system"]
ENVIRONMENT = {
    "SystemRoot": "C:\\Windows",
    "windir": "C:\\Windows",
    "SystemDrive": "C:",
    "ProgramData": "C:\\ProgramData",
    "ALLUSERSPROFILE": "C:\\ProgramData",
    "ProgramFiles": "C:\\Program Files",
    "ProgramFiles(x86)": "C:\\Program Files (x86)",
    "TEMP": "C:\\Windows\\Temp",
    "TMP": "C:\\Windows\\Temp",
    "PROCESSOR_ARCHITECTURE": "AMD64",
    "NUMBER_OF_PROCESSORS": "4",
    "OS": "Windows_NT",
    "PATHEXT": ".COM;.EXE;.BAT;.CMD",
    "Path": "C:\\Windows\\system32;C:\\Windows",
}


@dataclass(frozen=True)
class Console:
    """Standard input, output and error of a process."""

    stdin: StandardInput = field(default_factory=StandardInput)
    write_out: Callable[[str], None] = lambda _: None
    write_error: Callable[[str], None] = lambda _: None


class Inside:
    """What a script's process has: its computer, its user, its environment, its input.

    Args:
        computer: the computer.
        process: the process.
        logon: how its user came in; a network logon may not use the update agent.
        environment: variables beside the usual ones.
        console: its standard input and output.
    """

    absent_commands = frozenset({"get-clusternode", "get-vm", "get-exchangeserver"})
    """Commands that are known not to be there."""

    def __init__(
        self,
        computer: SimulatedComputer,
        process: Process,
        logon: Logon,
        environment: Mapping[str, str],
        console: Console | None = None,
    ) -> None:
        self.computer: SimulatedComputer = computer
        self.process: Process = process
        self.logon = logon
        self.console: Console = console or Console()
        base = {**ENVIRONMENT, "COMPUTERNAME": computer.name.upper()[:15]}
        base["USERNAME"] = process.user.rpartition("\\")[2]
        self._variables = {k.lower(): (k, v) for k, v in {**base, **environment}.items()}

    # What the interpreter asks

    def check(self) -> None:
        """Let due things happen, and end where the process was ended."""
        self.computer.settle()
        if self.process.ended:
            raise Stopped

    def variable(self, name: str) -> str | None:
        """Return an environment variable."""
        found = self._variables.get(name.lower())
        return None if found is None else found[1]

    def set_variable(self, name: str, value: str | None) -> None:
        """Set an environment variable of this process."""
        if value is None:
            self._variables.pop(name.lower(), None)
        else:
            self._variables[name.lower()] = (name, value)

    def wrote_nothing(self, where: str) -> None:
        """Note a field of JSON that came out as {}: no test of a shipped script lets it pass."""
        self.computer.nothings.append(where)

    def now(self) -> datetime:
        """Return the time that the computer's own clock shows."""
        return self.computer.clock.now() + timedelta(seconds=self.computer.skew)

    def sleep(self, seconds: float) -> None:
        """Wait, on the computer's time."""
        self.computer.clock.wait(seconds, self.check, asked=not self.is_system)

    def com(self, name: str) -> Value:
        """Return a COM object by its name."""
        return com_object(self, name)

    def native(self, name: str) -> Callable[[list[str], list[str]], tuple[int, str, str]] | None:
        """Return an external program, if one of that name is known."""
        return native_program(self, name)

    # What cmdlets and members ask

    def time(self) -> float:
        """Return seconds since 1970, by the true clock."""
        return self.computer.clock.time()

    @property
    def is_system(self) -> bool:
        """True where it runs as SYSTEM."""
        return self.logon == "system"

    @property
    def owner(self) -> str:
        """Who owns what this process makes: of an administrator, it is the group."""
        return SYSTEM if self.is_system else ADMINISTRATORS
