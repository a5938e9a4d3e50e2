"""Every test session has a home of its own, and at most one Prefect server, a real one."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as property_tests

# What holds, holds on a slow machine too: nothing is judged by how long it took.
property_tests.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
property_tests.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests away from the person's own records, before anything imports Prefect."""
    # Never below pytest's own folder: it empties that when the server has long been started.
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"patchyard-tests-{os.getpid()}"
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, as root, a test is not skipped for what the test's own set-up installs."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _must_run():
        reason = str(call.excinfo.value) if call.excinfo else ""
        if not reason.startswith(NOT_TO_BE_HAD):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: CI fails rather than skips: {reason}"
    return report


@pytest.fixture
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a test a memory of its own: what other tests have left unfinished is not its matter."""
    monkeypatch.setenv("PATCHYARD_DATABASE_URL", f"sqlite:///{tmp_path / 'memory' / 'own.db'}")


NOT_TO_BE_HAD = "this box has no"
"""How a reason begins that no set-up can mend."""


def _must_run() -> bool:
    return os.environ.get("CI") == "true" and os.geteuid() == 0


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
