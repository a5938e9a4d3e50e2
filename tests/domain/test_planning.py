"""What fails as a whole is tried in parts; what belongs together is never parted."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.plan import MachinePlan, PlannedUpdate, WhyNot
from patchyard.domain.planning import PARTS, make_plan, split
from patchyard.domain.selection import Selection
from patchyard.domain.updates import Update
from patchyard.domain.value import Known
from patchyard.testing.assessments import planned
from tests.domain.strategies import (
    classes,
    offering,
    planned_sets,
    unhurried,
    update,
    update_sets,
)

levels = st.integers(0, 3)
many = st.integers(1, 60).map(lambda number: tuple(planned(f"p{n}") for n in range(number)))

Parts = tuple[tuple[PlannedUpdate, ...], ...]


def keys(parts: Parts) -> list[list[str]]:
    return [[each.key for each in part] for part in parts]


def bonded(one: PlannedUpdate, other: PlannedUpdate) -> bool:
    """Two updates belong together by themselves, without a third."""
    needs = {one.name, one.key} & {*other.requires} or {other.name, other.key} & {*one.requires}
    source = (one.source or one.name) == (other.source or other.name)
    return bool(one.name == other.name or source or needs or {*one.together} & {*other.together})


def groups(updates: tuple[PlannedUpdate, ...]) -> set[frozenset[str]]:
    """The smallest sets that are never parted, found slowly: merge until nothing changes."""
    found = [{each.key} for each in updates]
    for one, other in combinations(updates, 2):
        if bonded(one, other):
            touched = [group for group in found if {one.key, other.key} & group]
            found = [group for group in found if group not in touched] + [set().union(*touched)]
    return {frozenset(group) for group in found}


@unhurried
@given(planned_sets() | many, levels)
def test_at_every_level_the_parts_are_the_whole_and_no_update_is_in_two(
    updates: tuple[PlannedUpdate, ...], level: int
) -> None:
    told = [key for part in keys(split(updates, level)) for key in part]
    assert sorted(told) == sorted(each.key for each in updates)
    assert all(split(updates, level))


@unhurried
@given(planned_sets(), levels)
def test_what_belongs_together_is_in_one_part(
    updates: tuple[PlannedUpdate, ...], level: int
) -> None:
    parts = [set(part) for part in keys(split(updates, level))]
    for group in groups(updates):
        assert any(group <= part for part in parts)


@unhurried
@given(planned_sets() | many)
def test_first_there_is_one_part_and_then_ten_at_most(updates: tuple[PlannedUpdate, ...]) -> None:
    """Each part but the last has a tenth at least, so that there is never an eleventh.

    Those that must be installed alone come on top of the ten.
    """
    assert split(updates, 0) == ((updates,) if updates else ())
    parts = split(updates, 1)
    assert len(parts) <= PARTS == 10
    assert all(len(part) * PARTS >= len(updates) for part in parts[:-1])


@unhurried
@given(planned_sets(), st.integers(2, 4))
def test_last_the_parts_are_the_smallest_that_there_are(
    updates: tuple[PlannedUpdate, ...], level: int
) -> None:
    assert {frozenset(part) for part in keys(split(updates, level))} == groups(updates)


@unhurried
@given(planned_sets(), levels)
def test_a_part_keeps_the_order_of_the_whole_between_groups(
    updates: tuple[PlannedUpdate, ...], level: int
) -> None:
    order = [each.key for each in updates]
    firsts = [min(order.index(key) for key in part) for part in keys(split(updates, level))]
    assert firsts == sorted(firsts)


@unhurried
@given(planned_sets(), levels, st.randoms(use_true_random=False))
def test_what_is_installed_alone_is_a_part_of_its_own_before_all_others(
    updates: tuple[PlannedUpdate, ...], level: int, random: Random
) -> None:
    marked = [each.model_copy(update={"alone": random.random() < 0.3}) for each in updates]
    alone = [each for each in marked if each.alone]
    others = [each for each in marked if not each.alone]
    parts = split(marked, level)
    assert parts[: len(alone)] == tuple((each,) for each in alone)
    assert parts[len(alone) :] == split(others, level)


@pytest.mark.parametrize(("number", "parts"), [(1, 1), (9, 9), (10, 10), (11, 6), (95, 10)])
def test_tenths_of_updates_that_are_free_of_each_other(number: int, parts: int) -> None:
    updates = tuple(planned(f"p{n}") for n in range(number))
    assert len(split(updates, 1)) == parts


@pytest.mark.parametrize(
    "pair",
    [
        (planned("a", source="s"), planned("b", source="s")),
        (planned("a"), planned("b", source="a")),
        (planned("a", requires=("b",)), planned("b")),
        (planned("a"), planned("b", requires=("a:amd64",))),
        (planned("a", together=("x", "y")), planned("b", together=("y", "z"))),
        (planned("a"), planned("a", architecture="i386")),
    ],
)
def test_each_bond_holds(pair: tuple[PlannedUpdate, PlannedUpdate]) -> None:
    assert len(split(pair, 2)) == 1


def test_bonds_reach_over_others() -> None:
    chain = (
        planned("a", source="s"),
        planned("z"),
        planned("b", source="s", requires=("c",)),
        planned("c", together=("x",)),
        planned("d", together=("x",)),
    )
    assert [[each.name for each in part] for part in split(chain, 2)] == [list("abcd"), ["z"]]


def test_a_need_that_is_not_in_the_set_ties_nothing() -> None:
    pair = (planned("a", requires=("absent",)), planned("b", requires=("absent",)))
    assert len(split(pair, 2)) == 2


def test_a_plan_has_every_machine_and_refuses_those_that_were_not_assessed() -> None:
    seen = offering(update("a:amd64"), update("b:amd64")).model_copy(
        update={"reboot_required": Known.YES}
    )
    plan = make_plan(
        "hybrid",
        "all",
        {"web-2": None, "web-1": seen},
        dict.fromkeys(("web-1", "web-2"), Selection(exclude=("b",))),
        (("web-1",),),
    )
    first, second = plan.machines
    assert (plan.inventory, plan.scope, plan.waves) == ("hybrid", "all", (("web-1",),))
    assert [each.key for each in first.updates] == ["a:amd64"]
    assert [item.why for item in first.left_out] == [WhyNot.EXCLUDED]
    assert (first.manager, first.reboot_already_required) == ("apt", Known.YES)
    assert second == MachinePlan(machine="web-2", refused="it could not be assessed")


selections = st.builds(
    Selection,
    classifications=st.frozensets(classes),
    include=st.sampled_from([(), ("a",), ("b*",)]),
    exclude=st.sampled_from([(), ("a",), ("c",)]),
    hotpatch_only=st.booleans(),
)


@unhurried
@given(
    st.lists(st.tuples(update_sets(), st.sampled_from("lw")), max_size=5), selections, selections
)
def test_a_fleet_of_two_kinds_is_planned_as_each_kind_by_itself(
    fleet: list[tuple[tuple[Update, ...], str]], linux: Selection, windows: Selection
) -> None:
    of = {"l": linux, "w": windows}
    seen = {f"{kind}-{n}": offering(*found) for n, (found, kind) in enumerate(fleet)}
    whole = make_plan("i", "all", seen, {name: of[name[0]] for name in seen}, ())
    for kind, chosen in of.items():
        own = {name: each for name, each in seen.items() if name[0] == kind}
        alone = make_plan("i", "all", own, dict.fromkeys(own, chosen), ())
        assert alone.machines == tuple(p for p in whole.machines if p.machine[0] == kind)
    assert {part.machine for part in whole.machines} == seen.keys()
