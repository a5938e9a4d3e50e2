"""Command: the operator's own programs tell and change the power of machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from patchyard.domain.power import PowerState
from patchyard.domain.value import Value
from patchyard.power._program import run
from patchyard.power.base import PowerProvider

Argument = Annotated[str, Field(max_length=4096)]
Words = Annotated[tuple[Argument, ...], Field(min_length=1)]


class CommandOptions(Value):
    """Programs with their arguments, as lists; no shell reads them."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    state: Words = Field(description="Prints whether the machine is on, as its last word.")
    start: Words = Field(description="Starts the machine.")
    stop: Words = Field(description="Shuts the machine down.")
    running: Words = Field(("on", "running"), description="Last words that mean that it is on.")
    stopped: Words = Field(("off", "stopped"), description="Last words that mean that it is off.")
    seconds: float = Field(60, gt=0, le=3600, description="How long one program may take.")


@dataclass(frozen=True, slots=True)
class Commands:
    """A switch made of programs."""

    options: CommandOptions
    folder: Path

    def state(self) -> PowerState:
        """Read the last word that the program prints; another word than those known is unknown."""
        said = self._run(self.options.state).split()
        word = said[-1].casefold() if said else ""
        on = word in {each.casefold() for each in self.options.running}
        off = word in {each.casefold() for each in self.options.stopped}
        if on == off:
            return PowerState.UNKNOWN
        return PowerState.ON if on else PowerState.OFF

    def start(self) -> None:
        """Run the program that starts the machine."""
        self._run(self.options.start)

    def stop(self) -> None:
        """Run the program that shuts the machine down."""
        self._run(self.options.stop)

    def _run(self, argv: tuple[str, ...]) -> str:
        return run(argv, seconds=self.options.seconds, folder=self.folder)


POWER = PowerProvider(name="command", options=CommandOptions, open=Commands)
