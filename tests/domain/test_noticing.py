from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from patchyard.domain.around import Notice
from patchyard.domain.noticing import ahead, due, key_of, left, when

START = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def notice(*at: str, **more: Any) -> Notice:
    return Notice.model_validate({"at": list(at), "to": "event", **more})


@pytest.mark.parametrize(
    ("hours", "moment"),
    [(25, None), (24, "24h"), (2, "24h"), (1, "1h"), (0.01, "1h"), (0, None), (-1, None)],
)
def test_the_last_moment_that_has_come_is_due(hours: float, moment: str | None) -> None:
    found = list(due([notice("24h", "1h", "start", "end")], START, START - hours * HOUR))
    assert [each[1] for each in found] == ([moment] if moment else [])


def test_moments_of_the_run_are_never_due_before_it() -> None:
    assert list(due([notice("start", "wave", "end", "failure")], START, START - HOUR)) == []


def test_how_far_ahead_is_looked() -> None:
    assert ahead([notice("1h", "start"), notice("2 days")]) == timedelta(days=2)
    assert ahead([notice("start")]) == timedelta(0)


def test_two_addresses_have_two_keys_and_a_window_that_is_moved_another() -> None:
    one = notice("1h", to="email", address="a@b.example")
    other = notice("1h", to="email", address="c@b.example")
    keys = {key_of(place, "1h", each) for place in ("w/21", "w/22") for each in (one, other)}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("seconds", "written"), [(86400, "1d"), (3590, "1h"), (89, "1m"), (5, "1m"), (5400, "1h30m")]
)
def test_the_time_left_is_written_to_the_minute(seconds: int, written: str) -> None:
    assert left(START, START - timedelta(seconds=seconds)) == written


def test_a_time_is_told_by_its_own_clock_and_in_utc() -> None:
    local = START.astimezone(ZoneInfo("Europe/Berlin"))
    end = START + 4 * HOUR
    assert when(START, end, local) == "Sat 2026-03-14 22:00 CET (2026-03-14 21:00 to 01:00 UTC)"
    assert when(START, end) == "2026-03-14 21:00 to 01:00 UTC"


@pytest.mark.parametrize("moment", ["0m", "0h", "PT0S", "soon", ""])
def test_a_moment_that_never_comes_is_refused(moment: str) -> None:
    with pytest.raises(ValidationError, match="is no moment; write a time before the start"):
        notice(moment)
