"""Every available update is planned or left out with the reason, and what is planned can come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.masks import includes, matches, wrong_with
from patchyard.domain.plan import LeftOut, PlannedUpdate, WhyNot
from patchyard.domain.selection import LONGEST_CHAIN, Selection, select
from patchyard.domain.updates import Classification, Standing, Update
from tests.domain.strategies import (
    NAMES,
    classes,
    mixed,
    offering,
    problems_of,
    unhurried,
    update,
    update_sets,
)

IMPOSSIBLE = frozenset(
    {
        Standing.HELD,
        Standing.PINNED,
        Standing.PHASED,
        Standing.KEPT_BACK,
        Standing.NEEDS_REMOVAL,
    }
)
EVERYTHING = Selection(classifications=frozenset(Classification))
NOTHING = Selection(classifications=frozenset())

masks = st.sampled_from([*NAMES, "[ab]", "?:i386", "c:*", "[def]:all", "nothing*"])
selections = st.builds(
    Selection,
    classifications=st.frozensets(classes),
    include=st.lists(masks | st.sampled_from(["a=2", "b=3*", "*=9"]), max_size=2).map(tuple),
    exclude=st.lists(masks, max_size=2).map(tuple),
    hotpatch_only=st.sampled_from([False, False, True]),
)


def split(
    updates: Iterable[Update], selection: Selection
) -> tuple[tuple[PlannedUpdate, ...], dict[str, LeftOut]]:
    chosen, left = select(offering(*updates), selection)
    return chosen, {f"{item.name}:{item.architecture}": item for item in left}


def why(updates: Iterable[Update], selection: Selection = EVERYTHING) -> dict[str, WhyNot]:
    return {key: item.why for key, item in split(updates, selection)[1].items()}


def there(each: Update) -> bool:
    return each.installed == each.candidate


def needed_by(each: Update, updates: tuple[Update, ...]) -> Iterator[Update]:
    """What an update needs, read naively: the package that fits, else all of that name."""
    for name in each.requires:
        found = [u for u in updates if name in {u.name, u.key}]
        fitting = [u for u in found if u.architecture in {each.architecture, "all"}]
        yield from (u for u in fitting or found if not there(u))


def forbidden(each: Update, selection: Selection) -> bool:
    excluded = any(matches(mask, each) for mask in selection.exclude)
    cold = selection.hotpatch_only and each.hotpatch == ""
    return excluded or cold or each.standing in IMPOSSIBLE


def asked_for(each: Update, selection: Selection) -> bool:
    included = any(includes(mask, each) for mask in selection.include)
    wanted = included or each.classification in selection.classifications
    return wanted and (each.installed != "" or each.by_itself)


def expected(updates: tuple[Update, ...], selection: Selection) -> set[str]:
    """What is to be planned, found slowly: cross out until nothing changes, then take along."""
    open_ones = {u.key: u for u in updates if not there(u)}
    can_come = {key for key, u in open_ones.items() if not forbidden(u, selection)}
    for _ in open_ones:
        can_come = {
            key
            for key in can_come
            if all(need.key in can_come for need in needed_by(open_ones[key], updates))
        }
    taken = {key for key in can_come if asked_for(open_ones[key], selection)}
    for _ in open_ones:
        taken |= {n.key for key in taken for n in needed_by(open_ones[key], updates)}
    return taken


@unhurried
@given(update_sets(), selections)
def test_every_update_is_in_exactly_one_of_planned_and_left_out(
    updates: tuple[Update, ...], selection: Selection
) -> None:
    chosen, left = select(offering(*updates), selection)
    told = [each.key for each in chosen] + [f"{i.name}:{i.architecture}" for i in left]
    assert sorted(told) == sorted(each.key for each in updates)


@unhurried
@given(update_sets(), selections)
def test_what_is_asked_for_and_can_come_is_planned_with_all_it_needs_and_nothing_else(
    updates: tuple[Update, ...], selection: Selection
) -> None:
    chosen, _ = split(updates, selection)
    assert {each.key for each in chosen} == expected(updates, selection)


@unhurried
@given(update_sets(), selections)
def test_nothing_planned_needs_what_is_neither_planned_nor_there(
    updates: tuple[Update, ...], selection: Selection
) -> None:
    taken = {each.key for each in split(updates, selection)[0]}
    for each in updates:
        if each.key in taken:
            assert {need.key for need in needed_by(each, updates)} <= taken


@unhurried
@given(update_sets(), selections)
def test_nothing_excluded_impossible_or_there_already_is_planned(
    updates: tuple[Update, ...], selection: Selection
) -> None:
    taken = {each.key for each in split(updates, selection)[0]}
    for each in updates:
        if forbidden(each, selection) or there(each):
            assert each.key not in taken


@unhurried
@given(update_sets(), selections)
def test_every_reason_is_true(updates: tuple[Update, ...], selection: Selection) -> None:
    taken, left = split(updates, selection)
    came = {each.key for each in taken}
    for each in updates:
        if each.key in left:
            item = left[each.key]
            assert (item.installed, item.candidate) == (each.installed, each.candidate)
            assert is_true(item, each, updates, selection, came)


def is_true(
    item: LeftOut,
    each: Update,
    updates: tuple[Update, ...],
    selection: Selection,
    came: set[str],
) -> bool:
    excluded_by = [mask for mask in selection.exclude if matches(mask, each)]
    if there(each):
        return item.why == WhyNot.ALREADY_INSTALLED
    if excluded_by:
        return item.why == WhyNot.EXCLUDED and item.detail == f"excluded by {excluded_by[0]}"
    if each.standing in IMPOSSIBLE:
        return item.why.value == each.standing.value
    if item.why == WhyNot.REQUIRES_EXCLUDED:
        missed = {need.name for need in needed_by(each, updates) if need.key not in came}
        return any(item.detail.startswith(f"needs {name}, which ") for name in missed)
    facts = {
        WhyNot.NOT_HOTPATCH: forbidden(each, selection),
        WhyNot.CLASSIFICATION: each.classification not in selection.classifications,
        WhyNot.NOT_INCLUDED: item.detail != "",
    }
    return facts.get(item.why, False)


@unhurried
@given(update_sets(), selections, st.randoms(use_true_random=False))
def test_the_order_of_what_was_found_makes_no_difference(
    updates: tuple[Update, ...], selection: Selection, random: Random
) -> None:
    again = select(offering(*mixed(updates, random)), selection)
    assert again == select(offering(*updates), selection)


@unhurried
@given(update_sets(), selections, masks)
def test_one_more_exclude_never_brings_anything_in(
    updates: tuple[Update, ...], selection: Selection, mask: str
) -> None:
    stricter = selection.model_copy(update={"exclude": (*selection.exclude, mask)})
    before = {each.key for each in split(updates, selection)[0]}
    after = {each.key for each in split(updates, stricter)[0]}
    assert after <= before


def test_exclude_beats_include_and_class() -> None:
    selection = Selection(include=("a",), exclude=("a*",))
    assert why([update("a:amd64")], selection) == {"a:amd64": WhyNot.EXCLUDED}


def test_exclusion_is_handed_on_however_long_the_chain() -> None:
    chain = [
        update("a:amd64", requires=("b",)),
        update("b:amd64", requires=("c",)),
        update("c:amd64"),
    ]
    chosen, left = split(chain, Selection(exclude=("c",)))
    assert chosen == ()
    assert left["a:amd64"].why == WhyNot.REQUIRES_EXCLUDED
    assert left["a:amd64"].detail == "needs b, which needs c, which is left out (excluded by c)"


def test_the_middle_of_a_long_chain_is_counted() -> None:
    length = LONGEST_CHAIN + 3
    chain = [update(f"p{n}:amd64", requires=(f"p{n + 1}",)) for n in range(length)]
    left = split([*chain, update(f"p{length}:amd64")], Selection(exclude=(f"p{length}",)))[1]
    assert left["p0:amd64"].detail == (
        f"needs p1, which needs p2, which needs {length - 4} others in turn, "
        f"which needs p{length - 1}, which needs p{length}, "
        f"which is left out (excluded by p{length})"
    )


def test_those_that_need_each_other_come_together() -> None:
    pair = [
        update("a:amd64", requires=("b",)),
        update("b:amd64", requires=("a",), classification=Classification.OTHER),
    ]
    assert why(pair, Selection()) == {}
    assert set(why(pair, Selection(exclude=("b",)))) == {"a:amd64", "b:amd64"}


def test_a_bare_name_means_the_package_of_the_same_architecture() -> None:
    three = [
        update("a:amd64", requires=("b",)),
        update("b:amd64", installed=""),
        update("b:i386", installed=""),
    ]
    assert why(three) == {"b:i386": WhyNot.NOT_INCLUDED}
    other = [update("a:amd64", requires=("b:i386",)), update("b:i386", installed="")]
    assert why(other) == {}


@pytest.mark.parametrize(
    ("mask", "taken"),
    [
        ("a", True),
        ("a=2", True),
        ("a=2*", True),
        ("[ab]=?", True),
        ("a:amd64=2", True),
        ("a=3", False),
        ("a:i386=2", False),
        ("A", False),
        ("aa", False),
    ],
)
def test_an_include_may_ask_for_a_version(mask: str, *, taken: bool) -> None:
    chosen, _ = split([update("a:amd64")], Selection(classifications=frozenset(), include=(mask,)))
    assert [each.key for each in chosen] == (["a:amd64"] if taken else [])


def test_an_include_that_asks_for_another_version_is_told() -> None:
    left = split([update("a:amd64")], Selection(classifications=frozenset(), include=("a=3",)))[1]
    assert left["a:amd64"].detail == "include a=3 asks for another version"


def test_an_include_does_not_bring_in_a_new_package_by_itself() -> None:
    new = update("a:amd64", installed="")
    assert why([new], Selection(include=("a",))) == {"a:amd64": WhyNot.NOT_INCLUDED}


def test_what_is_wanted_for_its_own_sake_is_asked_for_although_it_is_new() -> None:
    assert why([update(installed="", by_itself=True)], Selection()) == {}


def test_a_need_that_was_not_asked_for_by_itself_comes_along() -> None:
    pair = [
        update("a:amd64", requires=("b",)),
        update("b:amd64", classification=Classification.OTHER),
    ]
    assert why(pair, Selection()) == {}
    assert why(pair[1:], Selection()) == {"b:amd64": WhyNot.CLASSIFICATION}


def test_a_planned_update_is_the_one_that_was_offered() -> None:
    offered = update("a:i386", source="src", requires=("absent",), download_bytes=7)
    (chosen,), _ = split([offered], Selection(atomic=(("a", "b*"), ("z",))))
    assert chosen.key == offered.key
    assert (chosen.from_version, chosen.to_version) == ("1", "2")
    assert (chosen.source, chosen.requires, chosen.download_bytes) == ("src", ("absent",), 7)
    assert chosen.together == ("a b*",)


OTHER = update("a:amd64", classification=Classification.OTHER)
EXAMPLES: dict[WhyNot, tuple[list[Update], Selection]] = {
    WhyNot.CLASSIFICATION: ([OTHER], Selection()),
    WhyNot.NOT_INCLUDED: ([OTHER], NOTHING),
    WhyNot.EXCLUDED: ([OTHER], Selection(exclude=("a",))),
    WhyNot.REQUIRES_EXCLUDED: (
        [update("a:amd64", requires=("b",)), update("b:amd64")],
        Selection(exclude=("b",)),
    ),
    WhyNot.HELD: ([update(standing=Standing.HELD)], EVERYTHING),
    WhyNot.PINNED: ([update(standing=Standing.PINNED)], EVERYTHING),
    WhyNot.PHASED: ([update(standing=Standing.PHASED)], EVERYTHING),
    WhyNot.NEEDS_REMOVAL: ([update(standing=Standing.NEEDS_REMOVAL)], EVERYTHING),
    WhyNot.KEPT_BACK: ([update(standing=Standing.KEPT_BACK)], EVERYTHING),
    WhyNot.NOT_PROMOTED: ([update()], Selection(promoted=(("a:amd64", "another"),))),
    WhyNot.NOT_HOTPATCH: (
        [update(hotpatch="")],
        EVERYTHING.model_copy(update={"hotpatch_only": True}),
    ),
    WhyNot.ALREADY_INSTALLED: ([update(installed="2")], EVERYTHING),
}


@pytest.mark.parametrize("reason", WhyNot)
def test_each_reason_is_told_somewhere(reason: WhyNot) -> None:
    updates, selection = EXAMPLES[reason]
    assert why(updates, selection)["a:amd64"] == reason


def test_a_need_that_is_there_already_holds_nothing_back_even_where_it_is_held() -> None:
    held = update("b:amd64", installed="2", standing=Standing.HELD)
    chosen, _ = split([update("a:amd64", requires=("b",)), held], Selection(exclude=("b",)))
    assert [each.key for each in chosen] == ["a:amd64"]


def test_an_update_that_needs_new_packages_is_no_obstacle() -> None:
    assert why([update(standing=Standing.NEEDS_NEW)]) == {}


def test_where_there_are_no_hotpatches_everything_else_is_planned() -> None:
    assert why([update(hotpatch=None)], Selection(hotpatch_only=True)) == {}
    assert why([update(hotpatch="by its title")], Selection(hotpatch_only=True)) == {}


GOOD_MASKS = ("openssl", "lib*", "[ab]?", "libc6:i386", "*")
BAD_MASKS = ("", "=", "=1", "a=", "a b", "a,b", "a\t", "a\n=1")


@unhurried
@given(
    st.lists(st.sampled_from([*GOOD_MASKS, *BAD_MASKS, "a=1"]), max_size=4),
    st.lists(st.sampled_from([*GOOD_MASKS, *BAD_MASKS, "a=1"]), max_size=4),
    st.lists(st.sampled_from([*GOOD_MASKS, *BAD_MASKS, "a=1"]), max_size=4),
)
def test_all_masks_that_cannot_be_used_are_named_at_once(
    include: list[str], exclude: list[str], together: list[str]
) -> None:
    wrong = [f"include[{n}]" for n, mask in enumerate(include) if mask in BAD_MASKS]
    for field, written in (("exclude", exclude), ("atomic[0]", together)):
        wrong += [f"{field}[{n}]" for n, mask in enumerate(written) if mask not in GOOD_MASKS]
    fields = {"include": tuple(include), "exclude": tuple(exclude), "atomic": (tuple(together),)}
    problems = problems_of(lambda: Selection.model_validate(fields))
    assert [problem.field for problem in problems] == wrong
    assert all(problem.message for problem in problems)


@pytest.mark.parametrize("mask", BAD_MASKS)
def test_what_is_wrong_with_a_mask_is_told_with_the_mask(mask: str) -> None:
    assert repr(mask) in wrong_with(mask, versions=True)


@pytest.mark.parametrize("mask", GOOD_MASKS)
def test_a_mask_that_can_be_used_has_nothing_wrong(mask: str) -> None:
    assert wrong_with(mask, versions=False) == ""
    assert wrong_with(f"{mask}=1.*", versions=True) == ""


def test_an_exclude_that_names_a_version_is_told_what_to_write() -> None:
    assert wrong_with("a=1", versions=False).endswith("write a")


@pytest.mark.parametrize(
    ("mask", "key", "named"),
    [
        ("lib*", "libc6:i386", True),
        ("lib*:i386", "libc6:i386", True),
        ("lib*:amd64", "libc6:i386", False),
        ("*:i386", "libc6:i386", True),
        ("libc6:i386=9", "libc6:i386", True),
        ("i386", "libc6:i386", False),
        ("LIBC6", "libc6:i386", False),
    ],
)
def test_a_mask_with_a_colon_is_about_the_architecture_too(
    mask: str, key: str, *, named: bool
) -> None:
    assert matches(mask, update(key)) == named
