from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patchyard.domain.inventory import Machine
from patchyard.link import Link
from patchyard.managers import manager_for
from patchyard.operations import Bench
from patchyard.providers import load_inventory
from patchyard.systems import system_for
from patchyard.testing.simulated import SimulatedMachine, SimulatedYard, machines
from patchyard.transports import open_transport
from patchyard.transports.base import Completed


class Workplace:
    """A running yard, and Patchyard's own way to its machines."""

    def __init__(self, yard: SimulatedYard) -> None:
        self.yard = yard
        self.inventory = load_inventory(yard.inventory)
        self._runs = 0

    def machine(self, name: str) -> Machine:
        found = self.inventory.machine(name)
        assert found is not None
        return found

    @contextmanager
    def link(self, name: str) -> Iterator[Link]:
        machine = self.machine(name)
        with Link(lambda: open_transport(machine, self.inventory)) as link:
            yield link

    @contextmanager
    def bench(self, name: str) -> Iterator[Bench]:
        self._runs += 1
        machine = self.machine(name)
        with self.link(name) as link:
            yield Bench(
                machine=machine,
                system=system_for(machine),
                manager=manager_for(machine),
                link=link,
                run_id=f"run{self._runs}",
                seed="seed",
                clock=now,
                sleep=time.sleep,
            )

    def run(self, name: str, script: str) -> Completed:
        with self.link(name) as link:
            return link.run(script, timeout=timedelta(seconds=20))


def now() -> datetime:
    return datetime.now(UTC)


def soon() -> datetime:
    return now() + timedelta(seconds=60)


@contextmanager
def workplace_of(
    folder: Path, fleet: tuple[SimulatedMachine, ...], *, reboot_seconds: float = 0.3
) -> Iterator[Workplace]:
    with SimulatedYard(folder, fleet, reboot_seconds=reboot_seconds) as yard:
        yield Workplace(yard)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """Eight machines for one module; every fourth has a kernel to install."""
    with workplace_of(tmp_path_factory.mktemp("yard"), machines(8, kernel_every=4)) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[..., object]:
    """Make a yard for one test."""
    return lambda *fleet, **more: workplace_of(tmp_path / "yard", fleet, **more)
