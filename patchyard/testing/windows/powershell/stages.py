"""What the commands of a pipeline share: being a stage, and having their streams redirected."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell.execute import drop
from patchyard.testing.windows.powershell.runtime import Emit, Runtime
from patchyard.testing.windows.powershell.syntax import Redirection, Variable
from patchyard.testing.windows.powershell.values import Value


class Stage(Protocol):
    """One command of a pipeline that runs."""

    def process(self, item: Value) -> None:
        """Take one element of the input."""
        ...

    def end(self) -> None:
        """Take the end of the input."""
        ...


class redirected(ExitStack):  # noqa: N801 - used as a function
    """Redirections of a command, for the time it runs."""

    def __init__(self, rt: Runtime, redirections: tuple[Redirection, ...], emit: Emit) -> None:
        super().__init__()
        self._rt, self._redirections, self._output = rt, redirections, emit

    def __enter__(self) -> Emit:  # type: ignore[override]
        super().__enter__()
        sinks: dict[str, Emit] = {}
        output = self._output
        for redirection in self._redirections:
            streams = "123456" if redirection.stream == "*" else redirection.stream
            if redirection.target is not None:
                _must_be_null(redirection)
            for stream in streams:
                if stream == "1":
                    output = drop if redirection.target is not None else output
                else:
                    sinks[stream] = drop if redirection.target is not None else self._output
        if sinks:
            self.enter_context(self._rt.redirected(sinks))
        return output


def _must_be_null(redirection: Redirection) -> None:
    target = redirection.target
    if not isinstance(target, Variable) or target.name != "null":
        raise NotSimulated(f"line {redirection.line}: a redirection to a file")
