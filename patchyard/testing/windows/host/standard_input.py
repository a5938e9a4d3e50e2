"""Standard input of a program: bytes that come bit by bit, until somebody ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.net.streams import Stream
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.values import Value

LOOK = 0.05


class StandardInput:
    """What is fed in, and what reads it."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ended = False
        self._at = 0
        self._change = threading.Condition()
        self.check: Callable[[], None] = lambda: None
        """Raises where the process that waits was ended."""
        self.idle: Callable[[], AbstractContextManager[None]] = nullcontext
        """Around the wait: nobody works meanwhile."""

    def feed(self, data: bytes, *, end: bool) -> None:
        """Add bytes."""
        with self._change:
            self._data += data
            self._ended = self._ended or end
            self._change.notify_all()

    def rest(self) -> bytes:
        """Wait for the end, and return what has not been read yet."""
        while True:
            self.check()
            with self._change:
                if self._ended:
                    found = bytes(self._data[self._at :])
                    self._at = len(self._data)
                    return found
                with self.idle():
                    self._change.wait(LOOK)

    def lines(self) -> list[str]:
        """Wait for the end, and return the lines that have not been read yet."""
        text = self.rest().decode("utf-8", "replace").removeprefix("\ufeff")
        return text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []


class InputLines(NetObject):
    """`$input` of a script that powershell.exe runs: the lines of its standard input."""

    net = NetInfo("System.Collections.IEnumerator", label="$input", base=kinds.OBJECT)

    def __init__(self, stdin: StandardInput) -> None:
        self._stdin = stdin

    def enumerate(self) -> list[Value] | None:
        """Wait for the end, and return the lines."""
        return list(self._stdin.lines())


class InputStream(Stream):
    """What [Console]::OpenStandardInput gives."""

    net = NetInfo("System.IO.__ConsoleStream", base=Stream.net)

    def __init__(self, stdin: StandardInput) -> None:
        super().__init__()
        self._stdin = stdin
        self._read_in = False

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes; the first of them once the input has ended."""
        if not self._read_in:
            self._read_in = True
            self.data = bytearray(self._stdin.rest())
        return super().read(count)
