"""Availability first: in any fleet, whatever fails, what must stay up stays up.

What holds is worked out here from the machines and from what is written, by its definition; the
groups that the rollout itself goes by are not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from patchyard.domain.availability import Availability
from patchyard.domain.inventory import Machine
from patchyard.domain.limits import Budget, Limits, Share
from patchyard.domain.order import contradictions, staged_waves
from patchyard.domain.outcome import Status
from patchyard.domain.quorum import Groups
from patchyard.domain.rollout import Done, Halt, Member, Rollout, Start, Step, next_step
from patchyard.domain.vacancies import Domains, Lanes, Orders, Quorums, Rule
from patchyard.region_pairs import published_pairs
from patchyard.testing.assessments import NOON
from tests.domain.strategies import machine, unhurried
from tests.domain.strategies import named as with_names
from tests.domain.test_rollout import AT_WORK, ENDS, LACKING, World, chances, charged, fates, named

GOOD = {Status.SUCCEEDED, Status.COMPLETED_WITH_WARNINGS}
UP = {*GOOD, Status.NOT_STARTED, Status.ROLLED_BACK, Status.CANCELLED}
PAIRED = {frozenset(p) for p in (("northeurope", "westeurope"), ("eastus", "westus"), ("x", "y"))}
ROLES = ("replica", "primary", "web", "web")

shapes = st.fixed_dictionaries(
    {
        "region": st.sampled_from(
            [None, "North Europe", "westeurope", "eastus", "westus", "x", "y"]
        ),
        "zone": st.sampled_from([None, "1", "2", "2"]),
        "service": st.sampled_from([None, "shop", "shop", "mail"]),
        "availability_set": st.sampled_from([None, "web", "web"]),
        "update_domain": st.sampled_from([None, "0", "1", "1"]),
        "cluster": st.sampled_from([None, None, "blue", "green"]),
        "tags": st.builds(
            lambda role, canary: {"role": role, **({"canary": True} if canary else {})},
            st.sampled_from(ROLES),
            st.sampled_from([False] * 9 + [True]),
        ),
    }
)
fleets = st.lists(shapes, min_size=1, max_size=14).map(with_names) | st.lists(
    shapes, min_size=12, max_size=30
).map(with_names)

AFTER_REPLICAS = {"first": "tags.role == replica", "then": "tags.role == primary"}
BEFORE_WEB = {"first": "tags.role in (replica, primary)", "then": "tags.role == web"}

rule_sets = st.builds(
    Availability,
    regions=st.sampled_from(["paired_apart", "paired_apart", "one_by_one"]),
    phases=st.sampled_from([(), (), (("westus",), ("westeurope", "x"))]),
    pairs=st.just((("x", "y"),)),
    quorum=st.sampled_from(
        [
            (),
            ({"of": "cluster exists", "each": "cluster", "at_least": 1},),
            ({"of": "tags.role == replica", "at_least": 2},),
            (
                {"of": "service exists", "each": "service", "at_least": "majority"},
                {"of": "tags.role == web", "at_least": "70%"},
            ),
        ]
    ),
    order=st.sampled_from(
        [
            (),
            (AFTER_REPLICAS,),
            ({**AFTER_REPLICAS, "each": "cluster"},),
            (BEFORE_WEB, AFTER_REPLICAS),
        ]
    ),
    apart=st.sampled_from(
        [(), ({"of": "tags.role == primary"},), ({"of": "all", "each": "zone"},)]
    ),
)


def only(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[Machine, ...]]:
    """Draw small fleets whose machines are told apart by a few fields, so that rules meet."""
    return st.lists(st.fixed_dictionaries(fields), min_size=2, max_size=9).map(with_names)


zoned = only(service=st.just("shop"), zone=st.sampled_from([None, "1", "2"]))
divided = only(availability_set=st.just("web"), update_domain=st.sampled_from([None, "0", "1"]))
in_roles = only(
    cluster=st.sampled_from([None, "blue"]),
    tags=st.builds(lambda role: {"role": role}, st.sampled_from(ROLES[:3])),
)
ordered = st.sampled_from(
    [
        Availability.model_validate({"order": order})
        for order in (
            [AFTER_REPLICAS],
            [{**AFTER_REPLICAS, "each": "cluster"}],
            [BEFORE_WEB, AFTER_REPLICAS],
        )
    ]
)
bad = st.sampled_from([Status.SUCCEEDED, Status.SUCCEEDED, *ENDS])
"""Ends of which many are bad ones."""

parts = st.sampled_from(["todo"] * 8 + ["idle", "absent", "unserved", "outside"])
"""What a machine has to do with the run: in a wave, or why not."""

budgets = st.sampled_from([Budget(max_failures=0), Budget(max_failures=3), Budget(), Budget()])
limits = st.builds(Limits, st.integers(1, 30), st.sampled_from([1, 3, 99, Share(), Share()]))
wide = st.just(Limits(slots=9, per_domain=99))
"""Limits that hold nothing back, so that the other rules must."""


@dataclass
class Fleet:
    """Machines, what they have to do with the run, what must hold, and what becomes of them."""

    machines: dict[str, Machine]
    part: dict[str, str]
    rules: Availability
    world: World

    def status(self, name: str) -> Status:
        return self.world.rollout.status(name)

    def is_up(self, name: str) -> bool:
        """A machine that nothing is done to is up as it was seen; outside nobody looked."""
        if self.part[name] == "todo":
            return self.status(name) in UP
        return self.part[name] == "idle"

    def away(self, name: str) -> bool:
        if self.part[name] == "todo":
            return self.status(name) == AT_WORK or self.status(name) in LACKING
        return self.part[name] == "absent"


@st.composite
def drawn(
    draw: st.DrawFn,
    *,
    part: st.SearchStrategy[str] = parts,
    fleet: st.SearchStrategy[tuple[Machine, ...]] = fleets,
    rule: st.SearchStrategy[Availability] = rule_sets,
    end: st.SearchStrategy[Status] = fates,
    limit: st.SearchStrategy[Limits] = limits,
) -> Fleet:
    machines = {machine.name: machine for machine in draw(fleet)}
    rules = draw(rule)
    of = {name: draw(part) for name in machines}
    groups, pairs = Groups(rules, machines.values()), published_pairs()
    todo = [machine for name, machine in machines.items() if of[name] == "todo"]
    assume(todo and not any(contradictions(todo, groups, pairs)))
    waves = staged_waves(
        todo, draw(st.sampled_from([["1", "rest"], ["rest"], ["2"]])), groups, pairs
    )
    chosen = {kind: [m for m in machines.values() if of[m.name] == kind] for kind in of.values()}
    opening = Rollout(
        members=tuple(
            groups.member(machines[name], number)
            for number, wave in enumerate(waves, 1)
            for name in wave
        ),
        statuses={},
        budget=draw(budgets),
        limits=draw(limit),
        absent=tuple(groups.member(each, 0) for each in chosen.get("absent", ())),
        unserved=tuple(groups.member(each, 0) for each in chosen.get("unserved", ())),
        quorums=groups.needed(
            [m for m in machines.values() if of[m.name] != "outside"], chosen.get("idle", ())
        ),
    )
    ends = {name: draw(end) for name in machines}
    return Fleet(machines, of, rules, World(opening, ends, draw(chances)))


def starts(fleet: Fleet) -> Iterator[tuple[Step, list[Machine]]]:
    """Go through a run. After each start, with the machines that it starts at work."""
    for step in fleet.world.turns():
        if isinstance(step, Start):
            held = fleet.world.rollout
            begun = {**held.statuses, **dict.fromkeys(step.machines, AT_WORK)}
            fleet.world.rollout = replace(held, statuses=begun)
            yield step, [fleet.machines[name] for name in step.machines]
            fleet.world.rollout = held


def others(fleet: Fleet, machine: Machine) -> list[Machine]:
    away = [m for m in fleet.machines.values() if fleet.away(m.name)]
    return [each for each in away if each.name != machine.name]


def region(machine: Machine) -> str:
    return (machine.region or "").replace(" ", "").lower()


@unhurried
@given(drawn())
def test_paired_regions_are_never_in_one_wave_nor_at_work_at_once(fleet: Fleet) -> None:
    waves: dict[int, set[str]] = {}
    for member in fleet.world.rollout.members:
        waves.setdefault(member.wave, set()).add(region(fleet.machines[member.name]))
    assert not any(pair <= regions for pair in PAIRED for regions in waves.values())
    for _ in starts(fleet):
        at_work = {region(fleet.machines[n]) for n in named(fleet.world.rollout, AT_WORK)}
        assert not any(pair <= at_work for pair in PAIRED)


@unhurried
@given(drawn() | drawn(fleet=zoned, rule=st.just(Availability()), limit=wide))
def test_two_zones_of_a_service_are_never_away_at_once(fleet: Fleet) -> None:
    zoned = {m.service for m in fleet.machines.values() if m.zone}
    for _, started in starts(fleet):
        for one in started:
            if one.service is None or one.service not in zoned:
                continue
            for other in others(fleet, one):
                if other.service == one.service:
                    assert one.zone
                    assert (one.region, one.zone) == (other.region, other.zone)


@unhurried
@given(drawn() | drawn(fleet=divided, rule=st.just(Availability()), limit=wide))
def test_two_update_domains_of_a_set_are_never_away_at_once(fleet: Fleet) -> None:
    divided = {m.availability_set for m in fleet.machines.values() if m.update_domain}
    for _, started in starts(fleet):
        for one in started:
            if one.availability_set is None or one.availability_set not in divided:
                continue
            for other in others(fleet, one):
                if other.availability_set == one.availability_set:
                    assert one.update_domain
                    assert one.update_domain == other.update_domain


@unhurried
@given(drawn())
def test_a_fifth_of_a_set_at_most_is_away_and_one_where_it_has_fewer_than_ten(fleet: Fleet) -> None:
    rollout = fleet.world.rollout
    fleet.world.rollout = replace(rollout, limits=replace(rollout.limits, per_domain=Share()))
    here = [m for n, m in fleet.machines.items() if fleet.part[n] in {"todo", "absent"}]
    for kind in ("availability_set", "cluster"):
        sizes = Counter(getattr(m, kind) for m in here)
        for _, started in starts(fleet):
            for of in {getattr(m, kind) for m in started} - {None}:
                lacking = sum(getattr(m, kind) == of and fleet.away(m.name) for m in here)
                assert lacking <= (sizes[of] // 5 if sizes[of] >= 10 else 1)


@unhurried
@given(drawn())
def test_never_fewer_than_its_quorum_are_up(fleet: Fleet) -> None:
    every = list(fleet.machines.values())
    quorums: list[tuple[list[Machine], Callable[[int], int], str]] = [
        ([m for m in every if m.cluster == "blue"], lambda _: 1, "cluster exists"),
        ([m for m in every if m.cluster == "green"], lambda _: 1, "cluster exists"),
        ([m for m in every if m.tags["role"] == "replica"], lambda _: 2, "tags.role == replica"),
        ([m for m in every if m.service == "shop"], lambda n: n // 2 + 1, "service exists"),
        ([m for m in every if m.service == "mail"], lambda n: n // 2 + 1, "service exists"),
        (
            [m for m in every if m.tags["role"] == "web"],
            lambda n: ceil(n * 7 / 10),
            "tags.role == web",
        ),
    ]
    written = {quorum.of for quorum in fleet.rules.quorum}
    for _, started in starts(fleet):
        for group, least, of in quorums:
            if of in written and any(machine in group for machine in started):
                up = [machine for machine in group if fleet.is_up(machine.name)]
                assert len(up) >= least(len(group))


@unhurried
@given(drawn())
def test_what_is_apart_is_never_away_together(fleet: Fleet) -> None:
    """Neither while one is not known to be well; what is outside of the run is not looked at."""
    for _, started in starts(fleet):
        for rule in fleet.rules.apart:
            for one in started:
                for other in fleet.machines.values():
                    if other.name == one.name or fleet.part[other.name] in {"outside", "unserved"}:
                        continue
                    if rule.each and one.zone and one.zone == other.zone:
                        assert fleet.is_up(other.name)
                    if not rule.each and {one.tags["role"], other.tags["role"]} == {"primary"}:
                        assert fleet.is_up(other.name)


@unhurried
@given(drawn() | drawn(fleet=in_roles, rule=ordered, end=bad))
def test_who_comes_after_others_waits_until_all_of_them_are_good(fleet: Fleet) -> None:
    for _, started in starts(fleet):
        for rule in fleet.rules.order:
            pairs = rule.then == "tags.role == primary"
            second = "primary" if pairs else "web"
            first = {"replica"} if pairs else {"replica", "primary"}
            for one in started:
                if one.tags["role"] != second or (rule.each and not one.cluster):
                    continue
                for other in fleet.machines.values():
                    if other.tags["role"] not in first:
                        continue
                    if rule.each and other.cluster != one.cluster:
                        continue
                    if fleet.part[other.name] == "todo":
                        assert fleet.status(other.name) in GOOD
                    assert fleet.part[other.name] not in {"absent", "unserved"}


class Counted(dict[str, Status]):
    """Statuses that count how often they are looked up."""

    lookups = 0

    def get(self, *given: object) -> Status:
        """Look one up."""
        self.lookups += 1
        return super().get(*given)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("size", [200, 2_000])
def test_the_work_of_a_step_grows_with_the_fleet_and_no_faster(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand machines are asked about each step: every one a few times, whoever waits."""
    asked = Counter[str]()
    for rule in (Domains, Lanes, Quorums, Orders):
        admits = rule.admits

        def counting(self: Rule, member: Member, admits: Any = admits) -> bool:
            asked[member.name] += 1
            return bool(admits(self, member))

        monkeypatch.setattr(rule, "admits", counting)
    fleet = [
        machine(f"m{n}", cluster=f"c{n // 5}", service=f"s{n % 7}", zone=str(n % 3))
        for n in range(size)
    ]
    quorum = [{"of": "cluster exists", "each": "cluster", "at_least": "majority"}]
    groups = Groups(Availability.model_validate({"quorum": quorum}), fleet)
    members = tuple(groups.member(each, 1) for each in fleet)
    statuses = Counted({f"m{n}": Status.LOST_CONTACT for n in range(0, size, 5)})
    rollout = Rollout(members, statuses, quorums=groups.needed(fleet, ()))
    assert isinstance(next_step(rollout, NOON), Halt)
    assert statuses.lookups <= 4 * size
    assert max(asked.values()) <= len((Domains, Lanes, Quorums, Orders))


