from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from patchyard.errors import ConfigurationError
from patchyard.store import StoreUnavailable, WindowClaim, migrating, open_store
from patchyard.store.models import Base
from patchyard.store.opening import SCHEMA
from tests.store.conftest import NOW, begin

OPEN = "import sys; from patchyard.store import open_store; open_store(sys.argv[1]).runs()"
OPEN_AT_ONCE = f"from patchyard.store import migrating; print(flush=True); input(); {OPEN}"


def differences(url: str) -> list[object]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Base.metadata))


def test_models_are_what_the_migrations_make(empty_url: str) -> None:
    open_store(empty_url).close()

    assert differences(empty_url) == []


def test_the_comparison_sees_a_column_that_no_migration_makes(empty_url: str) -> None:
    open_store(empty_url).close()
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE steps DROP COLUMN result"))

    assert differences(empty_url) != []


def test_the_schema_in_the_code_is_the_newest_migration() -> None:
    script = ScriptDirectory.from_config(migrating.configuration())

    assert script.get_heads() == [SCHEMA]


def test_opening_again_keeps_what_is_there(empty_url: str) -> None:
    with open_store(empty_url) as store:
        begin(store, "patch-1")

    with open_store(empty_url) as again:
        assert again.run("patch-1") is not None


PARTS = (
    ("web@2026-03-01", "linux", "patch-1", 0),
    ("web@2026-03-01", "windows", "patch-1", 0),
    ("web@2026-03-08", "linux", "patch-3", 5),
    ("web@2026-03-08", "windows", "patch-2", 4),
    ("web@2026-03-15", "windows", "patch-4", 6),
)
"""Claims of an earlier version: a run of all, two runs, and one whose other part never ran."""


def test_claims_of_parts_of_a_window_become_one_claim_the_earlier(empty_url: str) -> None:
    _at_version(empty_url, "0004")
    row = "INSERT INTO window_claims VALUES ('yard', :key, :part, :run, :at, :at, :claimed)"
    with create_engine(empty_url, poolclass=NullPool).begin() as connection:
        for key, part, run, minutes in PARTS:
            times = {"at": _time(connection, 0), "claimed": _time(connection, minutes)}
            connection.execute(text(row), {"key": key, "part": part, "run": run, **times})

    with open_store(empty_url) as store:
        found = store.window_claims("yard", {key for key, *_ in PARTS})
        assert sorted((each.key, each.run_id, each.claimed_at) for each in found) == [
            ("web@2026-03-01", "patch-1", NOW),
            ("web@2026-03-08", "patch-2", NOW + timedelta(minutes=4)),
            ("web@2026-03-15", "patch-4", NOW + timedelta(minutes=6)),
        ]
        assert {each.opens_at for each in found} == {NOW}
        late = WindowClaim("yard", "web@2026-03-15", "patch-9", NOW, NOW, NOW)
        assert store.claim_window(late) == "patch-4"
    assert differences(empty_url) == []


def _at_version(url: str, version: str) -> None:
    """Make a store as an earlier version left it."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True)
    with create_engine(url, poolclass=NullPool).begin() as connection:
        made = migrating.configuration()
        made.attributes["connection"] = connection
        command.upgrade(made, version)


def _time(connection: Connection, minutes: int) -> object:
    """Return a time as the database keeps it."""
    at = NOW + timedelta(minutes=minutes)
    return f"{at:%Y-%m-%d %H:%M:%S.%f}" if connection.dialect.name == "sqlite" else at


def test_processes_that_open_a_new_store_at_once_all_succeed(empty_url: str) -> None:
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN_AT_ONCE, empty_url], text=True, **pipes)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]

    assert [process.returncode for process in processes] == [0] * 3, errors
    assert differences(empty_url) == []


def test_a_migration_that_fails_leaves_nothing_half_done(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = migrating.upgrade

    def broken(connection: object) -> None:
        whole(connection)  # type: ignore[arg-type] # passed on as it came
        raise RuntimeError("the power went")

    monkeypatch.setattr(migrating, "upgrade", broken)
    with pytest.raises(RuntimeError):
        open_store(empty_url)
    monkeypatch.undo()

    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    open_store(empty_url).close()


def test_a_database_of_a_later_version_is_refused_and_left_alone(empty_url: str) -> None:
    open_store(empty_url).close()
    engine = create_engine(empty_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StoreUnavailable, match="version 9999"):
        open_store(empty_url)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_an_up_to_date_store_opens_without_alembic(url: str) -> None:
    open_store(url).close()
    code = OPEN + "; assert 'alembic' not in sys.modules"

    subprocess.run([sys.executable, "-c", code, url], check=True)


def test_an_up_to_date_file_opens_in_less_than_50_milliseconds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'patchyard.db'}"
    open_store(url).close()
    times = []
    for _ in range(5):
        begun = time.process_time()
        open_store(url).close()
        times.append(time.process_time() - begun)

    assert min(times) < 0.05


def test_the_file_is_for_its_owner_alone_and_uses_a_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "new" / "patchyard.db"
    previous = os.umask(0)
    try:
        open_store(f"sqlite:///{path}").close()
    finally:
        os.umask(previous)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://root:hunter2@127.0.0.1/x", "mysql is not supported"),
        ("hunter2", "is no database URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_with_what_to_write(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as told:
        open_store(url)

    assert "PATCHYARD_DATABASE_URL" in str(told.value)
    assert "postgresql+psycopg://" in str(told.value)
    assert "hunter2" not in str(told.value)


def test_a_server_that_does_not_answer_is_told_at_once_without_the_password(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable) as told:
        open_store(f"postgresql://joe:hunter2@/x?host={tmp_path}")

    assert time.monotonic() - begun < 5
    assert "hunter2" not in str(told.value)
