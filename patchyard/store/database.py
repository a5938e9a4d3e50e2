"""The database under the store: connections, short transactions, and patience with faults.

Every read and every write is one short transaction. On SQLite the writers of this process take
turns (the database itself waits by polling, which starves some of many threads), and writers of
other processes are waited for. What a database refuses only for a moment is tried again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Transaction, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.base import Executable

from patchyard.store.errors import NotRecorded, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    Insert = sqlite.Insert | postgresql.Insert

T = TypeVar("T")
Values = Mapping[str, Any]

BUSY_SECONDS = 30
"""How long a SQLite writer waits for the writers of other processes."""

PATIENCE_SECONDS = 30.0
"""How long a lost server is tried again: a restart of PostgreSQL takes less."""

PAUSES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds between tries; the last one repeats."""

_MOMENTARY = {
    "40001",  # serialization failure
    "40P01",  # deadlock
    "23505",  # two wrote the same new row at once: the second reads it on the next try
    "57P01",  # the server shuts down
    "57P03",  # the server starts up
}
_MOMENTARY_SQLITE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CONSTRAINT_UNIQUE")
_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}",
    "PRAGMA foreign_keys = ON",
    # Under WAL this survives the death of the process at any point, and a power cut without
    # damage, though a power cut may take the last moments before it.
    "PRAGMA synchronous = NORMAL",
)


def make_engine(url: URL, **options: Any) -> Engine:
    """Return an engine on which `Connection.begin` is what it says, on SQLite too."""
    if url.get_backend_name() == "postgresql":
        # Whoever has waited for its turn must see what was done before, whatever the server's way.
        options = {"isolation_level": "READ COMMITTED", **options}
    engine = create_engine(
        url,
        hide_parameters=True,  # an error's text goes into logs and reports
        json_serializer=json.JSONEncoder(separators=(",", ":")).encode,
        **options,
    )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        # Not a listener to "begin": with one, every statement of the engine looks for listeners.
        engine.dialect.do_begin = _begin_sqlite  # type: ignore[assignment,method-assign]
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions late, of its own
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: PoolProxiedConnection) -> None:
    connection.cursor().execute(connection.info.pop("begin", "BEGIN"))


def begin_writing(connection: Connection) -> Transaction:
    """Begin a transaction that may write from its start: on SQLite, when its turn has come."""
    connection.info["begin"] = "BEGIN IMMEDIATE"
    return connection.begin()


class Database:
    """Short transactions over one engine, for many threads and processes at once."""

    def __init__(self, engine: Engine, *, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._engine = engine
        on_sqlite = engine.dialect.name == "sqlite"
        self._turn: contextlib.AbstractContextManager[object] = (
            threading.Lock() if on_sqlite else contextlib.nullcontext()
        )
        weakref.finalize(self, engine.dispose)  # a store that was never closed leaves nothing open
        self._insert = _insert_of(engine.dialect.name)

    def insert(self, table: type[object]) -> Insert:
        """Return an insert into `table` that can say what happens on a conflict."""
        return self._insert(table)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Call `work` in a transaction that only reads.

        Raises:
            StoreError: the database cannot be used, or does not have what `work` needs.
        """

        def once() -> T:
            with self._engine.connect() as connection, connection.begin():
                return work(connection)

        return self._patiently(once)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Call `work` in a transaction that writes. It may be called again, so it must be whole.

        Raises:
            StoreError: the database cannot be used, or does not have what `work` needs.
        """

        def once() -> T:
            with (
                self._turn,
                self._engine.connect() as connection,
                begin_writing(connection),
            ):
                return work(connection)

        return self._patiently(once)

    def rows(self, query: Executable, values: Values | None = None) -> Sequence[Any]:
        """Return all rows of one query."""
        return self.read(lambda connection: connection.execute(query, values).all())

    def row(self, query: Executable, values: Values | None = None) -> Any:
        """Return the first row of one query, or None."""
        return self.read(lambda connection: connection.execute(query, values).first())

    def change(self, statement: Executable, values: Values | None = None) -> int:
        """Carry out one writing statement and return how many rows it changed."""
        return self.write(lambda connection: connection.execute(statement, values).rowcount)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()

    def _patiently(self, once: Callable[[], T]) -> T:
        give_up = time.monotonic() + self._patience
        tries = 0
        while True:
            try:
                return once()
            except SQLAlchemyError as error:
                if not momentary(error) or time.monotonic() >= give_up:
                    raise translated(error) from error
            time.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1


def _insert_of(dialect: str) -> Callable[[Any], Insert]:
    """Return the insert of a database. The other's driver takes long to import."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.insert


def momentary(error: SQLAlchemyError) -> bool:
    """True where the same work may succeed in a moment."""
    if not isinstance(error, DBAPIError):
        return False
    name = getattr(error.orig, "sqlite_errorname", "")
    if name:
        return str(name).startswith(_MOMENTARY_SQLITE)
    state = getattr(error.orig, "sqlstate", None)
    lost = error.connection_invalidated or (state is None and _never_connected(error))
    return lost or state in _MOMENTARY


def _never_connected(error: DBAPIError) -> bool:
    """True where the server could not be reached: then there was no statement yet."""
    return error.statement is None and type(error.orig).__name__ == "OperationalError"


def translated(error: SQLAlchemyError) -> Exception:
    """Return the error in our own words. It never holds the parameters of a statement."""
    if isinstance(error, IntegrityError):
        return NotRecorded(f"it belongs to something that is not recorded: {error.orig}")
    if isinstance(error, DBAPIError):
        return StoreUnavailable(f"the database cannot be used: {error.orig}")
    if isinstance(error, StatementError) and isinstance(error.orig, ValueError | TypeError):
        return error.orig
    return StoreError(f"the database cannot be used: {error}")
