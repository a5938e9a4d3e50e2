"""The drift watch over a simulated yard: machines that vanish and are recreated, as runs see it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from flows.assess import assess
from patchyard.cli import main
from patchyard.domain.report import RunReport
from patchyard.domain.watch import Kind
from patchyard.jobs import run_job
from patchyard.settings import settings
from patchyard.store import open_store
from patchyard.testing.simulated import SimulatedYard, machines
from tests.flows.windows import GROUPS, inventory_of, minute, now, write_maintenance


@pytest.fixture
def yard(tmp_path: Path, prefect_server: str) -> Iterator[SimulatedYard]:
    """Three simulated machines, and the server that records what is done to them."""
    assert prefect_server
    with SimulatedYard(tmp_path / "yard", machines(3), groups=GROUPS) as yard:
        yield yard


def shown_by(yard: SimulatedYard) -> str:
    """The yard's host key as ssh-keygen prints its fingerprint."""
    kind, blob = (yard.folder / "host_key.pub").read_text().split()[:2]
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def findings(report: RunReport) -> set[tuple[Kind, tuple[str, ...]]]:
    return {(finding.kind, finding.machines) for finding in report.watch}


def test_what_moves_between_assessments_is_told_in_the_report_and_on_the_command_line(
    yard: SimulatedYard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that does not answer is tried once, and not for a minute.
    assert run_job.__kwdefaults__ is not None
    monkeypatch.setitem(run_job.__kwdefaults__, "patience", timedelta(0))
    inventory = inventory_of(yard)
    one, two, three = (machine.name for machine in yard.machines)
    write_maintenance(inventory, minute(now()), "1h", scope=f"{one}, {two}")

    first = assess(inventory=str(inventory))
    with open_store(settings().database_url) as store:
        seen = {each.machine: each for each in store.sightings(first.inventory, 1)}
    assert {each.host_key for each in seen.values()} == {shown_by(yard)}
    identity = yard.root(one) / "var/lib/dbus/machine-id"
    assert seen[one].machine_id == identity.read_text().strip()
    assert findings(first) == {(Kind.NO_SCOPE, (three,))}

    yard.recreate(one)
    yard.turn_off(two)
    for _ in range(2):
        report = assess(inventory=str(inventory))
        assert findings(report) == {(Kind.NO_SCOPE, (three,)), (Kind.RECREATED, (one,))}
    third = assess(inventory=str(inventory))

    assert findings(third) == {
        (Kind.NO_SCOPE, (three,)),
        (Kind.RECREATED, (one,)),
        (Kind.VANISHED, (two,)),
    }
    assert "another machine-id since" in Path(third.files["markdown"]).read_text()
    assert "did not answer to 3 assessments" in Path(third.files["html"]).read_text()
    assert main(["maintenance", "watch", str(inventory)]) == 0
    said = capsys.readouterr().out
    assert [line.split(": ")[0].strip() for line in said.splitlines()[1:]] == [
        "no_scope",
        "vanished",
        "recreated",
    ]
    main(["maintenance", "watch", str(inventory), "--unreachable", "4", "--recent", "0s"])
    assert "1 finding\n" in capsys.readouterr().out


def test_a_host_key_that_changed_is_a_machine_that_was_recreated(yard: SimulatedYard) -> None:
    inventory = inventory_of(yard)
    one = yard.machines[0]
    assess(inventory=str(inventory))
    known = yard.inventory / "known_hosts"
    lines = known.read_text().splitlines(keepends=True)
    other = lines[0].rstrip()[:-4] + "AAAA"
    known.write_text("".join([f"{other}\n", *lines[1:]]))

    report = assess(inventory=str(inventory))

    (finding,) = report.watch
    assert (finding.kind, finding.machines) == (Kind.RECREATED, (one.name,))
    assert "the host key has changed" in finding.text
