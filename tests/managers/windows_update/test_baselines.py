from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard._windows_tables import hotpatch_table
from patchyard.errors import ConfigurationError
from patchyard.managers.windows_update.baselines import (
    month_of,
    parse,
    second_tuesday,
    usual_baseline,
)

days = st.dates(date(2020, 1, 1), date(2040, 12, 31))

GOOD = """
schema: 1
products:
  "20348":
    name: Windows Server 2022
    months:
      "2026-08":
        lcu: {kb: KB5120242, build: "20348.5499"}
        hotpatch: {kb: KB5120229, build: "20348.5440"}
      "2026-07": {baseline: planned, lcu: {kb: KB5099540, build: "20348.5386"}}
      "2026-09": {baseline: unplanned}
"""


@given(days)
def test_the_second_tuesday_is_one_and_in_the_second_week(day: date) -> None:
    found = second_tuesday(day.year, day.month)
    assert found.weekday() == 1
    assert 8 <= found.day <= 14


@given(days)
def test_the_month_changes_on_its_second_tuesday(day: date) -> None:
    year, month = map(int, month_of(day).split("-"))
    assert second_tuesday(year, month) <= day
    following = date(year + month // 12, month % 12 + 1, 1)
    assert day < second_tuesday(following.year, following.month)


@given(days)
def test_every_third_month_is_usually_a_baseline(day: date) -> None:
    assert usual_baseline(f"{day:%Y-%m}") == (day.month % 3 == 1)


def test_the_months_are_read_in_their_order() -> None:
    assert [m.name for m in parse(GOOD).months("20348")] == ["2026-07", "2026-08", "2026-09"]
    assert parse(GOOD).months("26100") == ()


def test_the_table_comes_before_the_calendar() -> None:
    read = parse(GOOD)
    assert read.expectation("20348", "2026-09").baseline
    assert "unplanned" in read.expectation("20348", "2026-09").because
    assert not read.expectation("20348", "2026-08").baseline
    assert read.expectation("20348", "2026-10").baseline
    assert "calendar" in read.expectation("20348", "2026-10").because


def test_the_newest_baseline_is_looked_for_up_to_a_month() -> None:
    read = parse(GOOD)
    names = [read.newest_baseline("20348", m) for m in ("2026-06", "2026-08", "2026-12")]
    assert [m.name if m else "" for m in names] == ["", "2026-07", "2026-09"]


def test_an_article_says_which_of_the_two_it_is() -> None:
    read = parse(GOOD)
    hot, cold = read.release("KB5120229"), read.release("KB5120242")
    assert hot is not None
    assert cold is not None
    assert (hot[1].build, hot[2]) == ("20348.5440", True)
    assert (cold[1].build, cold[2]) == ("20348.5499", False)
    assert read.release("") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema: 1", "schema: 2"),
        ("planned,", "perhaps,"),
        ('"2026-07"', '"2026-13"'),
        ('build: "20348.5386"', "build: 20348.5386"),
        ("lcu: {kb: KB5099540", "hotpatch: {kb: KB1}, lcu: {kb: KB5099540"),
        ("products:", "product:"),
        ("months:", "months: ["),
    ],
)
def test_a_table_that_is_written_wrong_is_refused(old: str, new: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        parse(GOOD.replace(old, new, 1))
    assert all(problem.line for problem in told.value.problems)


def test_everything_that_is_wrong_is_told_together() -> None:
    wrong = GOOD.replace("KB5120242", "5120242").replace(
        '"2026-09": {baseline: unplanned}', '"9": {}'
    )
    with pytest.raises(ConfigurationError) as told:
        parse(wrong, "own.yaml")
    assert [(p.file, p.line, p.field.rpartition(".")[2]) for p in told.value.problems] == [
        ("own.yaml", 11, "9"),
        ("own.yaml", 8, "kb"),
    ]


def test_the_table_that_is_shipped_can_be_read() -> None:
    found = parse(hotpatch_table()).release("KB5120228")
    assert found is not None
    assert found[1].build == "26100.33222"
