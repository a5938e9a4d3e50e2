"""System.Diagnostics.Process and Stopwatch, System.Threading."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.net.common import inside_of, when
from patchyard.testing.windows.host.processes import Process
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.dates import SECOND, TimeSpan
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Int64, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside
    from patchyard.testing.windows.powershell.runtime import Runtime

LOOK_SECONDS = 0.5
ABANDONED = "System.Threading.AbandonedMutexException"
GLOBAL = "global\\"
_lock = threading.Lock()


class ProcessObject(NetObject):
    """System.Diagnostics.Process."""

    net = NetInfo("System.Diagnostics.Process", base=kinds.OBJECT)

    def __init__(self, inside: Inside, process: Process) -> None:
        self.inside, self.process = inside, process

    def shown(self) -> str:
        """Return what ToString gives."""
        return f"System.Diagnostics.Process ({self.process.name})"

    net.property("Id")(lambda target: target.process.pid)
    net.property("ProcessName")(lambda target: target.process.name)
    net.property("Name")(lambda target: target.process.name)
    net.property("ExitCode")(lambda target: target.process.exit_code)

    @net.property("HasExited")
    def _has_exited(self) -> Value:
        self.inside.check()
        return self.process.ended

    @net.property("StartTime")
    def _start_time(self) -> Value:
        return when(self.process.started).local()

    @net.property("TotalProcessorTime")
    def _processor_time(self) -> Value:
        busy = self.process.name == "TiWorker" and not self.process.ended
        spent = self.inside.time() - self.process.started if busy else self.process.cpu
        return TimeSpan(int(spent * SECOND))

    @net.property("CPU")
    def _cpu(self) -> Value:
        busy = self.process.name == "TiWorker" and not self.process.ended
        return self.inside.time() - self.process.started if busy else self.process.cpu

    @net.property("Path")
    def _path(self) -> Value:
        return self.process.path or None

    @net.method("Kill")
    def _kill(self, _rt: Value) -> Value:
        self.inside.computer.processes.end(self.process, -1)
        return NOTHING

    @net.method("WaitForExit")
    def _wait(self, _rt: Value, milliseconds: Value = None) -> Value:
        left = to_int(milliseconds) / 1000 if milliseconds is not None else float("inf")
        while not self.process.ended and left > 0:
            self.inside.sleep(min(LOOK_SECONDS, left))
            left -= LOOK_SECONDS
        return NOTHING if milliseconds is None else self.process.ended

    @net.method("Refresh")
    def _refresh(self, _rt: Value) -> Value:
        return NOTHING

    @net.method("Dispose")
    def _dispose(self, _rt: Value) -> Value:
        return NOTHING

    @net.static("GetCurrentProcess")
    @staticmethod
    def _current(rt: Runtime) -> Value:
        return ProcessObject(inside_of(rt), inside_of(rt).process)

    @net.static("GetProcessById")
    @staticmethod
    def _by_id(rt: Runtime, pid: Value) -> Value:
        found = inside_of(rt).computer.processes.running.get(to_int(pid))
        if found is None:
            raise NetError(
                "System.ArgumentException", f"Process with an Id of {to_int(pid)} is not running."
            )
        return ProcessObject(inside_of(rt), found)


class Stopwatch(NetObject):
    """System.Diagnostics.Stopwatch."""

    net = NetInfo("System.Diagnostics.Stopwatch", base=kinds.OBJECT)

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.began = inside.time()
        self.stopped: float | None = None

    def seconds(self) -> float:
        """Return how long it has run."""
        return (self.inside.time() if self.stopped is None else self.stopped) - self.began

    net.property("ElapsedMilliseconds")(lambda target: Int64(int(target.seconds() * 1000)))
    net.property("Elapsed")(lambda target: TimeSpan(int(target.seconds() * SECOND)))
    net.static("StartNew")(lambda rt: Stopwatch(inside_of(rt)))

    @net.method("Stop")
    def _stop(self, _rt: Value) -> Value:
        self.stopped = self.inside.time()
        return NOTHING


THREAD = NetInfo("System.Threading.Thread", base=kinds.OBJECT)


@THREAD.static("Sleep")
def _sleep(rt: Runtime, milliseconds: Value) -> Value:
    inside_of(rt).sleep(to_int(milliseconds) / 1000)
    return NOTHING


class Mutex(NetObject):
    r"""System.Threading.Mutex; a Global\\ name is one for the whole computer."""

    net = NetInfo("System.Threading.Mutex", base=kinds.OBJECT)

    def __init__(self, inside: Inside, name: str) -> None:
        self.inside, self.name = inside, name.lower()

    def take(self) -> bool:
        """Take it, if nobody else has it."""
        computer, pid = self.inside.computer, self.inside.process.pid
        with _lock:
            holder = computer.mutexes.get(self.name)
            if holder is not None and holder != pid and holder in computer.processes.running:
                return False
            computer.mutexes[self.name] = pid
            self.inside.process.mutexes.add(self.name)
            return True

    @net.method("WaitOne")
    def _wait_one(self, _rt: Value, longest: Value = -1, _exit: Value = False) -> Value:
        milliseconds = longest.ticks / 10_000 if isinstance(longest, TimeSpan) else to_int(longest)
        left = float("inf") if milliseconds < 0 else milliseconds / 1000
        waited = False
        while True:
            abandoned = waited and self.is_held()
            if self.take():
                break
            if left <= 0:
                return False
            waited, self.inside.process.waits_for = True, self.name
            self.inside.sleep(min(LOOK_SECONDS, left))
            left -= LOOK_SECONDS
        if abandoned:
            raise NetError(ABANDONED, "The wait completed due to an abandoned mutex.", 0x8013152D)
        return True

    def is_held(self) -> bool:
        """True where somebody holds it who has not given it back, even if it runs no more."""
        return self.name in self.inside.computer.mutexes

    @net.method("ReleaseMutex")
    def _release(self, _rt: Value) -> Value:
        if self.inside.computer.mutexes.get(self.name) != self.inside.process.pid:
            raise NetError(
                "System.ApplicationException",
                "Object synchronization method was called from an unsynchronized block of code.",
            )
        self.give_back()
        return NOTHING

    def give_back(self) -> None:
        """Let others take it."""
        self.inside.computer.mutexes.pop(self.name, None)
        self.inside.process.mutexes.discard(self.name)

    @net.method("Dispose")
    def _dispose(self, _rt: Value) -> Value:
        return NOTHING

    @net.method("Close")
    def _close(self, _rt: Value) -> Value:
        return NOTHING

    @net.static("TryOpenExisting")
    @staticmethod
    def _try_open(_rt: Value, *_given: Value) -> Value:
        raise NotSimulated("Mutex.TryOpenExisting, which takes a [ref]")

    @net.static("OpenExisting")
    @staticmethod
    def _open(rt: Runtime, name: Value) -> Value:
        inside = inside_of(rt)
        if text_of(name).lower() not in inside.computer.mutexes:
            raise NetError(
                "System.Threading.WaitHandleCannotBeOpenedException",
                "No handle of the given name exists.",
                0x8013152C,
            )
        return Mutex(inside, text_of(name))


@Mutex.net.constructor
def _new_mutex(rt: Runtime, owned: Value = False, name: Value = "", *_more: Value) -> Value:
    made = Mutex(inside_of(rt), text_of(name))
    if not made.name.startswith(GLOBAL):
        raise NotSimulated(f"a mutex {text_of(name)!r} that is not Global\\")
    if owned:
        made.take()
    return made
