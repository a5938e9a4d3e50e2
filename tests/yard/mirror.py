"""A mirror outside of the machine: its repository over HTTP, and which archives were asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

from tests.yard.debs import FOLDER, Repository
from tests.yard.machine import Machine

DIRECTLY = 'Acquire::http::Proxy::127.0.0.1 "DIRECT";\nAcquire::Retries "0";\n'
"""Past any proxy; and a mirror that is dead is not asked again for seconds."""


class Mirror(ThreadingHTTPServer):
    """Serves a machine's repository; archives can be held back for a while."""

    daemon_threads = True

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.asked: list[str] = []
        self.open = Event()
        self.open.set()
        self._lock = Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def note(self, path: str) -> None:
        """Note that an archive was asked for, and wait until it may be given."""
        with self._lock:
            self.asked.append(path.rpartition("/")[2])
        self.open.wait(60)

    def use(self) -> None:
        """Have the machine know this mirror, and what it offers, in place of its own folder."""
        self.machine.write_file("/etc/apt/apt.conf.d/99mirror", DIRECTLY)
        line = f"deb [trusted=yes] http://127.0.0.1:{self.server_port} ./\n"
        self.machine.write_file("/etc/apt/sources.list.d/yard.list", line)
        Repository(self.machine).update()


class _Handler(SimpleHTTPRequestHandler):
    server: Mirror

    def __init__(self, *given: Any) -> None:
        super().__init__(*given, directory=str(given[2].machine.root / FOLDER))

    def do_GET(self) -> None:
        if self.path.endswith(".deb"):
            self.server.note(self.path)
        super().do_GET()

    def log_message(self, *_given: Any) -> None:
        """Keep quiet."""


@contextmanager
def mirror_of(machine: Machine) -> Iterator[Mirror]:
    """Serve a machine's repository until the end."""
    with Mirror(machine) as mirror:
        thread = Thread(target=mirror.serve_forever, daemon=True)
        thread.start()
        try:
            yield mirror
        finally:
            mirror.open.set()
            mirror.shutdown()
            thread.join(10)
