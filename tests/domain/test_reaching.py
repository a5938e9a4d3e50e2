"""Whether a run gets to a machine: off by design, off and to be started, or not seen for long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patchyard.domain.forecast import Forecast, Outlook
from patchyard.domain.looks import LastLook
from patchyard.domain.power import PowerSpec
from patchyard.domain.reaching import last_looks
from patchyard.domain.watch import Sighting
from tests.domain.test_forecast import FIRST, NOW, case, made, rows, seen, update, words

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POWER = PowerSpec(kind="libvirt", options={})
OFF = LastLook(off_at=NOW - HOUR)
SILENT = LastLook(fault="timed_out", detail="no answer", since=NOW - 3 * DAY, seen_at=NOW - 9 * DAY)


def looked(look: LastLook, when_off: str = "skip", **more: Any) -> tuple[Forecast, ...]:
    of = more.pop("of", seen(update()))
    fields = {"power": POWER, "policy": {"when_off": when_off}, **more}
    found = case(made(length="90m"), of=of, **fields)
    return rows(replace(found, looks={"a": look}))


def test_a_machine_that_is_off_by_design_is_skipped_however_old_what_was_seen_of_it_is() -> None:
    (row,) = looked(OFF)
    assert (row.outlook, row.at, words(row)) == (Outlook.SKIPPED, FIRST, ["off"])
    assert row.in_the_way[0].detail == (
        "it was off at 2026-03-02 11:00 UTC, and its policy leaves it out while it is (when_off)"
    )
    more, known = looked(OFF, of=seen(update(), taken_at=NOW - 30 * DAY))
    assert (more.outlook, known.outlook) == (Outlook.UNKNOWN, Outlook.SKIPPED)
    assert words(more) == ["stale", "off"]
    (never,) = looked(OFF, of=None)
    assert (never.outlook, words(never)) == (Outlook.UNKNOWN, ["not_assessed", "off"])


def test_whether_a_machine_is_off_that_was_so_long_ago_is_unknown() -> None:
    for row in looked(LastLook(off_at=NOW - 8 * DAY)) + looked(OFF, power=None):
        assert (row.outlook, words(row)) == (Outlook.UNKNOWN, ["unreachable"])
        assert row.in_the_way[0].detail.endswith("and whether it is now is unknown")


def test_a_machine_that_is_to_be_started_is_told_and_needs_the_time_for_it() -> None:
    (row,) = looked(OFF, "start")
    assert (row.outlook, row.at, words(row)) == (Outlook.SCHEDULED, FIRST, ["to_start"])
    # An update, its reboot and its way back take 40 minutes, a start 15.
    found = case(made(length="50m"), of=seen(update()), power=POWER, policy={"when_off": "start"})
    assert rows(found)[0].outlook == Outlook.SCHEDULED
    (late,) = rows(replace(found, looks={"a": OFF}), ahead=8 * DAY)
    assert (late.outlook, words(late)) == (
        Outlook.BLOCKED,
        ["to_start", "window_too_short", "no_window"],
    )
    assert "50m for start 15m, install 5m" in late.in_the_way[1].detail


@pytest.mark.parametrize(
    ("fault", "word"), [("unreachable", "unreachable"), ("host_key_rejected", "look_failed")]
)
def test_a_machine_whose_last_look_failed_is_unknown_and_since_when(fault: str, word: str) -> None:
    (row,) = looked(replace(SILENT, fault=fault))
    assert (row.outlook, row.at, words(row)) == (Outlook.UNKNOWN, FIRST, [word])
    assert row.in_the_way[0].detail == (
        "since 2026-02-27 12:00 UTC, last seen 2026-02-21 12:00 UTC: no answer"
    )
    (never,) = looked(replace(SILENT, seen_at=None))
    assert "never seen, as far as is known" in never.in_the_way[0].detail


def test_a_machine_that_a_silent_run_has_is_unknown() -> None:
    (row,) = rows(replace(case(made(), of=seen(update())), held={"a": "patch-7"}))
    assert (row.outlook, row.at, words(row)) == (Outlook.UNKNOWN, FIRST, ["run_has_it"])


def look(days: int, fault: str = "") -> Sighting:
    return Sighting("a", NOW - days * DAY, fault, f"day {days}" if fault else "")


def test_what_counts_is_the_last_look() -> None:
    looks = (look(5), look(3, "timed_out"), look(1, "unreachable"))
    assert last_looks(looks, {}) == {
        "a": LastLook(
            fault="unreachable", detail="day 1", since=NOW - 3 * DAY, seen_at=NOW - 5 * DAY
        )
    }
    off = {"a": NOW - DAY / 2}
    assert last_looks(looks, off) == {"a": LastLook(off_at=NOW - DAY / 2, seen_at=NOW - 5 * DAY)}
    assert last_looks((*looks, look(0)), off) == {}
    assert last_looks((), off) == {"a": LastLook(off_at=NOW - DAY / 2)}
    assert last_looks((look(2, "timed_out"),), {"a": NOW - 4 * DAY})["a"].since == NOW - 2 * DAY
