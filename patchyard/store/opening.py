"""Opening the store: the database is made or brought up to date, then used."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import URL, Connection, Engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from patchyard.errors import ConfigurationError
from patchyard.store.database import Database, begin_writing, make_engine, translated
from patchyard.store.errors import StoreUnavailable
from patchyard.store.store import Store

SCHEMA = "0007"
"""The newest migration. The store works on this version and no other."""

_ADVISORY_LOCK = 0x5041_5443_4859_4152
"""Key of the PostgreSQL lock that one migrating process holds ("PATCHYAR" in ASCII)."""

_POOL = 10
"""Connections kept open, and again as many at a rush; further threads wait their turn."""

_WHAT_TO_WRITE = "write sqlite:////folder/file.db or postgresql+psycopg://user@host/database"
_FIELD = "PATCHYARD_DATABASE_URL"


def open_store(url: str | SecretStr) -> Store:
    """Open the memory at a database URL; make it, or bring it up to date, where that is needed.

    Several processes may do this at once: one migrates, the others wait for it.

    Raises:
        ConfigurationError: the URL cannot be used.
        StoreUnavailable: the database cannot be reached, or is of a later version.
    """
    where = _location(url.get_secret_value() if isinstance(url, SecretStr) else url)
    with ExitStack() as on_failure:
        engine = make_engine(where, pool_size=_POOL, max_overflow=_POOL)
        on_failure.callback(engine.dispose)
        try:
            if not _exists(where) or _version(engine) != SCHEMA:
                _bring_up_to_date(where)
        except SQLAlchemyError as error:
            raise translated(error) from error
        on_failure.pop_all()
    return Store(Database(engine))


def _location(url: str) -> URL:
    """Read a URL. The text of a bad one is never shown: it may hold a password."""
    try:
        where = make_url(url)
    except ArgumentError:
        raise ConfigurationError.of(f"is no database URL; {_WHAT_TO_WRITE}", field=_FIELD) from None
    kind = where.drivername.partition("+")[0]
    if kind in {"postgres", "postgresql"}:
        return where.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise ConfigurationError.of(f"{kind} is not supported; {_WHAT_TO_WRITE}", field=_FIELD)
    if where.database in {None, "", ":memory:"}:
        message = f"a database in memory remembers nothing; {_WHAT_TO_WRITE}"
        raise ConfigurationError.of(message, field=_FIELD)
    return where


def _exists(where: URL) -> bool:
    return where.get_backend_name() != "sqlite" or Path(str(where.database)).exists()


def _version(engine: Engine) -> str:
    with engine.connect() as connection:
        return schema_version(connection)


def schema_version(connection: Connection) -> str:
    """Return the version of the tables; empty where there are none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""


def _bring_up_to_date(where: URL) -> None:
    engine = make_engine(where, poolclass=NullPool)
    try:
        if where.get_backend_name() == "sqlite":
            with _file_locked(Path(str(where.database))):
                _migrate_sqlite(engine)
        else:
            with engine.begin() as connection:
                connection.execute(select(text(f"pg_advisory_xact_lock({_ADVISORY_LOCK})")))
                _migrate(connection)
    finally:
        engine.dispose()


@contextmanager
def _file_locked(database: Path) -> Iterator[None]:
    """Hold the lock beside a SQLite file; the file is made readable by its owner alone."""
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(database.with_name(f"{database.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.close(os.open(database, os.O_CREAT | os.O_RDWR, 0o600))
        yield
    finally:
        os.close(lock)


def _migrate_sqlite(engine: Engine) -> None:
    # Rebuilding a table with foreign keys on would empty the tables that refer to it.
    event.listen(engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA foreign_keys = OFF"))
    with engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
        with begin_writing(connection):
            _migrate(connection)


def _migrate(connection: Connection) -> None:
    """Bring the tables up to date inside the caller's transaction, which holds the lock."""
    found = schema_version(connection)
    if found == SCHEMA:
        return
    from patchyard.store import migrating  # noqa: PLC0415 - alembic takes long to import

    if found and not migrating.knows(found):
        raise StoreUnavailable(
            f"the database has version {found}, this Patchyard knows up to {SCHEMA}; "
            "use the Patchyard that wrote it, or a later one"
        )
    migrating.upgrade(connection)
