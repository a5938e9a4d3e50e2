import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.transaction import InstallProblem
from patchyard.managers.windows_update.codes import CODES, Retry, explain, in_words
from patchyard.managers.windows_update.wording import code_in, unsigned, written

TABLE: dict[Retry, list[int]] = {
    Retry.OK: [
        *(0x00240005, 0x00240006, 0x00240007, 0x80240024, 3010, 1641, 2359302, 2359303),
    ],
    Retry.SKIP: [0x80240017],
    Retry.LATER: [
        *(0x80240009, 0x8024001E, 0x80240034, 0x80246007, 0x80240438, 0x80240FFF, 0x8024200B),
        *(0x80242014, 0x80244010, 0x8024401C, 0x80244021, 0x80244022, 0x80244023, 0x8024402C),
        *(0x80072EE2, 0x80072EFD, 0x80072EFE, 0x80072EE7, 0x80070020, 0x8007000E, 0x8007045B),
        *(0x800706BA, 0x800706BE, 0x80080005, 0x80D02002),
    ],
    Retry.REMEDY: [
        *(0x8024000E, 0x80240019, 0x80240023, 0x80240044, 0x80070005, 0x8024200D, 0x80242017),
        *(0x800F0823, 0x80246002, 0x80248007, 0x80072F8F, 0x80070422, 0x80070070, 0x80070002),
        *(0x80070003, 0x80070490, 0x80073712, 0x80073701, 0x800F081F, 0x800F0831, 0x800F0922),
        *(0x800F0982, 0x800F0986, 0x800F0988, 0x80070643),
    ],
    Retry.REBOOT: [0x80240016],
    Retry.EACH: [0x80240022],
    Retry.NEVER: [
        *(0x8024000B, 0x800704C7, 0x80240010, 0x80240020, 0x80240025, 0x8024002E, 0x8024002F),
        *(0x80240028, 0x80244017, 0x80244018, 0x80244019, 0x800F0825),
    ],
}
"""windows.md 1.2, by what a code asks for."""


def test_the_table_has_every_row_and_no_other() -> None:
    wanted = {code: retry for retry, codes in TABLE.items() for code in codes}
    assert {number: code.retry for number, code in CODES.items()} == wanted


@given(st.sampled_from(sorted(CODES)))
def test_a_signed_code_means_the_same(number: int) -> None:
    signed = number - 2**32 if number >= 2**31 else number
    assert explain(signed) == explain(number) == CODES[number]
    assert unsigned(signed) == number


@pytest.mark.parametrize("number", [0x00240005, 3010, 1641])
def test_a_pending_restart_is_a_success_that_is_not_whole(number: int) -> None:
    assert explain(number).good
    assert explain(number).reboot


def test_wusas_own_number_for_not_applicable_is_the_agents() -> None:
    assert explain(-2145124329).number == 0x80240017


@pytest.mark.parametrize(
    ("number", "tries"), [(0x80240FFF, 1), (0x8024200B, 1), (0x80244010, 5), (0x80240438, None)]
)
def test_how_often_to_try_is_told_where_the_table_says_so(number: int, tries: int | None) -> None:
    assert explain(number).tries == tries


def test_an_unknown_code_of_the_agent_may_be_tried_once_and_keeps_its_number() -> None:
    unknown = explain(0x80249999)
    assert (unknown.retry, unknown.tries) == (Retry.LATER, 1)
    assert "0x80249999" in str(unknown)
    assert explain(0x87654321).retry == Retry.NEVER


def test_what_came_with_an_unknown_code_is_told_and_with_a_known_one_not() -> None:
    assert "the words" in in_words(0x87654321, "the  words")
    assert "the words" not in in_words(0x80240438, "the words")


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        (0x80070070, InstallProblem.DISK_FULL),
        (0x80073712, InstallProblem.BROKEN_DATABASE),
        (0x80240438, InstallProblem.FETCH_FAILED),
        (0x80240009, InstallProblem.LOCKED),
        (0x80240017, InstallProblem.NOT_AVAILABLE),
        (0x8024002E, InstallProblem.HELD),
        (0x800F0823, InstallProblem.UNMET_DEPENDENCIES),
        (0x80070643, InstallProblem.SCRIPT_FAILED),
    ],
)
def test_codes_are_told_in_the_words_of_transactions(number: int, problem: InstallProblem) -> None:
    assert explain(number).problem == problem


def test_no_success_has_a_problem_and_every_code_has_a_meaning() -> None:
    for code in CODES.values():
        assert code.meaning
        assert code.good == (code.problem == InstallProblem.NONE)


def test_codes_are_written_as_they_are_looked_up() -> None:
    assert written(-2145123272) == "0x80240438"
    assert written(3010) == "3010"
    assert code_in("0x80240438 no route") == 0x80240438
    assert code_in("the 0x80240438") is None
