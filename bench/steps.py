"""What one decision about a large fleet costs: the clock's time of each step, with every rule on.

python -m bench.steps [--machines N] [--insist]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from patchyard.domain.availability import Availability
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.limits import Limits, Share
from patchyard.domain.order import Waves, staged_waves
from patchyard.domain.outcome import Status
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.domain.quorum import Groups
from patchyard.domain.rollout import Rollout, next_step
from patchyard.parameters import PatchParameters
from patchyard.planner import RecordedRollout
from patchyard.region_pairs import published_pairs
from patchyard.runs import Run
from patchyard.store import RunRecord, Store, open_store

LIMIT = 1.0
"""Seconds that a step may take at the most."""

ROUNDS = 5
SLOTS = 500
NOW = datetime(2026, 3, 10, 22, tzinfo=UTC)
REGIONS = ("northeurope", "westeurope", "eastus", "westus", "swedencentral")
SET, CLUSTER, SERVICES = 50, 5, 40
RULES = Availability.model_validate(
    {
        "quorum": [{"of": "cluster exists", "each": "cluster", "at_least": "majority"}],
        "order": [
            {
                "first": "tags.role == replica",
                "then": "tags.role == primary",
                "each": "cluster",
            }
        ],
        "apart": [{"of": "tags.pair exists", "each": "tags.pair"}],
    }
)
SHARES = (0.0, 0.25, 0.5, 0.75, 0.99)
"""How much of the rollout is over where a step is measured."""


@dataclass(frozen=True, slots=True)
class Timed:
    """What was measured: the middle and the longest of some rounds, in seconds."""

    what: str
    middle: float
    longest: float

    def line(self) -> str:
        """Return its line of the table."""
        return f"{self.what:<52} {self.middle * 1000:>9.1f} {self.longest * 1000:>9.1f}"


def machine(number: int) -> Machine:
    """Return one machine; they are in services over three zones, in sets and in clusters."""
    cluster, place = divmod(number, CLUSTER)
    region = REGIONS[cluster % len(REGIONS)]
    return Machine.model_construct(
        name=f"m{number:05}",
        address=f"m{number:05}.example",
        region=region,
        zone=str(place % 3 + 1),
        service=f"service-{cluster % SERVICES}",
        availability_set=f"set-{number // SET}" if number % 2 else None,
        update_domain=str(number % 5) if number % 2 else None,
        cluster=f"cluster-{cluster}",
        tags={"role": "primary" if place == 0 else "replica", "pair": str(number // 2)},
    )


def measure(machines: int) -> Iterator[Timed]:
    """Measure cutting a fleet into waves, and steps from its beginning to its end."""
    fleet = [machine(number) for number in range(machines)]
    yield _timed("the groups and waves of a plan", partial(_waves, fleet))
    groups = Groups(RULES, fleet)
    by_name = {each.name: each for each in fleet}
    waves = _waves(fleet)
    yield _timed("the members of a rollout", partial(_rollout, groups, by_name, waves))
    rollout = rollout_of(fleet)
    for share in SHARES:
        now = _after(rollout, share)
        yield _timed(f"a step, {share:.0%} done", partial(next_step, now, NOW))
    yield from _recorded(fleet, waves)
    stuck = held(rollout)
    yield _timed("a step, nothing may start and all is looked at", partial(next_step, stuck, NOW))


def _recorded(fleet: list[Machine], waves: Waves) -> Iterator[Timed]:
    """Measure what a flow asks: the record of the run is read, and then the next step."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/patchyard.db")
        run = _open_run(store, fleet)
        numbers = {name: number for number, wave in enumerate(waves, 1) for name in wave}
        names = enumerate(numbers.items())
        store.add_machines(run.id, [(name, wave, at) for at, (name, wave) in names])
        plan = Plan(
            inventory="bench",
            scope="all",
            machines=tuple(MachinePlan(machine=each.name) for each in fleet),
            waves=waves,
        )
        parameters = PatchParameters(inventory="bench", slots=SLOTS, domain_limit="20%")
        rollout = RecordedRollout(run, plan, parameters)
        yield _timed("a step of a flow, its record read from SQLite", partial(_ask, rollout))
        store.close()


def _open_run(store: Store, fleet: list[Machine]) -> Run:
    given = {"availability": RULES.model_dump(mode="json"), "slots": SLOTS}
    record = RunRecord(
        id="bench",
        kind="patch",
        inventory="bench",
        scope="all",
        parameters=given,
        status=Status.IN_PROGRESS,
        started_at=NOW,
    )
    store.create_run(record)
    inventory = Inventory.model_construct(name="bench", folder="", machines=tuple(fleet))
    return Run(record=record, store=store, inventory=inventory, owner="bench")


def _ask(rollout: RecordedRollout) -> None:
    next_step(rollout.now(), NOW)


def _waves(fleet: list[Machine]) -> Waves:
    return staged_waves(fleet, ("1", "10%", "rest"), Groups(RULES, fleet), published_pairs())


def _rollout(groups: Groups, machines: dict[str, Machine], waves: Waves) -> Rollout:
    return Rollout(
        members=tuple(
            groups.member(machines[name], number)
            for number, wave in enumerate(waves, 1)
            for name in wave
        ),
        statuses={},
        limits=Limits(slots=SLOTS, per_domain=Share()),
        quorums=groups.needed(machines.values(), ()),
    )


def rollout_of(fleet: list[Machine]) -> Rollout:
    """Return the rollout of a fleet, nothing of which has been started."""
    by_name = {each.name: each for each in fleet}
    return _rollout(Groups(RULES, fleet), by_name, _waves(fleet))


def _after(rollout: Rollout, share: float) -> Rollout:
    done = int(len(rollout.members) * share)
    statuses = {member.name: Status.SUCCEEDED for member in rollout.members[:done]}
    return replace(rollout, statuses=statuses)


def held(rollout: Rollout) -> Rollout:
    """Return one in whose largest wave every machine is held back by one that was lost."""
    wave = max({m.wave for m in rollout.members}, key=[m.wave for m in rollout.members].count)
    statuses = {m.name: Status.SUCCEEDED for m in rollout.members if m.wave < wave}
    lost: dict[str, str] = {}
    for member in rollout.members:
        if member.wave == wave:
            lost.setdefault(member.domains[-1], member.name)
    return replace(rollout, statuses=statuses | dict.fromkeys(lost.values(), Status.LOST_CONTACT))


def _timed(what: str, act: Callable[[], object]) -> Timed:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return Timed(what, statistics.median(times), max(times))


def main() -> int:
    """Measure and print. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="bench.steps", description=__doc__)
    parser.add_argument("--machines", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--insist", action="store_true", help="fail where a step takes a second")
    asked = parser.parse_args()
    sys.stdout.write(f"{asked.machines} machines, {ROUNDS} rounds; ms\n")
    sys.stdout.write(f"{'':<52} {'middle':>9} {'longest':>9}\n")
    found = []
    for each in measure(asked.machines):
        found.append(each)
        sys.stdout.write(f"{each.line()}\n")
        sys.stdout.flush()
    late = [each.what for each in found if each.longest > LIMIT]
    sys.stdout.write(f"{'NOT met' if late else 'met'}: each in under {LIMIT:g} s\n")
    return 1 if asked.insist and late else 0


if __name__ == "__main__":
    sys.exit(main())
