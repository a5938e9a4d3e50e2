from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.freezes import Freeze, frozen_times
from patchyard.domain.ics import read_calendar
from tests.domain.strategies import problems_of, unhurried

BERLIN = "Europe/Berlin"


def calendar(*events: str) -> str:
    inside = "".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{inside}END:VCALENDAR\n"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(
    text: str, zone: str = BERLIN, since: str = "2026-01-01", until: str = "2027-01-01"
) -> list[str]:
    found = frozen_times(read_calendar(text), zone, at(since), at(until))
    return [f"{each.start:%m-%d %H:%M} - {each.end:%m-%d %H:%M} {each.name}" for each in found]


DAY = "DTSTART;VALUE=DATE:20260501\nSUMMARY:Labour Day"


def test_an_event_of_a_whole_day_is_that_day_in_the_zone_of_whoever_asks() -> None:
    assert times(calendar(DAY)) == ["04-30 22:00 - 05-01 22:00 Labour Day"]
    assert times(calendar(DAY), "Pacific/Auckland") == ["04-30 12:00 - 05-01 12:00 Labour Day"]


def test_an_event_of_several_days_ends_where_its_end_day_begins() -> None:
    text = calendar("DTSTART;VALUE=DATE:20261218\nDTEND;VALUE=DATE:20270104\nSUMMARY:Year end")
    assert times(text) == ["12-17 23:00 - 01-03 23:00 Year end"]


def test_times_are_in_utc_in_their_zone_or_in_that_of_whoever_asks() -> None:
    for start, expected in (
        ("DTSTART:20260610T100000Z", "06-10 10:00 - 06-10 14:00 a"),
        ("DTSTART;TZID=Europe/London:20260610T100000", "06-10 09:00 - 06-10 13:00 a"),
        ('DTSTART;TZID="Europe/London":20260610T100000', "06-10 09:00 - 06-10 13:00 a"),
        ("DTSTART:20260610T100000", "06-10 08:00 - 06-10 12:00 a"),
    ):
        assert times(calendar(f"{start}\nDURATION:PT4H\nSUMMARY:a")) == [expected]


def test_a_year_of_holidays_comes_again_and_ends_where_the_rule_does() -> None:
    rule = "RRULE:FREQ=YEARLY;UNTIL=20280501T000000Z"
    text = calendar(f"DTSTART;VALUE=DATE:20200501\n{rule}\nSUMMARY:Labour Day")
    found = times(text, since="2026-01-01", until="2031-01-01")
    assert found == ["04-30 22:00 - 05-01 22:00 Labour Day"] * 3
    thanks = "DTSTART;VALUE=DATE:20201126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH\nSUMMARY:Thanks"
    assert times(calendar(thanks), "America/New_York") == ["11-26 05:00 - 11-27 05:00 Thanks"]


def test_dates_are_left_out_added_and_moved() -> None:
    series = (
        "UID:1\nDTSTART;TZID=Europe/Berlin:20260105T200000\nDURATION:PT2H\nSUMMARY:batch\n"
        "RRULE:FREQ=WEEKLY;COUNT=5\n"
        "EXDATE;TZID=Europe/Berlin:20260112T200000\n"
        "RDATE;TZID=Europe/Berlin:20260114T200000"
    )
    moved = (
        "UID:1\nRECURRENCE-ID:20260119T190000Z\nDTSTART;TZID=Europe/Berlin:20260120T200000\n"
        "DURATION:PT2H\nSUMMARY:batch"
    )
    cancelled = (
        "UID:1\nRECURRENCE-ID;TZID=Europe/Berlin:20260126T200000\nSTATUS:CANCELLED\n"
        "DTSTART;TZID=Europe/Berlin:20260126T200000\nDURATION:PT2H\nSUMMARY:batch"
    )
    found = times(calendar(series, moved, cancelled))
    assert [each[:11] for each in found] == [
        "01-05 19:00",
        "01-14 19:00",
        "01-20 19:00",
        "02-02 19:00",
    ]


