"""Wall clocks and instants in zones whose clocks change oddly, against a plain search."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, reset_tzpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.zones import first_instant, how_read, zone_of
from tests.domain.strategies import problems_of, unhurried

ODD = (
    "Australia/Lord_Howe",  # half an hour of summer time
    "Europe/Dublin",  # winter time is the exception
    "Africa/Casablanca",  # Ramadan
    "Pacific/Chatham",  # 12:45 from UTC, changes at 02:45
    "Pacific/Apia",  # had no 30 December 2011
    "America/New_York",
    "Europe/Berlin",
    "America/Sao_Paulo",  # changed at midnight
    "Asia/Kathmandu",
    "Antarctica/Troll",  # two hours
    "UTC",
)
MINUTE = timedelta(minutes=1)


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """Return the instants of a year from which on the zone has another offset, to the minute."""
    found = []
    at = datetime(year, 1, 1, tzinfo=UTC)
    while at.year == year:
        later = at + timedelta(hours=12)
        if at.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            found.append(first_with(zone, at, later))
        at = later
    return found


def first_with(zone: ZoneInfo, at: datetime, later: datetime) -> datetime:
    offset = later.astimezone(zone).utcoffset()
    while at.astimezone(zone).utcoffset() != offset:
        at += MINUTE
    return at


def searched(local: datetime, zone: ZoneInfo) -> datetime:
    """Try every offset of the days around; where none fits, look at every minute."""
    begin = local.replace(tzinfo=UTC) - timedelta(hours=39)
    near = {(begin + timedelta(hours=n)).astimezone(zone).utcoffset() for n in range(78)}
    fitting = [local.replace(tzinfo=UTC) - offset for offset in near if offset is not None]
    shown = [at for at in fitting if at.astimezone(zone).replace(tzinfo=None) == local]
    return min(shown) if shown else minute_by_minute(local, zone, begin)


def minute_by_minute(local: datetime, zone: ZoneInfo, begin: datetime) -> datetime:
    """Return the first minute at which the clock shows this time or a later one."""
    while begin.astimezone(zone).replace(tzinfo=None) < local:
        begin += MINUTE
    return begin


@st.composite
def moments(draw: st.DrawFn) -> tuple[datetime, str]:
    """Draw a local time, most often near a change of clocks."""
    name = draw(st.sampled_from(ODD))
    zone, year = zone_of(name), draw(st.integers(2009, 2036))
    near = changes(zone, year)
    if not near:
        return draw(st.datetimes(datetime(2009, 1, 1), datetime(2036, 1, 1))).replace(
            second=0, microsecond=0
        ), name
    at = draw(st.sampled_from(near)).astimezone(zone).replace(tzinfo=None)
    return at + MINUTE * draw(st.integers(-27 * 60, 27 * 60)), name


@given(moments())
@unhurried
def test_a_local_time_is_the_first_instant_at_which_the_clock_shows_it_or_later(
    moment: tuple[datetime, str],
) -> None:
    local, name = moment
    zone = zone_of(name)
    found = first_instant(local, zone)
    assert found == searched(local, zone)
    shown = found.astimezone(zone).replace(tzinfo=None)
    before = (found - MINUTE).astimezone(zone).replace(tzinfo=None)
    assert before < local <= shown
    assert ("does not exist" in how_read(local, zone)) == (shown != local)
    again = [found + MINUTE * n for n in range(1, 181)]
    twice = any(each.astimezone(zone).replace(tzinfo=None) == local for each in again)
    assert ("twice" in how_read(local, zone)) == twice


@given(moments(), st.integers(1, 3000))
@unhurried
def test_later_on_the_clock_is_never_earlier(moment: tuple[datetime, str], minutes: int) -> None:
    local, name = moment
    zone = zone_of(name)
    assert first_instant(local, zone) <= first_instant(local + MINUTE * minutes, zone)


@pytest.mark.parametrize(
    ("zone", "local", "utc", "said"),
    [
        ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 01:00", "2026-03-29 03:00"),
        ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 00:30", "twice"),
        ("Europe/Dublin", "2026-03-29 01:30", "2026-03-29 01:00", "2026-03-29 02:00"),
        ("Europe/Dublin", "2026-10-25 01:30", "2026-10-25 00:30", "twice"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30", "2026-10-04 02:30"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45", "twice"),
        ("Australia/Lord_Howe", "2026-04-05 02:00", "2026-04-04 15:30", ""),
        ("Pacific/Chatham", "2026-09-27 03:00", "2026-09-26 14:00", "2026-09-27 03:45"),
        ("Africa/Casablanca", "2026-03-22 02:30", "2026-03-22 02:00", "2026-03-22 03:00"),
        ("Pacific/Apia", "2011-12-30 22:00", "2011-12-30 10:00", "2011-12-31 00:00"),
        ("Antarctica/Troll", "2026-03-29 02:30", "2026-03-29 01:00", "2026-03-29 03:00"),
        ("Europe/Berlin", "2026-06-01 02:30", "2026-06-01 00:30", ""),
    ],
)
def test_known_changes_of_clocks(zone: str, local: str, utc: str, said: str) -> None:
    moment, info = datetime.fromisoformat(local), zone_of(zone)
    assert first_instant(moment, info) == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert said in how_read(moment, info)
    assert bool(said) == bool(how_read(moment, info))


@pytest.mark.parametrize("name", ["Europe/Berln", "W. Europe Standard Time", "", "/etc/passwd"])
def test_a_zone_that_is_not_there_is_told_with_the_nearest(name: str) -> None:
    (problem,) = problems_of(lambda: zone_of(name))
    assert "is no time zone; write an IANA name such as Europe/Berlin" in problem.message
    assert ("did you mean Europe/Berlin?" in problem.message) == (name == "Europe/Berln")


def test_zones_are_there_on_a_machine_without_a_database_of_its_own() -> None:
    try:
        reset_tzpath(to=[])
        zone_of.cache_clear()
        ZoneInfo.clear_cache()
        assert first_instant(datetime(2026, 3, 29, 2, 30), zone_of("Europe/Berlin")) == datetime(
            2026, 3, 29, 1, tzinfo=UTC
        )
    finally:
        reset_tzpath()
        zone_of.cache_clear()
