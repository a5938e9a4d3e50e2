from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.advisories import fixes, wrong_with_identifier
from patchyard.domain.plan import WhyNot
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import Classification, Update
from patchyard.domain.value import Known
from patchyard.testing.assessments import assessment

WANTED = ("CVE-2026-7", "KB5041160")


def update(name: str = "openssl", **fields: Any) -> Update:
    given = {"classification": Classification.SECURITY, "origin": "", "installed": "1", **fields}
    return Update(name=name, architecture="amd64", candidate="2", **given)


@pytest.mark.parametrize(
    ("advisories", "cves", "known"),
    [
        (None, None, Known.UNKNOWN),
        ((), (), Known.NO),
        (("KB1",), ("CVE-2026-1",), Known.NO),
        (("KB1",), None, Known.UNKNOWN),
        (None, ("CVE-2026-1",), Known.UNKNOWN),
        (("kb5041160",), None, Known.YES),
        (None, ("cve-2026-7", "CVE-2026-8"), Known.YES),
    ],
)
def test_what_nobody_tells_is_unknown_and_only_what_is_told_is_no(
    advisories: tuple[str, ...] | None, cves: tuple[str, ...] | None, known: Known
) -> None:
    assert fixes(update(advisories=advisories, cves=cves), WANTED) == known


def test_what_is_asked_for_of_one_kind_needs_nothing_of_the_other() -> None:
    assert fixes(update(cves=("CVE-2026-1",)), ["CVE-2026-7"]) == Known.NO
    assert fixes(update(advisories=("KB1",)), ["KB2"]) == Known.NO


def narrowed(*updates: Update, **selection: Any) -> tuple[list[str], dict[str, WhyNot]]:
    chosen, left = select(assessment(updates=updates), Selection(fixes=WANTED, **selection))
    return [each.name for each in chosen], {each.name: each.why for each in left}


def test_only_what_fixes_is_taken_whatever_its_class_and_the_others_are_told_apart() -> None:
    taken, left = narrowed(
        update("fix", cves=("CVE-2026-7",), classification=Classification.OTHER),
        update("other", advisories=(), cves=("CVE-2026-9",)),
        update("untold"),
    )
    assert taken == ["fix"]
    assert left == {"other": WhyNot.NOT_A_FIX, "untold": WhyNot.UNKNOWN_FIX}


def test_what_a_fix_needs_comes_along_and_an_exclude_beats_it() -> None:
    fix = update("fix", cves=("CVE-2026-7",), requires=("library",))
    assert narrowed(fix, update("library"))[0] == ["fix", "library"]
    taken, left = narrowed(fix, update("library"), exclude=("library",))
    assert taken == []
    assert left["fix"] == WhyNot.REQUIRES_EXCLUDED


def test_a_person_may_say_what_fixes_it() -> None:
    taken, left = narrowed(update("openssl"), update("curl"), include=("openssl*",))
    assert taken == ["openssl"]
    assert left == {"curl": WhyNot.UNKNOWN_FIX}


IDS = st.sampled_from(["CVE-2026-1", "CVE-2026-7", "KB1", "KB5041160"])
SOME = st.none() | st.lists(IDS, max_size=3).map(tuple)


@given(SOME, SOME, st.lists(IDS, min_size=1, max_size=3))
def test_more_told_never_takes_a_fix_away(
    advisories: tuple[str, ...] | None, cves: tuple[str, ...] | None, wanted: list[str]
) -> None:
    before = fixes(update(advisories=advisories, cves=cves), wanted)
    after = fixes(update(advisories=advisories or (), cves=cves or ()), wanted)
    assert before == after or (before == Known.UNKNOWN and after == Known.NO)
    assert after != Known.UNKNOWN


@pytest.mark.parametrize("text", ["CVE-2026-12345", "KB5041160", "DSA-5801-1", "RHSA-2026:1234"])
def test_ids_are_taken(text: str) -> None:
    assert wrong_with_identifier(text) == ""


@pytest.mark.parametrize("text", ["", "CVE 2026 1", "openssl*", "x" * 200, "CVE-1,CVE-2"])
def test_what_is_no_id_is_told(text: str) -> None:
    assert "is no id of an advisory" in wrong_with_identifier(text)