def test_a_freeze_over_a_change_of_clocks_is_never_shorter_than_written() -> None:
    night = Freeze("night", datetime(2026, 3, 28, 22), timedelta(hours=8), BERLIN)
    (spring,) = night.within(BERLIN, at("2026-03-28"), at("2026-03-30"))
    assert spring.end - spring.start == timedelta(hours=8)
    night = Freeze("night", datetime(2026, 10, 24, 22), timedelta(hours=8), BERLIN)
    (autumn,) = night.within(BERLIN, at("2026-10-24"), at("2026-10-26"))
    assert autumn.end == at("2026-10-25 05:00")


def test_what_calendars_carry_beside_is_passed_over() -> None:
    text = (
        "BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\n"
        "BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\n"
        "END:DAYLIGHT\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260501\r\n"
        "SUMMARY:Labour\r\n  Day\\, all of it\r\nX-ODD;X=1:a:b\r\nBEGIN:VALARM\r\n"
        "DURATION:PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert times(text) == ["04-30 22:00 - 05-01 22:00 Labour Day, all of it"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("SUMMARY:a", "3: DTSTART: is missing in this event"),
        ("DTSTART;VALUE=DATE:20260230", "4: DTSTART: has no date that can be read"),
        (
            "DTSTART;TZID=W. Europe Standard Time:20260501T100000",
            "4: DTSTART: TZID is no time zone",
        ),
        (f"{DAY}\nDTEND;VALUE=DATE:20260501", "6: DTEND: ends before or when it begins"),
        ("DTSTART:20260501T100000", "4: DTSTART: ends before or when it begins"),
        (f"{DAY}\nDURATION:4 hours", "6: DURATION: is no duration"),
        (f"{DAY}\nDURATION:-P1D", "6: DURATION: is no duration"),
        (f"{DAY}\nRRULE:FREQ=YEARLY;BYWEEKNO=3", "6: RRULE: has BYWEEKNO"),
        (f"{DAY}\nRRULE:FREQ=YEARLY\nEXRULE:FREQ=DAILY", "7: EXRULE: is not supported"),
        (f"{DAY}\nRDATE;VALUE=PERIOD:20260501T100000/PT1H", "6: RDATE: with periods"),
        (f"{DAY}\n{DAY}", "6: DTSTART: stands twice in one event"),
        ("DTSTART;VALUE=DATE:16010101", "4: DTSTART: is too far away"),
        (f"{DAY}\nDTEND;VALUE=DATE:99991231", "6: DTEND: is too far away"),
        (f"{DAY}\nDURATION:P999999D", "6: DURATION: lasts longer than ten years"),
        (f"{DAY}\nnonsense", "6: is no line of a calendar"),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_line(event: str, said: str) -> None:
    problems = problems_of(lambda: read_calendar(calendar(event), file="a.ics"))
    assert str(problems[0]).startswith(f"a.ics:{said}")


@pytest.mark.parametrize(
    "text", ["", "BEGIN:VCALENDAR\n", "hello\n", "BEGIN:VCALENDAR\nEND:VEVENT\n", calendar()]
)
def test_what_is_no_calendar_or_freezes_nothing_is_refused(text: str) -> None:
    assert problems_of(lambda: read_calendar(text))


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = calendar("SUMMARY:a", DAY, "DTSTART:today")
    assert [each.line for each in problems_of(lambda: read_calendar(text))] == [3, 11]


@given(st.text(alphabet=':;=,"\\\n BEGINDVTSARUL0123456789-/ZP', max_size=300))
@unhurried
def test_no_text_breaks_the_reader(text: str) -> None:
    problems_of(lambda: read_calendar(f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{text}\nEND:VEVENT\n"))


@given(
    st.sampled_from(["19700101", "20260501", "21991231", "20260501T235959Z", "20260329T023000"]),
    st.sampled_from(["P1D", "PT1S", "P3660D", "P999999W"]),
    st.sampled_from(["", "\nRRULE:FREQ=YEARLY", "\nRRULE:FREQ=DAILY;UNTIL=99991231T235959Z"]),
    st.sampled_from([BERLIN, "Pacific/Kiritimati", "Pacific/Pago_Pago"]),
)
@unhurried
def test_no_event_breaks_whoever_asks(start: str, length: str, rule: str, zone: str) -> None:
    text = calendar(f"DTSTART:{start}\nDURATION:{length}{rule}\nSUMMARY:a")
    if not problems_of(lambda: read_calendar(text)):
        frozen_times(read_calendar(text), zone, at("2026-05-01"), at("2026-05-02"))