@unhurried
@given(drawn())
def test_the_budget_and_the_slots_hold_with_all_other_rules(fleet: Fleet) -> None:
    for _ in starts(fleet):
        now = fleet.world.rollout
        assert not now.budget.broken_by(charged(now), len(now.members))
        assert len(named(now, AT_WORK)) <= now.limits.slots


@unhurried
@given(drawn())
def test_a_run_comes_to_an_end_and_says_why_it_stopped(fleet: Fleet) -> None:
    *_, last = fleet.world.turns()
    assert isinstance(last, Done) or (isinstance(last, Halt) and last.reason)
    assert "slots" not in getattr(last, "reason", "")


@unhurried
@given(drawn(part=st.sampled_from(["todo", "todo", "idle"])))
def test_where_all_goes_well_every_machine_is_reached(fleet: Fleet) -> None:
    world = fleet.world
    world.ends = dict.fromkeys(world.ends, Status.SUCCEEDED)
    *_, last = world.turns()
    assert last == Done()
    assert sorted(world.started) == sorted(member.name for member in world.rollout.members)


@unhurried
@given(drawn())
def test_what_is_held_back_is_free_when_a_person_forgives(fleet: Fleet) -> None:
    """Only what nobody has looked at cannot be forgiven: machines outside of the run."""
    assume("outside" not in fleet.part.values())
    for _ in fleet.world.turns():
        pass
    everybody = frozenset(fleet.machines)
    rollout = replace(fleet.world.rollout, forgiven=everybody)
    assert not isinstance(next_step(rollout, fleet.world.now), Halt)
