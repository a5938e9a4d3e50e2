"""Limits: how many machines may fail, and how many may be at work at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s*%")
WHOLE = 100
MOST = 1000


@dataclass(frozen=True, slots=True)
class Budget:
    """How many machines may fail in the whole run; more than that, and it stops.

    Both limits count; None is no limit. The percent is of all members.
    """

    max_failures: int | None = None
    max_failure_percent: float | None = None

    def broken_by(self, failures: int, members: int) -> str:
        """Say which limit is exceeded; empty where none is."""
        if self.max_failures is not None and failures > self.max_failures:
            return f"more than {self.max_failures}"
        percent = self.max_failure_percent
        # Exact, for a float's last digit must not stop a run: 57 of 10,000 are 0.57 %.
        if percent is not None and failures * 100 > members * Fraction(str(percent)):
            return f"more than {percent:g} % of {members}"
        return ""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a failure domain that may be at work at once: rounded down, at least one.

    In a domain of fewer than `one_below` members it is one at a time.
    """

    percent: float = 20
    one_below: int = 10


def _domain_limit(written: object) -> object:
    """Take a count or a share as it is written."""
    if isinstance(written, int) and not isinstance(written, bool) and 1 <= written <= MOST:
        return written
    if isinstance(written, str):
        share = _PERCENT.fullmatch(written.strip())
        if share is not None and 0 < Fraction(share[1]) <= WHOLE:
            return written
    raise ValueError(f"must be a whole number from 1 to {MOST}, or a share such as 20%")


DomainLimit = Annotated[
    int | str,
    BeforeValidator(_domain_limit),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST},
                {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,9})?\s*%$"},
            ]
        }
    ),
]
"""How many of a failure domain may be away at once: a count, or a share such as 20%."""


def per_domain(written: int | str) -> int | Share:
    """Return a limit of failure domains as the rollout takes it."""
    if isinstance(written, int):
        return written
    return Share(percent=float(written.strip().removesuffix("%")))


@dataclass(frozen=True, slots=True)
class Limits:
    """How many machines are at work at once, in all and in one failure domain."""

    slots: int = 10
    per_domain: int | Share = 1
    soak: timedelta = timedelta(0)

    def within(self, members: int) -> int:
        """Return how many of a domain with so many members may be away at once."""
        if isinstance(self.per_domain, int):
            return self.per_domain
        if members < self.per_domain.one_below:
            return 1
        return max(1, int(members * Fraction(str(self.per_domain.percent)) / 100))
