"""Equal choices have equal hashes, whenever and in whatever order they were made; others not."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from patchyard.domain.plan import LeftOut, MachinePlan, Plan, PlannedUpdate, WhyNot
from patchyard.domain.rings import Promotion
from patchyard.domain.updates import Classification
from patchyard.domain.value import Known
from patchyard.testing.assessments import machine_plan
from tests.domain.strategies import mixed, planned_sets, unhurried

LEDGER = tuple(
    LeftOut(
        name=name,
        architecture=architecture,
        installed="1",
        candidate="2",
        classification=Classification.OTHER,
        why=why,
    )
    for name, architecture, why in (
        ("b", "i386", WhyNot.HELD),
        ("b", "amd64", WhyNot.PHASED),
        ("z", "all", WhyNot.CLASSIFICATION),
    )
)


names = st.lists(st.sampled_from("abcd"), unique=True, max_size=3)
scopes = st.sampled_from(["all", "zone == 1", "\N{SNOWMAN}"])
contents = st.builds(
    MachinePlan,
    machine=st.just("x"),
    updates=planned_sets(most=4),
    left_out=st.lists(st.sampled_from(LEDGER), unique=True).map(tuple),
    reboot_already_required=st.sampled_from(Known),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw plans of a few machines; some of them are in waves."""
    machines = draw(names)
    inside = draw(st.permutations(machines))[: draw(st.integers(0, 3))]
    cut = draw(st.integers(0, 3))
    return Plan(
        inventory="hybrid",
        scope=draw(scopes),
        machines=tuple(draw(contents).model_copy(update={"machine": name}) for name in machines),
        waves=tuple(tuple(wave) for wave in (inside[:cut], inside[cut:]) if wave),
    )


def retold(plan: Plan, random: Random) -> Plan:
    """Tell the same plan in another order."""

    def update(each: PlannedUpdate) -> PlannedUpdate:
        requires = mixed((*each.requires, *each.requires[:1]), random)
        together = mixed(each.together, random)
        return each.model_copy(update={"requires": requires, "together": together})

    def part(each: MachinePlan) -> MachinePlan:
        updates = mixed([update(u) for u in each.updates], random)
        left_out = mixed(each.left_out, random)
        return each.model_copy(update={"updates": updates, "left_out": left_out})

    machines = mixed([part(each) for each in plan.machines], random)
    return plan.model_copy(update={"machines": machines})


@unhurried
@given(plans(), st.randoms(use_true_random=False))
def test_the_order_in_which_a_plan_was_found_out_makes_no_difference(
    plan: Plan, random: Random
) -> None:
    again = retold(plan, random)
    assert again.canonical() == plan.canonical()
    assert again.hash == plan.hash


@unhurried
@given(plans())
def test_the_canonical_text_is_the_plan(plan: Plan) -> None:
    text = plan.canonical()
    read = Plan.model_validate_json(text)
    assert read.hash == plan.hash
    assert read.canonical() == text
    assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text


@unhurried
@given(plans(), plans())
def test_two_plans_have_the_same_hash_only_if_they_are_the_same(one: Plan, other: Plan) -> None:
    assert (one.hash == other.hash) == (meaning(one) == meaning(other))


def meaning(plan: Plan) -> object:
    """A plan without its order, except that of its waves."""
    machines = frozenset(
        (
            m.machine,
            m.manager,
            m.refused,
            m.reboot_already_required,
            frozenset(bare(u) for u in m.updates),
            frozenset(m.left_out),
        )
        for m in plan.machines
    )
    return plan.inventory, plan.scope, machines, plan.waves


def bare(update: PlannedUpdate) -> object:
    sets = {"requires": frozenset(update.requires), "together": frozenset(update.together)}
    return frozenset({**dict(update), **sets}.items())


# --- every field matters --------------------------------------------------------------------

