"""Baselines and hotpatches by month: a table that the operator refreshes, and the calendar.

The table says what was released, the calendar only what is usual; what is offered decides
(windows.md 2.2: the kind of an update never follows from comparing revisions of a build).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

from patchyard.errors import ConfigurationError
from patchyard.managers.windows_update.written import Written
from patchyard.yaml_text import read

SCHEMA = 1

BASELINE_MONTHS = frozenset({1, 4, 7, 10})
"""January, April, July and October bring a baseline, which needs a reboot (windows.md 2.2)."""

TUESDAY = 1
"""Of date.weekday()."""


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


@lru_cache(maxsize=8)
def parse(text: str, file: str = "the table of hotpatches") -> Table:
    """Read the table.

    Raises:
        ConfigurationError: it cannot be used; every place is named by file, line and field.
    """
    document = read(text, file=file)
    written = Written(document)
    if not document.problems and written.schema(SCHEMA):
        table = Table({product: _months(written, product) for product in written.products()})
    if document.problems:
        raise ConfigurationError(document.problems)
    return table


def _months(written: Written, product: str) -> tuple[Month, ...]:
    """Return the months of a product, oldest first."""
    names = sorted(written.months(product))
    return tuple(_month(written, product, name) for name in names)


def _month(written: Written, product: str, name: str) -> Month:
    releases = (Release(*written.release(product, name, kind)) for kind in ("lcu", "hotpatch"))
    lcu, hotpatch = releases
    return Month(name, written.baseline(product, name), lcu, hotpatch)


def of_text(text: str) -> Table:
    """Return the table of a text; an empty one where there is none."""
    return parse(text) if text else Table()
