"""What databases do on a bad day: busy, away for a moment, away for good."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from patchyard.domain.outcome import Status
from patchyard.store import RunRecord, Store, StoreUnavailable, database, open_store
from tests.store import postgresql
from tests.store.conftest import NOW, begin
from tests.store.postgresql import Server

WRITE = """
import sys
from patchyard.store import open_store
from tests.store.conftest import NOW
store, run, machine = open_store(sys.argv[1]), sys.argv[2], sys.argv[3]
for number in range(100):
    step = store.begin_step(run, machine, f"k{number}", {}, NOW)
    store.finish_step(run, machine, step.seq, {"detail": machine}, NOW)
"""


def test_processes_that_write_at_once_wait_for_each_other(
    url: str, store: Store, run: RunRecord
) -> None:
    machines = ["m1", "m2", "m3"]
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITE, url, run.id, name]) for name in machines
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * 3

    found = store.all_steps(run.id)
    assert sorted(found) == machines
    for steps in found.values():
        assert [step.seq for step in steps] == list(range(1, 101))


def test_a_write_that_fails_half_way_leaves_nothing(store: Store, run: RunRecord) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("UPDATE runs SET summary = 'half'"))
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        store._database.write(half)

    assert store.run(run.id) == run


class TestSqlite:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "patchyard.db"

    @pytest.fixture
    def store(self, path: Path) -> Iterator[Store]:
        with open_store(f"sqlite:///{path}") as store:
            yield store

    def test_a_writer_waits_for_a_lock_and_readers_do_not(self, path: Path, store: Store) -> None:
        run = begin(store, "patch-1")
        holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        threading.Timer(0.5, holder.execute, ["COMMIT"]).start()

        begun = time.monotonic()
        assert store.run(run.id) == run
        read = time.monotonic()
        store.finish_run(run.id, Status.SUCCEEDED, "", NOW)
        written = time.monotonic()

        holder.close()
        assert read - begun < 0.4
        assert written - begun > 0.4

    def test_a_lock_that_stays_is_told(
        self, path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = begin(store, "patch-1")
        monkeypatch.setattr(database, "_PRAGMAS", ("PRAGMA busy_timeout = 100",))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with open_store(f"sqlite:///{path}") as hurried:
            hurried._database._patience = 0.2
            with pytest.raises(StoreUnavailable, match="locked"):
                hurried.finish_run(run.id, Status.SUCCEEDED, "", NOW)
        holder.close()

    def test_a_file_that_is_no_database_is_told(self, path: Path) -> None:
        path.write_text("this is a text " * 1000)
        with pytest.raises(StoreUnavailable, match="not a database"):
            open_store(f"sqlite:///{path}")

    def test_a_store_that_was_closed_can_be_used_again(self, store: Store) -> None:
        begin(store, "patch-1")
        store.close()

        assert store.run("patch-1") is not None

    def test_what_belongs_to_no_run_cannot_be_written(self, store: Store) -> None:
        assert store._database.row(text("PRAGMA foreign_keys"))[0] == 1

    def test_an_error_never_shows_what_was_to_be_written(self, store: Store) -> None:
        begin(store, "patch-1")
        store._database.change(text("DROP TABLE steps"))
        with pytest.raises(StoreUnavailable) as told:
            store.begin_step("patch-1", "m1", "ask", {"token": "hunter2"}, NOW)

        assert "hunter2" not in f"{told.value} {told.value.__cause__}"


@pytest.mark.postgresql
class TestPostgresql:
    @pytest.fixture
    def own(self) -> Iterator[Server]:
        if postgresql.binaries() is None:
            report = pytest.fail if postgresql.must_run() else pytest.skip
            report(postgresql.MISSING)
        with postgresql.running() as server:
            yield server

    def test_a_restart_of_the_server_costs_only_time(self, own: Server) -> None:
        with open_store(own.create("memory")) as store:
            run = begin(store, "patch-1")
            own.stop()
            again = threading.Timer(0.5, own.start_again)
            again.start()

            store.begin_step(run.id, "m1", "ask", {}, NOW)
            store.finish_step(run.id, "m1", 1, {}, NOW)

            again.join()
            assert len(store.steps(run.id, "m1")) == 1

    def test_a_server_that_stays_away_is_told(self, own: Server) -> None:
        with open_store(own.create("memory")) as store:
            run = begin(store, "patch-1")
            own.stop()
            store._database._patience = 0.2

            with pytest.raises(StoreUnavailable):
                store.heartbeat(run.id, "a", NOW, NOW - NOW)
            with pytest.raises(StoreUnavailable):
                store.steps(run.id, "m1")
