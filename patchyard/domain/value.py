"""The base of all values: frozen, strict about unknown fields, readable as JSON."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value. Two values with equal fields are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Known(StrEnum):
    """A truth that may not be known. Unknown is never taken for yes or no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, answer: bool | None) -> Known:
        """Turn an optional boolean into its three-valued form; None is unknown."""
        if answer is None:
            return cls.UNKNOWN
        return cls.YES if answer else cls.NO
