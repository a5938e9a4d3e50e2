"""Drift is what moved since the plan was frozen: all of it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.drift import DriftKind, drift, still_to_install
from patchyard.domain.plan import MachinePlan
from patchyard.domain.planning import make_plan
from patchyard.domain.selection import Selection
from patchyard.domain.updates import Assessment, Update
from patchyard.domain.value import Known
from tests.domain.strategies import mixed, offering, unhurried, update, update_sets


def plan_from(seen: Assessment) -> MachinePlan:
    return planned_by(Selection(), seen)


def planned_by(selection: Selection, seen: Assessment) -> MachinePlan:
    name = seen.machine
    return make_plan("i", "all", {name: seen}, {name: selection}, ()).machines[0]


def moved(
    updates: tuple[Update, ...], change: Callable[[Assessment], Assessment]
) -> list[tuple[DriftKind, str]]:
    seen = offering(*updates)
    return [(each.kind, each.package) for each in drift(plan_from(seen), change(seen))]


def after(seen: Assessment, part: MachinePlan) -> Assessment:
    """The machine after the plan was carried out exactly."""
    done = {each.key: each.to_version for each in part.updates}
    left = tuple(each for each in seen.updates if each.key not in done)
    return seen.model_copy(update={"packages": seen.packages | done, "updates": left})


@unhurried
@given(update_sets())
def test_where_nothing_moved_there_is_no_drift(updates: tuple[Update, ...]) -> None:
    assert moved(updates, lambda seen: seen) == []


@unhurried
@given(update_sets())
def test_a_plan_that_was_carried_out_is_installed_and_nothing_else_moved(
    updates: tuple[Update, ...],
) -> None:
    seen = offering(*updates)
    part = plan_from(seen)
    now = after(seen, part)
    assert [(d.kind, d.package) for d in drift(part, now)] == [
        (DriftKind.ALREADY_INSTALLED, key) for key in sorted(u.key for u in part.updates)
    ]
    assert still_to_install(part, now.packages) == ()
    assert still_to_install(part, seen.packages) == part.updates


@unhurried
@given(update_sets(), update_sets(), st.randoms(use_true_random=False))
def test_every_difference_is_told_once_in_the_order_of_packages(
    before: tuple[Update, ...], later: tuple[Update, ...], random: Random
) -> None:
    part = plan_from(offering(*before))
    found = drift(part, offering(*later))
    assert [each.package for each in found] == sorted(each.package for each in found)
    assert len({(each.kind, each.package) for each in found}) == len(found)
    assert all(each.text.startswith(each.package.partition(":")[0] + ": ") for each in found)
    assert drift(part, offering(*mixed(later, random))) == found


@unhurried
@given(update_sets(), update_sets())
def test_drift_is_what_differs(before: tuple[Update, ...], later: tuple[Update, ...]) -> None:
    """Each kind by its definition, package by package."""
    part, now = plan_from(offering(*before)), offering(*later)
    taken = {each.key: each for each in part.updates}
    left = {f"{item.name}:{item.architecture}": item for item in part.left_out}
    offers = {each.key: each for each in later}
    expected = set()
    for key, each in taken.items():
        here = now.packages.get(key, "")
        offer = offers[key].candidate if key in offers else None
        expected |= {
            (kind, key)
            for kind, holds in (
                (DriftKind.ALREADY_INSTALLED, here == each.to_version),
                (DriftKind.INSTALLED_MOVED, here not in {each.from_version, each.to_version}),
                (DriftKind.CANDIDATE_MOVED, offer not in {None, each.to_version}),
                (DriftKind.NO_LONGER_OFFERED, offer is None and here == each.from_version),
            )
            if holds
        }
    for key, offered in offers.items():
        known = key in taken or (key in left and left[key].candidate == offered.candidate)
        if (offered.installed or offered.by_itself) and not known:
            expected.add((DriftKind.NEW_UPDATE, key))
    assert {(each.kind, each.package) for each in drift(part, now)} == expected


A, B = update("a:amd64"), update("b:amd64")


@pytest.mark.parametrize(
    ("later", "packages", "kind", "text"),
    [
        (
            (update("a:amd64", candidate="3"),),
            {"a:amd64": "1"},
            DriftKind.CANDIDATE_MOVED,
            "a: planned 2, the repositories now offer 3",
        ),
        (
            (),
            {"a:amd64": "1"},
            DriftKind.NO_LONGER_OFFERED,
            "a: the planned 2 is no longer offered",
        ),
        (
            (),
            {"a:amd64": "2"},
            DriftKind.ALREADY_INSTALLED,
            "a: the planned 2 is installed already",
        ),
        ((), {}, DriftKind.INSTALLED_MOVED, "a: planned from 1 to 2, installed is absent"),
        (
            (A, B),
            {"a:amd64": "1", "b:amd64": "1"},
            DriftKind.NEW_UPDATE,
            "b: 2 came up after the plan was frozen",
        ),
    ],
)
def test_each_kind_is_told_in_one_line(
    later: tuple[Update, ...], packages: dict[str, str], kind: DriftKind, text: str
) -> None:
    now = offering(*later).model_copy(update={"packages": packages})
    (found,) = drift(plan_from(offering(A)), now)
    assert (found.kind, found.text) == (kind, text)


def test_what_an_incomplete_look_does_not_offer_is_told_as_unsure() -> None:
    now = offering().model_copy(update={"packages": {"a:amd64": "1"}, "complete": Known.UNKNOWN})
    (found,) = drift(plan_from(offering(A)), now)
    assert found.text == "a: the planned 2 is no longer offered, as far as could be seen"


def test_another_version_of_what_the_plan_leaves_out_is_new() -> None:
    seen = offering(B)
    part = planned_by(Selection(exclude=("b",)), seen)
    (found,) = drift(part, offering(update("b:amd64", candidate="3")))
    assert found.text == "b: 3 came up after the plan was frozen, which leaves 2 out"


def test_a_new_package_that_is_offered_by_itself_is_no_drift() -> None:
    assert moved((A,), lambda _: offering(A, update("new:amd64", installed=""))) == []


def test_a_planned_new_package_is_absent_before_and_installed_after() -> None:
    pair = (update("a:amd64", requires=("new",)), update("new:amd64", installed=""))
    assert moved(pair, lambda seen: seen) == []
    assert moved(pair, lambda seen: after(seen, plan_from(seen))) == [
        (DriftKind.ALREADY_INSTALLED, "a:amd64"),
        (DriftKind.ALREADY_INSTALLED, "new:amd64"),
    ]
