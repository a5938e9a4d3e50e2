"""Scripts on a simulated machine: how each end of one is told."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patchyard.domain.around import Hook
from patchyard.domain.hooking import FAILED, TIMED_OUT
from patchyard.hooks.calling import call
from patchyard.hooks.occasion import Ended, Occasion
from patchyard.link import Link
from patchyard.managers import manager_for
from patchyard.operations import Bench
from patchyard.providers import load_inventory
from patchyard.systems import system_for
from patchyard.testing.simulated import SimulatedYard, machines
from patchyard.transports import open_transport


@contextmanager
def bench_of(yard: SimulatedYard) -> Iterator[Bench]:
    inventory = load_inventory(yard.inventory)
    (machine,) = inventory.machines
    with Link(lambda: open_transport(machine, inventory)) as link:
        yield Bench(
            machine=machine,
            system=system_for(machine),
            manager=manager_for(machine),
            link=link,
            run_id="r1",
            seed=secrets.token_hex(8),
            clock=lambda: datetime.now(UTC),
            sleep=time.sleep,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with SimulatedYard(tmp_path / "yard", machines(1)) as yard, bench_of(yard) as bench:
        yield bench


def run(bench: Bench, script: str, timeout: str = "1m") -> Ended:
    given = {"name": "own", "when": "before", "of": "machine", "script": script}
    hook = Hook.model_validate({**given, "timeout": timeout})
    told = {"id": "r1"}
    occasion = Occasion(hook=hook, key="k1", run=told, machines=(), machine=bench.machine)
    return call(occasion, bench, secrets.token_hex(4))


def test_each_end_of_a_script_is_told_as_what_it_was(bench: Bench) -> None:
    assert run(bench, "echo well; exit 0") == Ended("", "well")
    assert run(bench, "echo why; exit 3") == Ended(FAILED, "ended with status 3: why")
    # Killed by somebody else, such as a machine without memory: nobody waited too long.
    killed = run(bench, "echo so far; kill -9 $$")
    assert killed.code == FAILED
    assert killed.detail.startswith("ended with status 137: so far")
    own = run(bench, "timeout 0.1 sleep 9; exit $?")
    assert own == Ended(FAILED, "ended with status 1: ended with status 124")
    late = Ended(TIMED_OUT, "not ended after 1 s, so it was ended")
    assert run(bench, "sleep 30", "1s") == late


def test_of_a_long_output_the_end_is_told(bench: Bench) -> None:
    many = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i + 1)); done; exit "
    good, bad = run(bench, f"{many}0"), run(bench, f"{many}1")
    assert good.detail.startswith("...")
    assert good.detail.endswith("line 2999")
    assert bad.detail.endswith("line 2999")
    assert max(len(good.detail), len(bad.detail)) < 300
