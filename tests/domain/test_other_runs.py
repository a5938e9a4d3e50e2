"""Machines that are away by other runs are away for this one, whichever rule asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.availability import Availability
from patchyard.domain.inventory import Machine
from patchyard.domain.limits import Limits, Share
from patchyard.domain.outcome import Status
from patchyard.domain.quorum import Groups
from patchyard.domain.rollout import (
    Done,
    Halt,
    InOtherRun,
    Rollout,
    Start,
    Step,
    WaitForRuns,
    next_step,
)
from patchyard.testing.assessments import NOON
from tests.domain.strategies import machine, unhurried

ROLES = {"first": "tags.role == replica", "then": "tags.role == primary"}
FIREWALLS: dict[str, Any] = {"apart": [{"of": "tags.role == fw"}]}


def step(
    here: Sequence[Machine],
    away: Machine,
    *,
    idle: Sequence[Machine] = (),
    comes_back: bool = True,
    closed: frozenset[str] = frozenset(),
    forgiven: str = "",
    domain_limit: int | Share = 9,
    closes_at: datetime | None = None,
    **written: Any,
) -> Step:
    """Ask what comes next of machines in one wave while another run has one more away."""
    fleet = [*here, *(m for m in (*idle, away) if m not in here)]
    groups = Groups(Availability.model_validate(written), fleet)
    strangers = [m for m in [away] if m not in [*here, *idle]]
    other = InOtherRun(replace(groups.member(away, 0), run="patch-2"), comes_back, closed)
    return next_step(
        Rollout(
            members=tuple(groups.member(each, 1) for each in here),
            statuses={},
            limits=Limits(slots=9, per_domain=domain_limit),
            quorums=groups.needed([*here, *idle, *strangers], [*idle, *strangers]),
            in_other_runs=(other,),
            forgiven=frozenset(forgiven),
            closes_at=closes_at,
        ),
        NOON,
    )


def waits(found: Step) -> str:
    assert isinstance(found, WaitForRuns), found
    return found.reason


def halts(found: Step) -> str:
    assert isinstance(found, Halt), found
    return found.reason


def test_a_set_that_lacks_a_machine_by_another_run_has_no_room() -> None:
    one, other = (machine(name, cluster="db") for name in "ab")
    told = "no failure domain has room: cluster:db lacks b (by run patch-2)"
    assert waits(step([one], other, domain_limit=1)) == told
    assert halts(step([one], other, comes_back=False, domain_limit=1)) == told


def test_a_window_that_ends_while_another_run_is_waited_for_says_so() -> None:
    one, other = (machine(name, cluster="db") for name in "ab")
    told = "no failure domain has room: cluster:db lacks b (by run patch-2)"
    over = halts(step([one], other, domain_limit=1, closes_at=NOON))
    assert over == f"maintenance_window_exceeded: the window is over; {told}"
    free = halts(step([one], machine("c"), domain_limit=1, closes_at=NOON))
    assert free == "maintenance_window_exceeded: the window is over"


def test_a_machine_of_another_run_counts_for_the_size_of_its_set() -> None:
    """Two of ten may be away, and one is; of nine it would be one, and so none."""
    here = [machine(name, availability_set="web") for name in "abcdefghi"]
    away = machine("x", availability_set="web")
    assert step(here, away, domain_limit=Share()) == Start(("a",))
    assert isinstance(step(here[1:], away, domain_limit=Share()), WaitForRuns)


def test_a_zone_of_which_another_run_has_a_machine_is_the_only_one_worked_on() -> None:
    a, b = (machine(name, service="shop", zone=zone) for name, zone in ("a1", "b2"))
    mate = machine("c", service="shop", zone="2")
    assert "zone 2 of service shop lacks b (by run patch-2)" in waits(step([a], b))
    assert step([a, mate], b) == Start(("c",))


def test_a_machine_at_work_in_another_run_is_not_up_although_this_run_saw_it() -> None:
    a, b, c = (machine(name, cluster="db") for name in "abc")
    quorum: dict[str, Any] = {"quorum": [{"of": "cluster == db", "at_least": 2}]}
    assert step([a, b], machine("x"), idle=[c], **quorum) == Start(("a",))
    told = "quorum[0] cluster == db: 2 must be up, and 2 are known to be"
    assert waits(step([a, b], c, idle=[c], **quorum)) == told
    assert step([a, b, c], c, **quorum) == Start(("c",))


def test_a_machine_of_another_run_that_this_one_never_saw_is_up_for_nobody() -> None:
    """Away it was not counted before, and so it takes nothing from those that are up."""
    a, b, c = (machine(name, cluster="db") for name in "abc")
    assert step([a, b], c, quorum=[{"of": "cluster == db", "at_least": 1}]) == Start(("a",))


def test_the_two_of_a_pair_are_never_away_together_by_two_runs() -> None:
    one, other = (machine(name, tags={"role": "fw"}) for name in "ab")
    assert "apart[0] tags.role == fw: 1 must be up, and 1 are known" in waits(
        step([one], other, **FIREWALLS)
    )
    assert isinstance(step([one], other, idle=[other], **FIREWALLS), WaitForRuns)
    assert isinstance(step([one], other, comes_back=False, **FIREWALLS), Halt)
    assert step([one], machine("c"), **FIREWALLS) == Start(("a",))


def test_who_comes_after_others_waits_for_those_that_another_run_has() -> None:
    primary = machine("a", tags={"role": "primary"})
    replica = machine("b", tags={"role": "replica"})
    assert waits(step([primary], replica, order=[ROLES])) == (
        "order[0]: b (by run patch-2) comes first and is not done well"
    )


def test_nothing_begins_in_the_region_that_stands_in_for_one_at_work() -> None:
    west = machine("a", region="West US")
    away = machine("b", region="eastus")
    told = "region westus stands in for that of b (by run patch-2)"
    assert waits(step([west], away, closed=frozenset({"westus"}))) == told
    assert step([west], away, closed=frozenset({"northeurope"})) == Start(("a",))


def test_a_person_can_forgive_what_a_run_left_and_not_what_it_has_at_work() -> None:
    one, other = (machine(name, cluster="db") for name in "ab")
    left = step([one], other, comes_back=False, forgiven="b", domain_limit=1, **FIREWALLS)
    assert left == Start(("a",))
    assert isinstance(step([one], other, forgiven="b", domain_limit=1), WaitForRuns)


def test_what_would_be_held_back_anyhow_does_not_wait_for_another_run() -> None:
    one, other = (machine(name, cluster="db") for name in "ab")
    never: dict[str, Any] = {"quorum": [{"of": "cluster == db", "at_least": 2}]}
    assert "2 must be up" in halts(step([one], other, **never))


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_machine_is_not_held_back_by_itself(comes_back: bool) -> None:
    """Whether another run lets go of it is for its lease to say, which refuses it by name."""
    one = machine("a", cluster="db", service="shop", zone="1", tags={"role": "fw"})
    rules: dict[str, Any] = {**FIREWALLS, "quorum": [{"of": "cluster == db", "at_least": 1}]}
    idle = [machine("b", cluster="db")]
    found = step([one], one, idle=idle, comes_back=comes_back, domain_limit=1, **rules)
    assert found == Start(("a",))


# --- several runs at once, decided in any order ---------------------------------------------


@dataclass
class Runs:
    """Runs over one fleet. Each decides by what it saw, and starts if nothing has come to it."""

    fleet: dict[str, Machine]
    groups: Groups
    of: dict[str, int]
    ends: dict[str, Status]
    random: Random
    limit: int | Share = 1
    statuses: dict[str, Status] = field(default_factory=dict)
    decided: dict[int, tuple[frozenset[tuple[str, Status]], Step]] = field(default_factory=dict)

    AWAY = frozenset({Status.IN_PROGRESS, Status.LOST_CONTACT, Status.NEEDS_REPAIR})

    def elsewhere(self, run: int) -> frozenset[tuple[str, Status]]:
        """Return what is away by the others, as the store tells it."""
        return frozenset(
            (n, s) for n, s in self.statuses.items() if self.of[n] != run and s in self.AWAY
        )

    def rollout(self, run: int) -> Rollout:
        mine = [m for n, m in self.fleet.items() if self.of[n] == run]
        away = self.elsewhere(run)
        strangers = [self.fleet[name] for name, _ in sorted(away)]
        return Rollout(
            members=tuple(self.groups.member(m, 1) for m in mine),
            statuses={n: s for n, s in self.statuses.items() if self.of[n] == run},
            limits=Limits(slots=9, per_domain=self.limit),
            quorums=self.groups.needed([*mine, *strangers], strangers),
            in_other_runs=tuple(
                InOtherRun(self.groups.member(self.fleet[n], 0), s == Status.IN_PROGRESS)
                for n, s in sorted(away)
            ),
        )

    def turns(self) -> Iterator[tuple[str, ...]]:
        """Let any of them ask, start, or bring a machine to its end. Yields what is started."""
        for _ in range(40 * len(self.fleet)):
            run = self.random.choice(sorted(set(self.of.values())))
            match self.random.choice(["ask", "start", "end"]):
                case "ask":
                    self.decided[run] = self.elsewhere(run), next_step(self.rollout(run), NOON)
                case "start" if run in self.decided:
                    known, step = self.decided.pop(run)
                    if isinstance(step, Start) and self.elsewhere(run) <= known:
                        self.statuses |= dict.fromkeys(step.machines, Status.IN_PROGRESS)
                        yield step.machines
                case _:
                    at_work = sorted(n for n, s in self.statuses.items() if s == Status.IN_PROGRESS)
                    if at_work:
                        name = self.random.choice(at_work)
                        self.decided.pop(self.of[name], None)  # a run sees its own ends
                        self.statuses[name] = self.ends[name]

    def away(self) -> list[Machine]:
        return [self.fleet[n] for n, s in self.statuses.items() if s in self.AWAY]


@st.composite
def several(draw: st.DrawFn) -> Runs:
    size = draw(st.integers(3, 12))
    fleet = {
        f"m{n:02}": machine(
            f"m{n:02}",
            cluster=draw(st.sampled_from([None, "blue", "green"])),
            service=draw(st.sampled_from([None, "shop"])),
            zone=draw(st.sampled_from(["1", "2"])),
            tags={"role": draw(st.sampled_from(["fw", "web", "web"]))},
        )
        for n in range(size)
    }
    rules = Availability.model_validate(
        {**FIREWALLS, "quorum": [{"of": "cluster == green", "at_least": 1}]}
    )
    fates = st.sampled_from([*[Status.SUCCEEDED] * 8, Status.LOST_CONTACT, Status.NEEDS_REPAIR])
    return Runs(
        fleet=fleet,
        groups=Groups(rules, fleet.values()),
        of={name: draw(st.integers(1, 3)) for name in fleet},
        ends={name: draw(fates) for name in fleet},
        random=draw(st.randoms(use_true_random=False)),
    )


@unhurried
@given(several())
def test_however_runs_meet_what_must_stay_up_stays_up(runs: Runs) -> None:
    for started in runs.turns():
        away = runs.away()
        for one, other in combinations(away, 2):
            if not {one.name, other.name} & set(started):
                continue
            assert one.cluster is None or one.cluster != other.cluster
            assert one.service is None or one.service != other.service or one.zone == other.zone
            assert not one.tags["role"] == other.tags["role"] == "fw"


@unhurried
@given(several())
def test_runs_that_meet_do_not_wait_for_each_other_for_ever(runs: Runs) -> None:
    runs.ends = dict.fromkeys(runs.ends, Status.SUCCEEDED)
    runs.groups = Groups(Availability.model_validate(FIREWALLS), runs.fleet.values())
    for _ in runs.turns():
        pass
    while open_ := [
        r
        for r in sorted(set(runs.of.values()))
        if not isinstance(next_step(runs.rollout(r), NOON), Done)
    ]:
        before = dict(runs.statuses)
        for name in [n for n, s in before.items() if s == Status.IN_PROGRESS]:
            runs.statuses[name] = Status.SUCCEEDED
        found = next_step(runs.rollout(open_[0]), NOON)
        if isinstance(found, Start):
            runs.statuses |= dict.fromkeys(found.machines, Status.IN_PROGRESS)
        assert runs.statuses != before, found
