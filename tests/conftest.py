"""Every test session has a home of its own, and at most one Prefect server, a real one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests away from the person's own records, before anything imports Prefect."""
    home = Path(str(config.getoption("basetemp") or "")) if config.getoption("basetemp") else None
    folder = home or Path(os.environ.get("TMPDIR", "/tmp")) / f"patchyard-tests-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    config.stash[HOME] = folder
    os.environ["PATCHYARD_HOME"] = str(folder / "home")
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ.pop("PREFECT_API_URL", None)
    os.environ.pop("PATCHYARD_DATABASE_URL", None)
    (folder / "prefect").mkdir(exist_ok=True)


HOME = pytest.StashKey[Path]()


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """A real Prefect server with a new database, ended with the session. Yields its API's URL."""
    # Imported late: Prefect reads its settings from the environment made above.
    from prefect.logging.handlers import APILogHandler  # noqa: PLC0415

    from flows import server  # noqa: PLC0415

    os.environ["PATCHYARD_PREFECT_PORT"] = str(free_port())
    url = server.start()
    try:
        yield url
    finally:
        # Log lines still on their way would be told as lost when the interpreter ends.
        APILogHandler().flush()
        server.stop()
        os.environ.pop("PATCHYARD_PREFECT_PORT")
