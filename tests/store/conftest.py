from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patchyard.domain.outcome import Status
from patchyard.store import RunRecord, Store, open_store
from tests.store import postgresql
from tests.store.postgresql import Server

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server. Missing, it fails where it could be had, and else skips."""
    if postgresql.binaries() is None:
        report = pytest.fail if postgresql.must_run() else pytest.skip
        report(postgresql.MISSING)
    with postgresql.running() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(server: Server) -> str:
    """The name of a database that is up to date; others are copied from it."""
    open_store(server.create("migrated")).close()
    return "migrated"


@pytest.fixture(params=DATABASES)
def kind(request: pytest.FixtureRequest) -> str:
    """Which database: every test that asks for a URL or a store runs on both."""
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without tables."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'memory' / 'patchyard.db'}"
        return
    server: Server = request.getfixturevalue("server")
    name = f"empty{next(_numbers)}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database that is up to date and empty."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'memory' / 'patchyard.db'}"
        return
    migrated: str = request.getfixturevalue("migrated")
    server: Server = request.getfixturevalue("server")
    name = f"copy{next(_numbers)}"
    yield server.create(name, template=migrated)
    server.drop(name)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store with nothing in it."""
    with open_store(url) as store:
        yield store


@pytest.fixture
def run(store: Store) -> RunRecord:
    """A run of the inventory `yard`, begun and owned by nobody."""
    return begin(store, "patch-1")


def begin(store: Store, run_id: str, *, inventory: str = "yard", kind: str = "patch") -> RunRecord:
    """Record a run that has begun."""
    record = RunRecord(
        id=run_id,
        kind=kind,
        inventory=inventory,
        scope="*",
        parameters={"dry_run": False, "seed": "s"},
        status=Status.IN_PROGRESS,
        started_at=NOW,
    )
    store.create_run(record)
    return record
