"""One run of one configuration over Linux and Windows machines that get different updates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from flows.patch import patch
from patchyard.booking import Booking, bookings
from patchyard.domain.outcome import Status
from patchyard.domain.plan import WhyNot
from patchyard.domain.report import RunReport
from patchyard.settings import settings
from patchyard.store import open_store
from patchyard.testing.simulated import SimulatedMachine, SimulatedYard
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.host.catalogue import DEFENDER, LCU_2022
from patchyard.testing.windows.host.profiles import SERVER_2022
from tests.flows.windows import GROUPS, inventory_of, minute, now, write_maintenance
from tests.systems import served

REPLICA, PRIMARY = "replica-1", "primary-1"
AFTER = {"first": "tags.role == replica", "then": "tags.role == primary"}


@pytest.fixture
def computer() -> SimulatedComputer:
    """A Windows computer that is offered two updates of different classes."""
    return served.computer(SERVER_2022, LCU_2022, DEFENDER, factor=60.0)


@pytest.fixture
def yard(
    tmp_path: Path, prefect_server: str, computer: SimulatedComputer
) -> Iterator[SimulatedYard]:
    """A replica on Linux, and its primary on Windows, in one inventory."""
    assert prefect_server
    replica = SimulatedMachine(
        REPLICA, "127.25.0.1", ("simulated",), settings={"tags": {"role": "replica"}}
    )
    server = served.serve(computer)
    try:
        with SimulatedYard(tmp_path / "yard", [replica], groups=GROUPS) as made:
            add_windows(made.inventory, server.http_port)
            yield made
    finally:
        server.close()


def add_windows(folder: Path, port: int) -> None:
    """Write the Windows machine beside the simulated ones."""
    made = served.inventory(folder, port).machines[0]
    told = made.model_dump(mode="json", include={"address", "os_family", "policy"})
    link = made.connection.model_dump(mode="json", exclude_unset=True)
    entry = {**told, "connection": link, "tags": {"role": "primary"}}
    text = yaml.safe_dump({"machines": {PRIMARY: entry}})
    (folder / "primary.yaml").write_text(text)


def booked(yard: SimulatedYard) -> Booking:
    """Return what the dispatcher books for the window that is open now."""
    folder = inventory_of(yard)
    rules = {"availability": {"order": [AFTER]}, "windows": {"classifications": ["Definition"]}}
    write_maintenance(folder, minute(now()), "6h", **rules)
    (open_now,) = bookings(str(folder), now(), timedelta(hours=1), dry_run=False)
    return open_now


def test_both_are_patched_in_one_run_each_by_its_own_and_in_order(
    yard: SimulatedYard, computer: SimulatedComputer
) -> None:
    booking = booked(yard)
    report: RunReport = patch(booking.parameters)

    found = {machine.name: machine for machine in report.machines}
    assert {m.status for m in found.values()} == {Status.SUCCEEDED}, report.halted_because
    assert report.waves == ((REPLICA,), (PRIMARY,))
    assert [each.name for each in found[PRIMARY].updates] == [f"KB{DEFENDER.kb}"]
    assert {(i.name, i.why) for i in found[PRIMARY].left_out} == {
        (f"KB{LCU_2022.kb}", WhyNot.CLASSIFICATION)
    }
    assert found[REPLICA].installed > 0
    assert computer.refused == []
    with open_store(settings().database_url) as store:
        (claim,) = store.window_claims(report.inventory, [booking.window.key])
        records = {each.machine: each for each in store.machines(report.run_id)}
    assert claim.run_id == report.run_id
    ended, began = records[REPLICA].finished_at, records[PRIMARY].started_at
    assert ended is not None
    assert began is not None
    assert ended <= began