UPDATE = PlannedUpdate(
    name="a",
    architecture="amd64",
    from_version="1",
    to_version="2",
    classification=Classification.SECURITY,
)
LEFT = LeftOut(
    name="b",
    architecture="amd64",
    installed="1",
    candidate="2",
    classification=Classification.OTHER,
    why=WhyNot.HELD,
)
PART = MachinePlan(machine="m", manager="apt", updates=(UPDATE,), left_out=(LEFT,))
PLAN = Plan(
    inventory="i", scope="all", machines=(PART, MachinePlan(machine="n")), waves=(("m", "n"),)
)
CHANGES: dict[type[BaseModel], dict[str, Any]] = {
    PlannedUpdate: {
        "name": "A",
        "architecture": "i386",
        "from_version": "",
        "to_version": "2.1",
        "classification": Classification.CRITICAL,
        "origin": "o",
        "source": "s",
        "requires": ("b",),
        "together": ("b",),
        "download_bytes": 0,
        "installed_bytes": 0,
        "restorable": Known.NO,
        "title": "t",
        "alone": True,
        "hotpatch": "",
        "build": "b",
        "severity": "Critical",
        "fixes": ("CVE-2026-7",),
    },
    LeftOut: {
        "name": "B",
        "architecture": "all",
        "installed": "0",
        "candidate": "3",
        "classification": Classification.SECURITY,
        "why": WhyNot.PHASED,
        "detail": "d",
    },
    MachinePlan: {
        "machine": "o",
        "manager": "dnf",
        "updates": (),
        "left_out": (),
        "reboot_already_required": Known.YES,
        "refused": "no",
    },
    Plan: {
        "inventory": "j",
        "scope": "All",
        "machines": (PART, MachinePlan(machine="n"), MachinePlan(machine="o")),
        "waves": (("n", "m"),),
        "promoted": Promotion(ring="dev", key="dev@1", release="0", proven=True, told=""),
    },
}


def changed(model: type[BaseModel], field: str) -> Plan:
    """Return the plan with one field of one of its values changed."""
    change = {field: CHANGES[model][field]}
    if model is Plan:
        return PLAN.model_copy(update=change)
    if model is PlannedUpdate:
        part = PART.model_copy(update={"updates": (UPDATE.model_copy(update=change),)})
    elif model is LeftOut:
        part = PART.model_copy(update={"left_out": (LEFT.model_copy(update=change),)})
    else:
        part = PART.model_copy(update=change)
    return PLAN.model_copy(update={"machines": (part, *PLAN.machines[1:])})


@pytest.mark.parametrize(("model", "field"), [(m, f) for m in CHANGES for f in m.model_fields])
def test_another_value_in_any_field_has_another_hash(model: type[BaseModel], field: str) -> None:
    assert changed(model, field).hash != PLAN.hash


def test_another_order_or_cut_of_waves_has_another_hash() -> None:
    cuts = ["", "m", "n", "mn", "nm", "m n", "n m"]
    waves = [tuple(tuple(wave) for wave in cut.split()) for cut in cuts]
    assert len({PLAN.model_copy(update={"waves": each}).hash for each in waves}) == len(cuts)


def test_a_copy_forgets_what_was_worked_out_for_the_original() -> None:
    known = (PLAN.hash, PLAN.machine("m"))
    copy = PLAN.model_copy(update={"machines": (MachinePlan(machine="x"),), "waves": ()})
    assert copy.hash != known[0]
    assert copy.machine("x").machine == "x"
    with pytest.raises(KeyError):
        copy.machine("m")
    assert (PLAN.hash, PLAN.machine("m")) == known


def test_a_plan_is_the_same_before_and_after_its_hash_was_asked_for() -> None:
    fresh = PLAN.model_copy()
    assert fresh == PLAN
    assert fresh.hash == PLAN.hash
    assert fresh.model_copy() == fresh


def test_the_hash_is_sha256_in_hexadecimal() -> None:
    assert len(PLAN.hash) == 64
    assert int(PLAN.hash, 16)


# --- what is no plan ------------------------------------------------------------------------


def plan_of(machines: str, *waves: str) -> Plan:
    return Plan(
        inventory="i",
        scope="all",
        machines=tuple(machine_plan(machine=name) for name in machines),
        waves=tuple(tuple(wave) for wave in waves),
    )


@pytest.mark.parametrize(
    ("machines", "waves", "said"),
    [
        ("abab", ["a"], "more than once in the plan: a, b"),
        ("ab", ["aa"], "more than once in the waves: a"),
        ("ab", ["ab", "b"], "more than once in the waves: b"),
        ("a", ["cab"], "in a wave but not in the plan: b, c"),
    ],
)
def test_a_machine_is_in_a_plan_once_and_only_such_are_in_waves(
    machines: str, waves: list[str], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        plan_of(machines, *waves)


@unhurried
@given(st.text("abc", max_size=5), st.lists(st.text("abcd", max_size=3), max_size=3))
def test_exactly_what_is_named_twice_or_unknown_is_refused(machines: str, waves: list[str]) -> None:
    placed = "".join(waves)
    fits = len(set(machines)) == len(machines) and len(set(placed)) == len(placed)
    if fits and set(placed) <= set(machines):
        assert sorted(part.machine for part in plan_of(machines, *waves).machines) == sorted(
            machines
        )
    else:
        with pytest.raises(ValidationError):
            plan_of(machines, *waves)
