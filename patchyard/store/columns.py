"""Column types: aware times, statuses, and text that every database accepts."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

from patchyard.domain.outcome import Status

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL refuses NUL in text, and neither database takes half a surrogate pair."""


def storable(text: str) -> str:
    """Return `text` with what databases refuse replaced. Machines may say anything."""
    return _UNSTORABLE.sub("\ufffd", text)


class UtcTime(TypeDecorator[datetime]):
    """A point in time, in UTC and aware both ways. SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into UTC; a naive one is refused with a ValueError."""
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError(f"a time without a time zone cannot be recorded: {value}")
        at = value.astimezone(UTC)
        return at.replace(tzinfo=None) if dialect.name == "sqlite" else at

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class StatusWord(TypeDecorator[Status]):
    """A status, kept as its published word."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Status | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the word; a word that is no status is refused with a ValueError."""
        return None if value is None else str(Status(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Status | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the status of a word."""
        return None if value is None else Status(value)


class Words(TypeDecorator[str]):
    """Free text. What a database cannot hold is replaced, so that no report is lost to it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the text as it can be kept."""
        return None if value is None else storable(value)


class Name(TypeDecorator[str]):
    """A short text where empty means none: kept as NULL, so that it may be a reference."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return NULL for an empty text."""
        return value or None

    def process_result_value(self, value: str | None, dialect: Dialect) -> str:  # noqa: ARG002 - SQLAlchemy's signature
        """Return an empty text for NULL."""
        return value or ""
