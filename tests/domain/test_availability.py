"""Availability as it is written: regions in phases, groups, orders, and what cannot hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from patchyard.domain.availability import Availability, Quorum
from patchyard.domain.inventory import Machine
from patchyard.domain.limits import Limits
from patchyard.domain.order import Waves, contradictions, staged_waves
from patchyard.domain.outcome import Status
from patchyard.domain.quorum import Groups
from patchyard.domain.regions import Phases, RegionPairs
from patchyard.domain.rollout import Halt, Rollout, Start, Step, WaitForMachines, next_step
from patchyard.region_pairs import PUBLISHED, published_pairs
from patchyard.testing.assessments import NOON
from tests.domain.strategies import machine, problems_of, unhurried

AFTER = {"first": "tags.role == replica", "then": "tags.role == primary"}


def rules(**written: Any) -> Availability:
    return Availability.model_validate(written)


def roles(**of: str) -> list[Machine]:
    return [machine(name, tags={"role": role}) for name, role in of.items()]


def waves_of(fleet: Sequence[Machine], sizes: Sequence[str] = ("rest",), **written: Any) -> Waves:
    """Return the waves; within one the order is that of the spread, and no matter here."""
    cut = staged_waves(fleet, sizes, Groups(rules(**written), fleet), published_pairs())
    return tuple(tuple(sorted(wave)) for wave in cut)


def step(fleet: Sequence[Machine], statuses: dict[str, Status], **written: Any) -> Step:
    """Ask what comes next of a fleet in its waves, with as many slots and as much room as it is."""
    groups = Groups(rules(**written), fleet)
    by_name = {each.name: each for each in fleet}
    waves = staged_waves(fleet, ("rest",), groups, published_pairs())
    members = tuple(
        groups.member(by_name[name], number)
        for number, wave in enumerate(waves, 1)
        for name in wave
    )
    return next_step(
        Rollout(
            members,
            statuses,
            limits=Limits(slots=99, per_domain=99),
            quorums=groups.needed(fleet, ()),
        ),
        NOON,
    )


def halted(found: Step) -> str:
    assert isinstance(found, Halt), found
    return found.reason


# --- regions --------------------------------------------------------------------------------


def test_paired_regions_are_in_different_phases_and_others_share_the_first() -> None:
    fleet = [
        machine("a", region="westeurope"),
        machine("b", region="North Europe"),
        machine("c", region="oslo"),
        machine("d"),
    ]
    assert waves_of(fleet) == (("b", "c", "d"), ("a",))
    assert waves_of(fleet, regions="together") == (("a", "b", "c", "d"),)
    assert waves_of(fleet, regions="one_by_one") == (("b",), ("c",), ("a",), ("d",))


def test_a_region_with_a_canary_comes_early_and_each_phase_is_cut_by_itself() -> None:
    fleet = [
        machine("w1", region="westeurope", tags={"canary": True}),
        machine("w2", region="westeurope"),
        machine("n1", region="northeurope"),
        machine("n2", region="northeurope", tags={"canary": True}),
    ]
    assert waves_of(fleet, ["1", "rest"]) == (("n2",), ("n1",), ("w1",), ("w2",))
    assert waves_of(fleet[:3], ["1", "rest"]) == (("w1",), ("w2",), ("n1",))


def test_phases_that_are_written_come_first_in_their_order() -> None:
    fleet = [machine(each, region=each) for each in ("eastus", "oslo", "westus", "bergen")]
    phases = [["westus", "Oslo"], ["eastus"]]
    assert waves_of(fleet, phases=phases) == (("oslo", "westus"), ("eastus",), ("bergen",))


def test_pairs_of_your_own_count_beside_those_that_are_published() -> None:
    fleet = [machine(each, region=each) for each in ("bergen", "oslo", "eastus", "westus")]
    assert waves_of(fleet, pairs=[["Oslo", "bergen"]]) == (("bergen", "eastus"), ("oslo", "westus"))


@unhurried
@given(st.lists(st.sampled_from(sorted(published_pairs().partners)), unique=True))
def test_no_phase_of_published_regions_has_a_pair(regions: list[str]) -> None:
    pairs = published_pairs()
    number = Phases(pairs=pairs).number(regions)
    for phase in set(number.values()):
        assert pairs.within(region for region in regions if number[region] == phase) is None


def test_the_published_pairs_name_their_source_and_count_both_ways() -> None:
    text = PUBLISHED.read_text()
    assert "learn.microsoft.com/azure/reliability/regions-paired" in text
    pairs = published_pairs()
    assert pairs.of_region("westeurope") == {"northeurope"}
    assert pairs.of_region("southcentralus") == {"northcentralus", "brazilsouth"}
    assert all(
        one in pairs.of_region(other) for one in pairs.partners for other in pairs.partners[one]
    )


def test_regions_without_a_pair_have_none() -> None:
    assert RegionPairs().of_region("oslo") == frozenset()
    assert RegionPairs.of([("a", "b")]).within(["B", "c"]) is None


# --- zones and update domains ---------------------------------------------------------------


def test_one_zone_of_a_service_is_away_at_a_time_in_its_region() -> None:
    fleet = [
        machine("a1", service="shop", region="a", zone="1"),
        machine("a2", service="shop", region="a", zone="2"),
        machine("b1", service="shop", region="b", zone="1"),
        machine("c1", service="mail", region="a", zone="2"),
    ]
    assert step(fleet, {}) == Start(("a2", "c1"))
    assert len(step(fleet, {}, zones="together").machines) == len(fleet)  # type: ignore[union-attr]
    lost = {"a1": Status.LOST_CONTACT, "c1": Status.SUCCEEDED}
    assert halted(step(fleet, lost)) == (
        "zone a/1 of service shop lacks a1, and one is away at a time"
    )


def test_a_zone_that_is_not_known_may_be_any_so_its_machine_is_alone() -> None:
    fleet = [machine("a", service="shop", zone="1")]
    fleet += [machine(name, service="shop") for name in "bc"]
    assert step(fleet, {"a": Status.SUCCEEDED}) == Start(("b",))
    without = [machine(name, service="shop") for name in "bc"]
    assert step(without, {}) == Start(("b", "c"))


def test_what_names_a_service_can_be_a_tag() -> None:
    fleet = [machine(n, zone=n, tags={"app": "shop"}) for n in "12"]
    assert step(fleet, {}) == Start(("1", "2"))
    assert step(fleet, {}, service="tags.app") == Start(("1",))


def test_one_update_domain_of_a_set_is_away_at_a_time() -> None:
    fleet = [
        machine(name, availability_set="web", update_domain=domain)
        for name, domain in zip("abcd", "0101", strict=True)
    ]
    assert step(fleet, {}) == Start(("a", "c"))
    assert step(fleet, {}, update_domains="together") == Start(("a", "b", "c", "d"))
    at_work = {"a": Status.IN_PROGRESS, "c": Status.SUCCEEDED}
    assert isinstance(step(fleet, at_work), WaitForMachines)
    fleet += [machine(name, availability_set="web") for name in "ef"]
    done = dict.fromkeys("abcd", Status.SUCCEEDED)
    assert step(fleet, done) == Start(("e",))


# --- quorum and pairs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_least", "size", "count"),
    [(2, 9, 2), ("majority", 4, 3), ("majority", 5, 3), ("60%", 5, 3), ("60%", 6, 4)],
)
def test_how_many_must_be_up(at_least: int | str, size: int, count: int) -> None:
    assert Quorum.model_validate({"of": "all", "at_least": at_least}).count(size) == count


def test_a_quorum_counts_who_is_known_to_be_up() -> None:
    fleet = [machine(name, cluster="db") for name in "abcd"]
    quorum = [{"of": "cluster exists", "each": "cluster", "at_least": 2}]
    assert step(fleet, {}, quorum=quorum) == Start(("a", "b"))
    failed = {"a": Status.FAILED, "b": Status.ROLLED_BACK}
    assert step(fleet, failed, quorum=quorum) == Start(("c",))
    bad = {"a": Status.FAILED, "b": Status.REFUSED}
    assert halted(step(fleet, bad, quorum=quorum)) == (
        "quorum[0] cluster db: 2 must be up, and 2 are known to be"
    )


def test_machines_that_no_run_looked_at_are_not_taken_for_up() -> None:
    fleet = [machine(name, cluster="db") for name in "abc"]
    groups = Groups(rules(quorum=[{"of": "cluster == db", "at_least": 1}]), fleet)
    members = (groups.member(fleet[0], 1),)

    def asked(idle: Sequence[Machine]) -> Step:
        return next_step(Rollout(members, {}, quorums=groups.needed(fleet[:1], idle)), NOON)

    assert "1 must be up, and 1 are known" in halted(asked(()))
    assert asked(fleet[1:2]) == Start(("a",))


def test_the_two_of_a_pair_are_never_away_together_nor_while_one_is_bad() -> None:
    fleet = roles(a="fw", b="fw", c="web")
    apart = [{"of": "tags.role == fw"}]
    assert step(fleet, {}, apart=apart) == Start(("a", "c"))
    done = {"a": Status.FAILED, "c": Status.SUCCEEDED}
    assert "apart[0] tags.role == fw" in halted(step(fleet, done, apart=apart))


def test_a_machine_that_is_off_again_is_not_up_and_takes_nothing_when_it_is_worked_on() -> None:
    """It was started to be looked at: a quorum that counted on it would not be one."""
    fleet = [machine(name, cluster="db", tags={"role": "db"}) for name in "abc"]
    quorum = [{"of": "cluster == db", "at_least": 2}]
    groups = Groups(rules(quorum=quorum), fleet)
    members = tuple(groups.member(each, 1) for each in fleet)

    def asked(off: str, **more: Any) -> Step:
        made = Rollout(members, {}, quorums=groups.needed(fleet, ()), off=frozenset(off))
        return next_step(replace(made, **more), NOON)

    assert asked("") == Start(("a",))
    assert asked("a") == Start(("a",))
    assert asked("c") == Start(("c",))
    assert "2 must be up, and 2 are known" in halted(asked("c", statuses={"c": Status.SUCCEEDED}))
    assert asked("c", statuses={"c": Status.SUCCEEDED}, forgiven=frozenset("c")) == Start(("a",))
    idle = Rollout(members[:2], {}, quorums=groups.needed(fleet, fleet[2:]))
    assert next_step(idle, NOON) == Start(("a",))
    assert "2 are known" in halted(next_step(replace(idle, off=frozenset("c")), NOON))


# --- order ----------------------------------------------------------------------------------


def test_databases_come_after_their_replicas() -> None:
    fleet = roles(a="primary", b="replica", c="web", d="replica")
    assert waves_of(fleet, order=[AFTER]) == (("b", "c", "d"), ("a",))
    chain = [AFTER, {"first": "tags.role == primary", "then": "tags.role == web"}]
    assert waves_of(fleet, order=chain) == (("b", "d"), ("a",), ("c",))


@pytest.mark.parametrize("status", [Status.FAILED, Status.REFUSED, Status.ROLLED_BACK])
def test_who_comes_after_one_that_is_not_good_is_held_back(status: Status) -> None:
    fleet = roles(a="primary", b="replica")
    reason = halted(step(fleet, {"b": status}, order=[AFTER]))
    assert reason == "order[0]: b comes first and is not done well"
    assert step(fleet, {"b": Status.COMPLETED_WITH_WARNINGS}, order=[AFTER]) == Start(("a",))


@pytest.mark.parametrize("kind", ["absent", "unserved"])
def test_who_comes_after_one_that_nothing_is_done_for_is_held_back(kind: str) -> None:
    fleet = roles(a="primary", b="replica")
    groups = Groups(rules(order=[AFTER]), fleet)
    member, other = groups.member(fleet[0], 1), (groups.member(fleet[1], 0),)
    made = Rollout((member,), {}, absent=other if kind == "absent" else (), unserved=other)
    assert "b comes first" in halted(next_step(made, NOON))
    forgiven = Rollout((member,), {}, absent=other, unserved=other, forgiven=frozenset("b"))
    assert next_step(forgiven, NOON) == Start(("a",))


def test_an_order_holds_within_each_cluster_only() -> None:
    fleet = [
        machine(name, cluster=cluster, tags={"role": role})
        for name, cluster, role in (
            ("a", "x", "primary"),
            ("b", "x", "replica"),
            ("c", "y", "primary"),
        )
    ]
    assert waves_of(fleet, order=[{**AFTER, "each": "cluster"}]) == (("b", "c"), ("a",))


def test_a_phase_of_regions_is_taken_to_its_end_unless_an_order_needs_another() -> None:
    fleet = [
        machine("nr", region="northeurope", tags={"role": "replica"}),
        machine("np", region="northeurope", tags={"role": "primary"}),
        machine("wr", region="westeurope", tags={"role": "replica"}),
        machine("wp", region="westeurope", tags={"role": "primary"}),
    ]
    each = [{**AFTER, "each": "region"}]
    assert waves_of(fleet, order=each) == (("nr",), ("np",), ("wr",), ("wp",))
    assert waves_of(fleet, order=[AFTER]) == (("nr",), ("wr",), ("wp",), ("np",))


def test_going_back_turns_the_order_round() -> None:
    fleet = roles(a="primary", b="replica")
    back = rules(order=[AFTER]).backwards()
    assert staged_waves(fleet, ["rest"], Groups(back, fleet), published_pairs()) == (("a",), ("b",))


# --- Linux and Windows in one run ------------------------------------------------------------


def test_rules_do_not_ask_what_kind_of_system_a_machine_has() -> None:
    linux = machine("a", region="eastus", tags={"role": "replica"})
    windows = machine("b", os_family="windows", region="eastus", tags={"role": "primary"})
    assert waves_of([windows, linux], order=[AFTER]) == (("a",), ("b",))
    away = machine("b", os_family="windows", region="westus")
    assert waves_of([away, linux]) == (("a",), ("b",))


# --- what cannot hold -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"quorum": [{"of": "all", "at_least": 0}]}, "must be a count such as 2"),
        ({"quorum": [{"of": "all", "at_least": "100%"}]}, "a share below 100%"),
        ({"quorum": [{"of": "all", "at_least": True}]}, "must be a count such as 2"),
        ({"quorum": [{"of": "all", "each": "rack", "at_least": 1}]}, "is nothing that machines"),
        ({"apart": [{"of": "tag.role == a"}]}, "did you mean tags.role"),
        ({"phases": [["westus"], ["West US"]]}, "has westus in two phases"),
        ({"pairs": [["oslo", "Oslo"]]}, "must be two regions"),
        ({"pairs": [["oslo"]]}, "must be two regions"),
        ({"regions": "together", "phases": [["oslo"]]}, "write regions: paired_apart"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_write(written: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        rules(**written)


def wrong(fleet: Sequence[Machine], **written: Any) -> dict[tuple[str | int, ...], str]:
    return dict(contradictions(fleet, Groups(rules(**written), fleet), published_pairs()))


def test_a_quorum_that_nobody_could_ever_leave_is_refused() -> None:
    fleet = [machine(name, cluster="db") for name in "ab"]
    quorum = [{"of": "cluster exists", "each": "cluster", "at_least": "majority"}]
    assert wrong(fleet, quorum=quorum) == {
        ("quorum", 0, "at_least"): "cluster db has 2, and 2 must be up, so none could be patched; "
        "write 1 or less"
    }
    assert wrong([*fleet, machine("c", cluster="db")], quorum=quorum) == {}


def test_a_quorum_that_a_scope_sees_too_little_of_is_refused_before_anything_is_done() -> None:
    """What a run does not look at is not known to be up, so it would halt at its first machine."""
    fleet = [machine(name, cluster="db") for name in "abc"]
    quorum = [{"of": "cluster exists", "each": "cluster", "at_least": "majority"}]
    groups = Groups(rules(quorum=quorum), fleet)
    assert dict(contradictions(fleet[:2], groups, published_pairs())) == {
        ("quorum", 0, "at_least"): "cluster db has 2 of its 3 in the scope, and 2 must be known to "
        "be up, so none could be patched; write 1 or less, or a wider scope"
    }
    assert not any(contradictions(fleet, groups, published_pairs()))
    assert not any(contradictions(fleet[:1], groups, published_pairs(), whole=False))
    single = dict(contradictions(fleet[:1], groups, published_pairs()))
    assert "a wider scope" in single["quorum", 0, "at_least"]


def test_a_written_phase_with_a_pair_is_refused() -> None:
    assert wrong([], phases=[["oslo"], ["eastus", "West US"]]) == {
        ("phases", 1): "eastus and westus are paired; write them in different phases"
    }


def test_orders_in_a_circle_are_refused() -> None:
    fleet = roles(a="primary", b="replica")
    back = {"first": AFTER["then"], "then": AFTER["first"]}
    assert wrong(fleet, order=[AFTER, back]) == {
        ("order",): "a, b wait for each other; take one of the orders away"
    }
    groups = Groups(rules(order=[AFTER, back]), fleet)
    (problem,) = problems_of(lambda: staged_waves(fleet, ["rest"], groups, published_pairs()))
    assert problem.field == "availability.order"


def test_a_machine_that_would_come_before_itself_is_refused() -> None:
    (said,) = wrong(roles(a="web"), order=[{"first": "a", "then": "tags.role == web"}]).values()
    assert (
        said == "a would come before and after itself; write scopes that have no machine in common"
    )


def test_rules_that_no_machine_is_in_are_told() -> None:
    fleet = roles(a="replica")
    written = {
        "quorum": [{"of": "cluster exists", "each": "cluster", "at_least": 1}],
        "apart": [{"of": "tags.role == fw"}],
        "order": [AFTER],
    }
    told = dict(Groups(rules(**written), fleet).empty())
    assert told == {
        ("quorum", 0, "of"): "no machine with cluster is in it",
        ("apart", 0, "of"): "no machine is in it",
        ("order", 0, "then"): "no machine is in it",
    }
