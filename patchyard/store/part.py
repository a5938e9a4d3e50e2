"""What every part of the store has: the database, and reading rows as records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import Select, select

from patchyard.store.database import Database
from patchyard.store.errors import DamagedRecord
from patchyard.store.models import Base

R = TypeVar("R")
M = TypeVar("M", bound=BaseModel)


class Part:
    """A part of the store, over the one database that all parts share."""

    def __init__(self, database: Database) -> None:
        self._database = database


def select_as(record: type[Any], table: type[Base]) -> Select[Any]:
    """Return a query for the columns that make a record, in the order of its fields."""
    return select(*(getattr(table, field.name) for field in fields(record)))


def as_records(record: Callable[..., R], rows: Sequence[Any]) -> tuple[R, ...]:
    """Make records of the rows of a `select_as` query."""
    return tuple(record(*row) for row in rows)


def parsed(model: type[M], text: str, *, what: str) -> M:
    """Read a value back from its JSON text.

    Raises:
        DamagedRecord: the text is not such a value, or is one of another version.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DamagedRecord(f"{what} cannot be read: {where}: {first['msg']}") from None
