"""The Prefect server that runs are recorded on: the configured one, or one on this machine.

An ad-hoc run never uses Prefect's ephemeral API: it records only a part of what happened.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from prefect.settings import PREFECT_API_URL, temporary_settings

from patchyard.errors import PatchyardError
from patchyard.settings import settings

START_SECONDS = 180
"""A server with a new database needs 10 to 21 s on two cores; slower disks need longer."""

STOP_SECONDS = 20
"""A server that was asked to end gets so long to write down what it has."""

_STARTED: dict[int, subprocess.Popen[bytes]] = {}
"""The servers this process has started, by pid: a parent must collect its children."""

LEASES = "prefect.server.concurrency.lease_storage.filesystem"

SERVER_SETTINGS = {
    # One transaction per event keeps a server at some 20 task runs a second; batches give thrice.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
    # A server that forgets who holds a deployment's slot when it ends never frees it again.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
    # Nothing is sent to anybody.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}


class ServerUnavailable(PatchyardError):
    """No Prefect server answers, and none could be started."""


def answers(url: str) -> bool:
    """Say whether a Prefect API answers at `url`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=3) as reply:
            return bool(json.load(reply) is True)
    except (OSError, ValueError):
        return False


def local_url() -> str:
    """Return the address of the server on this machine."""
    return f"http://127.0.0.1:{settings().prefect_port}/api"


@contextlib.contextmanager
def recording_server() -> Iterator[str]:
    """Make sure that a server records what is run inside, and say its address.

    The configured server is used where there is one; otherwise one on this machine, which is
    started if none answers and goes on afterwards, so that its record can be looked at.

    Raises:
        ServerUnavailable: the configured server does not answer, or none could be started.
    """
    configured = PREFECT_API_URL.value()
    if configured:
        yield configured
        return
    url = start()
    with temporary_settings({PREFECT_API_URL: url}):
        yield url


def start() -> str:
    """Start the server on this machine if none answers, and wait until it does.

    Raises:
        ServerUnavailable: it did not answer in time; the message names its log.
    """
    url = local_url()
    home = settings().home
    home.mkdir(parents=True, exist_ok=True)
    with (home / "prefect-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answers(url):
            _launch(home)
            _wait(url, home)
    return url


def _launch(home: Path) -> None:
    port = str(settings().prefect_port)
    # The page asks the API at the configured port, not at the one given as an option.
    environment = {**os.environ, **SERVER_SETTINGS, "PREFECT_SERVER_API_PORT": port}
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "prefect", "server", "start"]
    with (home / "prefect-server.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", port],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _STARTED[process.pid] = process
    (home / "prefect-server.pid").write_text(f"{process.pid}\n")


def _wait(url: str, home: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        if time.monotonic() > deadline or not _alive(_pid(home)):
            log = home / "prefect-server.log"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise ServerUnavailable(f"no Prefect server could be started; see {log}:\n{tail}")
        time.sleep(0.3)


def stop() -> bool:
    """Stop the server that was started here. Says whether there was one."""
    pid = _pid(settings().home)
    if not _alive(pid):
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    if _alive(pid):
        os.kill(pid, signal.SIGKILL)
    (settings().home / "prefect-server.pid").unlink(missing_ok=True)
    return True


def _pid(home: Path) -> int:
    try:
        return int((home / "prefect-server.pid").read_text())
    except (OSError, ValueError):
        return 0


def _alive(pid: int) -> bool:
    """Say whether the process is ours and runs; a reused number is another program."""
    child = _STARTED.get(pid)
    if child is not None and child.poll() is not None:
        del _STARTED[pid]
        return False
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    # The command line is empty for an instant while the program is being replaced.
    return not line or b"prefect" in line


if __name__ == "__main__":
    verb = sys.argv[1] if len(sys.argv) > 1 else "start"
    if verb == "start":
        print(f"Prefect answers at {start().removesuffix('/api')}")  # noqa: T201 - a command
    elif verb == "stop":
        print("stopped" if stop() else "no server was started here")  # noqa: T201 - a command
    else:
        sys.exit(f"{verb}: write start or stop")
