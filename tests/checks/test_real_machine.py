"""A real machine with systemd is asked over SSH, goes wrong, and is told from before."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patchyard.domain.health import Answer, Outcome, compare
from patchyard.domain.inventory import CheckSpec
from patchyard.link import Link
from patchyard.providers import load_inventory
from patchyard.questions import ask, settle
from patchyard.transports import open_transport
from tests.yard import box
from tests.yard.spec import MachineSpec
from tests.yard.yard import Yard

pytestmark = [
    pytest.mark.yard,
    pytest.mark.skipif(os.geteuid() != 0, reason="real machines need root"),
    pytest.mark.xdist_group("machine"),
]

CHECKS = (
    CheckSpec(kind="systemd_unit", options={"unit": "nginx"}),
    CheckSpec(kind="failed_units"),
    CheckSpec(kind="listening_ports"),
    CheckSpec(kind="default_route"),
    CheckSpec(kind="dns", options={"name": "localhost"}),
    CheckSpec(kind="http", options={"url": "http://{address}/"}),
    CheckSpec(kind="tcp", options={"port": 80, "via": "machine"}),
    CheckSpec(kind="command", options={"command": "id -un", "contains": "patchyard"}),
)


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    reason = box.probe()
    assert reason is None, reason
    folder = tmp_path_factory.mktemp("yard")
    with Yard(folder, [MachineSpec("box-1", groups=("yard",))], groups={"yard": {}}) as made:
        yield made


def asked(folder: Path) -> tuple[Answer, ...]:
    inventory = load_inventory(folder)
    machine = inventory.machines[0].model_copy(update={"checks": CHECKS})
    with Link(lambda: open_transport(machine, inventory)) as link:
        return ask(link, machine, nonce="n0n5e", timeout=timedelta(seconds=30))


def test_what_goes_wrong_is_named_and_what_comes_back_settles(yard: Yard) -> None:
    machine = yard["box-1"]
    before = asked(yard.folder)
    assert {a.check: a.detail for a in before if a.outcome != Outcome.PASSED} == {}

    machine.exec(["systemctl", "stop", "nginx"])
    machine.exec(["sh", "-c", "systemd-run --unit=till false; sleep 1"])
    worse = {d.check for d in compare(before, asked(yard.folder)) if d.regressed}
    address = machine.address
    wanted = {"systemd_unit nginx", "failed_units: till.service", f"http http://{address}/"}
    assert wanted | {"tcp 80"} <= worse

    machine.exec(["systemctl", "reset-failed"])
    machine.exec(["systemd-run", "--on-active=2", "systemctl", "start", "nginx"])
    verdict = settle(
        lambda: asked(yard.folder),
        tuple(a for a in before if a.check != "listening_ports"),  # the box's own ports, too
        stable=timedelta(seconds=2),
        limit=timedelta(seconds=30),
        clock=lambda: datetime.now(UTC),
        sleep=time.sleep,
    )
    assert verdict.healthy, verdict.reasons
