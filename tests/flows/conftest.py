"""A real server, a real worker, and the deployments of prefect.yaml."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that lies here uses a real Prefect server; what boots machines needs root too."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.prefect)
            if "make_yard" in getattr(item, "fixturenames", ()) and os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="real machines need root"))


@pytest.fixture(autouse=True)
def _each_its_own(own_memory: None) -> None:
    """What is found here was left by this test."""


AS_A_SERVICE = (
    "import runpy, signal, sys\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "del sys.argv[0]\n"
    "runpy.run_module('prefect', run_name='__main__', alter_sys=True)\n"
)
"""Starts Prefect with signals as a service manager gives them: a test in the background ignores
SIGINT, its children inherit that, and a worker that ignores SIGINT does not end when told to."""


class Worker:
    """A process worker for the pool `patchyard`, as an operator runs one."""

    def __init__(self, url: str, log: Path) -> None:
        self._url = url
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        command = ["prefect", "worker", "start", "--pool", "patchyard", "--type", "process"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", AS_A_SERVICE, *command],
                env={
                    **os.environ,
                    "PREFECT_API_URL": self._url,
                    "PREFECT_WORKER_QUERY_SECONDS": "2",
                },
                cwd=self._log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to end as a service manager does, and wait; what it started ends with it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self._process = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """Return what it printed."""
        return self._log.read_text(errors="replace")


@pytest.fixture(scope="session")
def deployments(prefect_server: str) -> str:
    """The server's URL, with every deployment of prefect.yaml registered by `make deploy`."""
    done = subprocess.run(
        [ROOT / "scripts" / "deploy"],
        env={**os.environ, "PREFECT_API_URL": prefect_server},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return prefect_server


@pytest.fixture
def deployed(deployments: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's URL, which is the configured one; its deployments are registered."""
    monkeypatch.setenv("PREFECT_API_URL", deployments)
    return deployments


@pytest.fixture
def worker(deployed: str, tmp_path: Path) -> Iterator[Worker]:
    """A running worker."""
    worker = Worker(deployed, tmp_path / "worker.log")
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


BUSY = 503


class Api:
    """The API as the UI uses it."""

    def __init__(self, url: str) -> None:
        import httpx  # noqa: PLC0415 - comes with Prefect

        self._client = httpx.Client(base_url=url + "/", timeout=30, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post and return the answer; fail on an error of the server's."""
        reply = self._send("POST", path, json=body)
        return reply.json() if reply.content else None

    def get(self, path: str) -> Any:
        """Get and return the answer."""
        return self._send("GET", path).json()

    def _send(self, method: str, path: str, **given: Any) -> Any:
        """Ask; a server that says that its database is busy is asked again, as its client does."""
        for pause in (1, 2, 4, 8, 0):
            reply = self._client.request(method, path, **given)
            if reply.status_code != BUSY:
                break
            time.sleep(pause)
        assert reply.is_success, f"{reply.status_code} {reply.text}"
        return reply

    def run(self, deployment: str, parameters: dict[str, Any]) -> str:
        """Trigger a deployment as the form of the UI does; answers the flow run's id."""
        found = self.get(f"deployments/name/{deployment}")
        body = {"parameters": {"parameters": parameters}, "state": {"type": "SCHEDULED"}}
        return str(self.post(f"deployments/{found['id']}/create_flow_run", body)["id"])

    def state(self, flow_run: str) -> dict[str, Any]:
        """Return the state of a flow run."""
        state: dict[str, Any] = self.get(f"flow_runs/{flow_run}")["state"]
        return state

    def cancel(self, flow_run: str) -> None:
        """Press the UI's cancel button."""
        body = {"state": {"type": "CANCELLING"}, "force": False}
        self.post(f"flow_runs/{flow_run}/set_state", body)

    def until(self, true: Callable[[], bool], seconds: float) -> None:
        """Wait for what the server will say in a while."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"not so after {seconds} s"
            time.sleep(0.5)

    def wait_final(self, flow_run: str, seconds: float = 300) -> dict[str, Any]:
        """Wait for a flow run's end."""
        deadline = time.monotonic() + seconds
        while True:
            state = self.state(flow_run)
            if state["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
                return state
            assert time.monotonic() < deadline, f"still {state['name']} after {seconds} s"
            time.sleep(0.5)


@pytest.fixture
def api(prefect_server: str) -> Iterator[Api]:
    """The server's API."""
    api = Api(prefect_server)
    yield api
    api.close()
