from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.durations import (
    beginning,
    ending,
    parse_duration,
    parse_local,
    write_duration,
)
from tests.domain.strategies import unhurried


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("3h55m", 235),
        ("3h 55m", 235),
        ("90 min", 90),
        ("90m", 90),
        ("1 hour 30 minutes", 90),
        ("2 days", 2880),
        ("2d", 2880),
        ("1w", 10080),
        ("90 sec", 1.5),
        ("03:55", 235),
        ("PT3H55M", 235),
        ("P1DT12H", 2160),
        ("P2W", 20160),
        ("0m", 0),
        ("PT0S", 0),
        ("0:00", 0),
    ],
)
def test_durations_are_read_in_every_form(text: str, minutes: float) -> None:
    assert parse_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["", "4", "4x", "-4h", "4h3", "P", "PT", "P1H", "1:60", "m", "9999999h", "1h" * 99]
)
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write it such as 3h55m"):
        parse_duration(text)


@given(st.integers(0, 10**8))
@unhurried
def test_what_is_written_is_read_back(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(write_duration(duration)) == duration


def test_a_day_is_all_of_it_and_a_time_is_itself() -> None:
    day, moment = parse_local("2026-03-10"), parse_local("2026-03-10 22:00")
    assert (day, moment) == (date(2026, 3, 10), datetime(2026, 3, 10, 22))
    assert parse_local("2026-03-10T22:00:00") == moment
    assert (beginning(day), ending(day)) == (datetime(2026, 3, 10), datetime(2026, 3, 11))
    assert beginning(moment) == ending(moment) == moment


@pytest.mark.parametrize("text", ["", "today", "2026-02-30", "2026-03-10 25:00", "10.03.2026"])
def test_what_is_no_local_time_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no local time; write it such as 2026-03-10 22:00"):
        parse_local(text)
