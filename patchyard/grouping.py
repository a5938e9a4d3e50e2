"""Availability in an open run: its machines' groups, its waves, and who is in none of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from patchyard.domain.availability import Availability
from patchyard.domain.inventory import Machine
from patchyard.domain.order import Waves, contradictions, staged_waves
from patchyard.domain.outcome import Status
from patchyard.domain.quorum import Groups
from patchyard.domain.vacancies import UP
from patchyard.errors import ConfigurationError, Problem
from patchyard.region_pairs import published_pairs
from patchyard.runs import FRESH, Run
from patchyard.yaml_text import dotted


def groups_of(run: Run) -> Groups:
    """Return the groups of the inventory's machines by the availability rules of a run."""
    written = run.record.parameters.get("availability") or {}
    return Groups(Availability.model_validate(written), run.inventory.machines)


def check_rules(run: Run, machines: Sequence[Machine], *, whole: bool = True) -> None:
    """See that the availability rules of a run can hold for its machines.

    `whole` says that these are all that it looks at, and not those only that have something to do.

    Raises:
        ConfigurationError: they cannot; all that is wrong is told.
    """
    wrong = [
        Problem(said, field=dotted(("availability", *path)))
        for path, said in contradictions(machines, groups_of(run), published_pairs(), whole=whole)
    ]
    if wrong:
        raise ConfigurationError(wrong)


def waves_of(run: Run, machines: Sequence[Machine], sizes: Sequence[str]) -> Waves:
    """Cut machines into waves by the availability rules of a run.

    Raises:
        ConfigurationError: the sizes cannot be read, or the rules cannot hold for these machines.
    """
    check_rules(run, machines, whole=False)
    return staged_waves(machines, sizes, groups_of(run), published_pairs())


@dataclass(frozen=True, slots=True)
class Others:
    """The machines of a run that are in no wave.

    `absent` were not reached, `idle` are up, and for those of `unserved` nothing is done although
    something is to be done: a person left them out, or they could not be assessed.
    """

    absent: tuple[Machine, ...]
    idle: tuple[Machine, ...]
    unserved: tuple[Machine, ...]

    @classmethod
    def of(cls, run: Run, placed: Collection[str], left_out: Collection[str]) -> Others:
        """Tell them apart by what is recorded of them."""
        absent: list[Machine] = []
        idle: list[Machine] = []
        unserved: list[Machine] = []
        for name, standing in run.store.standings(run.id).items():
            machine = machine_of(run, name)
            if name in left_out:
                idle.append(machine)
                unserved.append(machine)
            elif name in placed:
                continue
            elif standing.status.good:
                idle.append(machine)
            else:
                gone = standing.status == Status.UNREACHABLE
                (absent if gone else unserved).append(machine)
        idle += _left_by_past(run)
        return cls(tuple(absent), tuple(idle), tuple(unserved))

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All of them; one that a person left out stands twice."""
        return (*self.absent, *self.idle, *self.unserved)


def _left_by_past(run: Run) -> list[Machine]:
    """Return whom a rollback leaves alone and the run that it takes back has lately left well.

    It looks at no machine but its own, and could otherwise never keep a quorum.
    """
    past = run.store.run(str(run.record.parameters.get("run_id", "")))
    if past is None or past.finished_at is None or past.finished_at + FRESH < run.clock():
        return []
    mine, left = run.store.standings(run.id), run.store.standings(past.id)
    up = (name for name, standing in left.items() if standing.status in UP)
    return [machine_of(run, name) for name in up if name not in mine]


def machine_of(run: Run, name: str) -> Machine:
    """Return a machine of a run; one that the inventory has no more is in no group."""
    return run.inventory.machine(name) or Machine(name=name, address="unknown")
