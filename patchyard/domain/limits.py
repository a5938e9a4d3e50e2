"""Limits: how many machines may fail, and how many may be at work at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction


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
