"""Baselines and hotpatches by month: a table that the operator refreshes, and the calendar.

The table says what was released, the calendar only what is usual; what is offered decides
(windows.md 2.2: the kind of an update never follows from comparing revisions of a build).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from patchyard.errors import ConfigurationError

FILE = "data/hotpatch.yaml"
SCHEMA = 1

BASELINE_MONTHS = frozenset({1, 4, 7, 10})
"""January, April, July and October bring a baseline, which needs a reboot (windows.md 2.2)."""

TUESDAY = 1
"""Of date.weekday()."""

_KINDS = frozenset({"", "planned", "unplanned"})


@dataclass(frozen=True, slots=True)
class Release:
    """One update of a month: its article and the build after it; empty where it is not known."""

    kb: str = ""
    build: str = ""


@dataclass(frozen=True, slots=True)
class Month:
    """What came in one month, such as `2026-08`. `baseline` is `planned`, `unplanned` or empty."""

    name: str
    baseline: str = ""
    lcu: Release = Release()
    hotpatch: Release = Release()

    @property
    def is_baseline(self) -> bool:
        """True where the month brought a new baseline: as it was noted, or as is usual."""
        return bool(self.baseline) or (usual_baseline(self.name) and not self.hotpatch.kb)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a month is to bring, and who says so."""

    baseline: bool
    because: str


@dataclass(frozen=True, slots=True)
class Table:
    """The months of each product, by its build (`20348`), oldest first."""

    products: Mapping[str, tuple[Month, ...]] = field(default_factory=dict)

    def months(self, product: str) -> tuple[Month, ...]:
        """Return the months of a product, oldest first; none of one that is not listed."""
        return self.products.get(product, ())

    def release(self, kb: str) -> tuple[Month, Release, bool] | None:
        """Return the month and the release of an article, and whether it is the hotpatch."""
        for month in (month for months in self.products.values() for month in months):
            for found, is_hotpatch in ((month.lcu, False), (month.hotpatch, True)):
                if kb and found.kb == kb:
                    return month, found, is_hotpatch
        return None

    def of_build(self, build: str) -> tuple[Month, bool] | None:
        """Return the month that a build is of, and whether it is that of the hotpatch."""
        for month in self.months(build.partition(".")[0]):
            if build in {month.lcu.build, month.hotpatch.build}:
                return month, build == month.hotpatch.build
        return None

    def newest_baseline(self, product: str, until: str) -> Month | None:
        """Return the newest baseline of a product up to a month; None where none is listed."""
        listed = [m for m in self.months(product) if m.is_baseline and m.name <= until]
        return listed[-1] if listed else None

    def expectation(self, product: str, name: str) -> Expectation:
        """Say what a month is to bring: the table first, then the calendar."""
        month = next((month for month in self.months(product) if month.name == name), None)
        if month is not None and month.baseline:
            return Expectation(True, f"the table has a {month.baseline} baseline for {name}")
        if month is not None and month.hotpatch.kb:
            return Expectation(False, f"the table has hotpatch {month.hotpatch.kb} for {name}")
        usual = usual_baseline(name)
        return Expectation(usual, f"the calendar has a {'baseline' if usual else 'hotpatch'}")


def usual_baseline(name: str) -> bool:
    """True where the calendar has a baseline in a month, such as `2026-07`."""
    return int(name[5:7]) in BASELINE_MONTHS


def second_tuesday(year: int, month: int) -> date:
    """Return the day on which Microsoft releases the updates of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(TUESDAY - first.weekday()) % 7 + 7)


def month_of(today: date) -> str:
    """Return the month whose updates are the newest ones on a day."""
    if today < second_tuesday(today.year, today.month):
        today = today.replace(day=1) - timedelta(days=1)
    return f"{today:%Y-%m}"


def parse(text: str, name: str = FILE) -> Table:
    """Read the table.

    Raises:
        ConfigurationError: it cannot be read; every place is named.
    """
    try:
        written = yaml.safe_load(text)
        if written["schema"] != SCHEMA:
            raise ConfigurationError.of(f"{name}: schema is {written['schema']}, not {SCHEMA}")
        return Table({str(p): tuple(_months(p, entry)) for p, entry in written["products"].items()})
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError.of(f"{name} cannot be read: {error}") from None


def _months(product: str, entry: Mapping[str, Any]) -> Iterator[Month]:
    for name, month in sorted(entry["months"].items()):
        date.fromisoformat(f"{name}-01")
        baseline = month.get("baseline") or ""
        if baseline not in _KINDS:
            raise ValueError(f"{product} {name}: baseline is planned or unplanned, not {baseline}")
        lcu, hotpatch = (_release(month.get(kind) or {}) for kind in ("lcu", "hotpatch"))
        if baseline and hotpatch.kb:
            raise ValueError(f"{product} {name}: a month has a baseline or a hotpatch")
        yield Month(str(name), baseline, lcu, hotpatch)


def _release(entry: Mapping[str, Any]) -> Release:
    kb, build = str(entry.get("kb") or ""), entry.get("build") or ""
    if not isinstance(build, str):
        raise TypeError(f"build {build} stands in no quotes")
    return Release(kb, build)


@cache
def table() -> Table:
    """Return the table that comes with this package; whoever installs it may replace the file."""
    return parse(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
