"""powershell.exe: a program whose script runs in the interpreter, in a thread of its own."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated, Output
from patchyard.testing.windows.host.inside import Console, Inside, Logon
from patchyard.testing.windows.host.processes import Process
from patchyard.testing.windows.host.standard_input import InputLines, StandardInput
from patchyard.testing.windows.host.table import COMMANDS
from patchyard.testing.windows.powershell.engine import execute_in
from patchyard.testing.windows.powershell.errors import ErrorRecord, Stopped
from patchyard.testing.windows.powershell.runtime import Runtime
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Partial, Record, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.computer import SimulatedComputer

NOT_KNOWN = 250
"""The exit code of a script that asked for something that is not known."""

CLIXML_VERSION = ".".join("1101")
CLIXML = "http://schemas.microsoft.com/powershell/2004/04"


class PowerShell:
    """One powershell.exe with the script that it was given.

    Standard error is CLIXML, as it is where powershell.exe was given an encoded command.
    """

    def __init__(
        self,
        computer: SimulatedComputer,
        process: Process,
        logon: Logon,
        script: str,
        *,
        environment: dict[str, str] | None = None,
        file: str = "",
        ended: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._computer = computer
        self._process = process
        self._script = script
        self._file = file
        self._on_end = ended
        self._change = threading.Condition()
        self._stdout = bytearray()
        self._errors: list[tuple[str, str]] = []
        self._taken = False
        self._code: int | None = None
        self.stdin = StandardInput()
        self.inside = Inside(
            computer,
            process,
            logon,
            environment or {},
            Console(self.stdin, self.write_out, lambda text: self._write("2", text)),
        )
        self.stdin.check = self.inside.check
        self.stdin.idle = computer.clock.idle
        self._thread = threading.Thread(
            target=self._run, name=f"powershell-{process.pid}", daemon=True
        )

    def begin(self) -> None:
        """Let the script run."""
        self._computer.clock.script_begins()
        self._thread.start()

    def join(self, longest: float) -> None:
        """Wait for its end; `longest` is in our own seconds."""
        self._thread.join(longest)

    # Program

    def feed(self, data: bytes, *, end: bool) -> None:
        """Give it input."""
        self.stdin.feed(data, end=end)

    def receive(self, longest: float) -> Output:
        """Wait for output or its end."""
        with self._change:
            if not self._stdout and self._code is None and not self._process.ended:
                self._change.wait_for(lambda: bool(self._stdout) or self._code is not None, longest)
            out = bytes(self._stdout)
            self._stdout.clear()
            code = self._exit_code()
            errors = b""
            if code is not None and not self._taken:
                self._taken = True
                errors = self._clixml()
            return Output(out, errors, code)

    def _exit_code(self) -> int | None:
        if self._code is not None:
            return self._code
        return self._process.exit_code if self._process.ended else None

    def end(self) -> None:
        """End it, and its children."""
        processes = self._computer.processes
        processes.end(self._process)
        processes.end_job(self._process.job)
        with self._change:
            self._change.notify_all()

    # The script

    def write_out(self, text: str) -> None:
        """Write text to standard output as it is."""
        with self._change:
            if not self._process.ended:
                self._stdout += text.encode("utf-8")
                self._change.notify_all()

    def _write(self, stream: str, text: str) -> None:
        if stream == "1":
            self.write_out(f"{text}\r\n")
        else:
            self._errors.append((stream, text))

    def _emit(self, item: Value) -> None:
        if isinstance(item, Record | Partial):
            raise NotSimulated("how an object is shown on the console")
        self.write_out(f"{text_of(item)}\r\n")

    def _run(self) -> None:
        code = 1
        try:
            code = self._execute()
        except Stopped:
            code = self._process.exit_code or 1
        except NotSimulated as unknown:
            code = NOT_KNOWN
            self._computer.refused.append(f"{self._file or 'command'}: {unknown}")
            self._errors.append(("2", f"NotSimulated: {unknown}"))
        except Exception as error:  # noqa: BLE001 - told by whose script it is, not by who runs next
            code = NOT_KNOWN
            self._computer.refused.append(f"{type(error).__name__}: {error}")
            self._errors.append(("2", traceback.format_exc()))
        finally:
            self._finish(code)
            self._computer.clock.script_ends()

    def _execute(self) -> int:
        runtime = Runtime(self.inside, COMMANDS.by_name, self._write)
        top = runtime.scopes[0].variables
        top["input"] = InputLines(self.stdin)
        top["pid"] = self._process.pid
        kind = "script" if self._file else "global"
        if self._file:
            top["psscriptroot"] = self._file.rpartition("\\")[0]
            top["pscommandpath"] = self._file
        code, error = execute_in(runtime, self._script, self._emit, name=self._file, kind=kind)
        if error is not None:
            self._errors.append(("2", error_text(error)))
        return code

    def _finish(self, code: int) -> None:
        self._computer.processes.end(self._process, code)
        with self._change:
            self._code = code
            self._change.notify_all()
        self._on_end(code)

    def _clixml(self) -> bytes:
        if not self._errors:
            return b""
        kinds = {"2": "Error", "3": "warning", "4": "verbose", "5": "debug"}
        lines = "".join(
            f'<S S="{kinds.get(stream, "Error")}">{_escaped(text)}_x000D__x000A_</S>'
            for stream, text in self._errors
        )
        document = f'#< CLIXML\r\n<Objs Version="{CLIXML_VERSION}" xmlns="{CLIXML}">{lines}</Objs>'
        return document.encode("utf-8")


def error_text(record: ErrorRecord) -> str:
    """Return an error as the console shows it, shortened to what tells it apart."""
    return (
        f"{record.exception.message}\n"
        f"At line:{record.line}\n"
        f"    + FullyQualifiedErrorId : {record.error_id}"
    )


def _escaped(text: str) -> str:
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("\r", "_x000D_").replace("\n", "_x000A_")
