"""The example hooks in whole runs: a simulated yard behind a real HAProxy and Alertmanager.

What stands is asked of those products at the moment when the first package is about to change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flows.patch import patch
from patchyard import operations, runs
from patchyard.domain.outcome import Status
from patchyard.domain.report import RunReport
from patchyard.operations import Bench
from patchyard.settings import settings
from patchyard.store import open_store
from patchyard.testing.simulated import SimulatedYard, machines
from tests.examples.calling import EXAMPLES
from tests.examples.daemons import Alertmanager, HAProxy, alertmanager, haproxy, until
from tests.flows.windows import GROUPS, inventory_of, somebody


@dataclass
class Site:
    """Two machines, what stands before them, and how that stood when each was about to change."""

    yard: SimulatedYard
    proxy: HAProxy
    alerts: Alertmanager
    seen: list[tuple[str, dict[str, str], set[str]]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [machine.name for machine in self.yard.machines]

    def look(self, name: str) -> None:
        """Note how things stand for a machine."""
        self.seen.append((name, self.proxy.states(), self.alerts.suppressed()))

    def hooks(self) -> list[dict[str, Any]]:
        """The hooks of both recipes, as their pages write them."""
        balancer = [str(EXAMPLES / "haproxy.py"), self.proxy.where, "web/{name}"]
        silencer = [str(EXAMPLES / "alertmanager.py"), self.alerts.url, "instance"]
        return [
            {"name": name, "when": when, "of": of, "command": command}
            for name, when, of, command in (
                ("silence", "before", "run", silencer),
                ("speak", "after", "run", silencer),
                ("drain", "before", "machine", balancer),
                ("undrain", "after", "machine", balancer),
            )
        ]

    def patched(self) -> RunReport:
        """Patch the machines, one after the other."""
        report: RunReport = patch(
            inventory=str(inventory_of(self.yard)),
            dry_run=False,
            hooks=self.hooks(),
            waves=["rest"],
            slots=1,
            resume="never",
            max_failure_percent=100,
        )
        return report

    def is_as_before(self) -> bool:
        """True where all servers are let in, and nothing is silenced any more."""
        let_in = set(self.proxy.states().values()) == {"ready"}
        return let_in and self.alerts.states() == ["expired"] and not self.alerts.suppressed()


@pytest.fixture
def site(tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    assert prefect_server
    names = [machine.name for machine in machines(2)]
    install = operations.install
    with (
        SimulatedYard(tmp_path / "yard", machines(2), groups=GROUPS) as yard,
        haproxy(tmp_path, *names) as proxy,
        alertmanager(tmp_path) as alerts,
    ):
        site = Site(yard, proxy, alerts)
        alerts.fire(*(f"{name}:9100" for name in names))

        def seen(bench: Bench, *given: Any, **more: Any) -> Any:
            site.look(bench.machine.name)
            return install(bench, *given, **more)

        monkeypatch.setattr(operations, "install", seen)
        yield site


def seen_of(site: Site, name: str) -> tuple[str, dict[str, str], set[str]]:
    """What must stand when a machine is about to change: it alone is out, all are silenced."""
    states = {each: "maint" if each == name else "ready" for each in site.names}
    return name, states, {f"{each}:9100" for each in site.names}


def test_each_machine_is_out_while_it_is_changed_and_all_is_as_before_after_the_run(
    site: Site,
) -> None:
    report = site.patched()
    assert report.status == Status.SUCCEEDED, report.halted_because
    assert sorted(site.seen, key=lambda each: each[0]) == [
        seen_of(site, name) for name in sorted(site.names)
    ]
    assert site.is_as_before()
    assert {site.proxy.status(name) for name in site.names} == {"UP"}


def test_all_is_as_before_after_a_run_that_fails(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bench: Bench, *_given: object) -> None:
        site.look(bench.machine.name)
        raise RuntimeError("a bug")

    monkeypatch.setattr(operations, "install", broken)
    report = site.patched()
    assert {each.status for each in report.machines} == {Status.FAILED}
    assert site.seen
    assert all(each == seen_of(site, each[0]) for each in site.seen)
    assert site.is_as_before()


def test_all_is_as_before_after_a_run_that_is_cancelled_while_a_server_drains(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.3)
    servers = site.proxy.servers

    def act() -> None:
        until("drain", lambda: "drain" in site.proxy.states().values(), 60)
        with open_store(settings().database_url) as store:
            open_run = store.runs(limit=1)[0]
            store.request_cancel(open_run.id)
        time.sleep(1)
        for server in servers.values():
            server.go.set()

    with ThreadPoolExecutor(2) as clients:
        # A request in progress at each, so that the first to drain does so until it is answered.
        pages = [clients.submit(site.proxy.get, "/slow", name) for name in site.names]
        assert all(server.slow.wait(10) for server in servers.values())
        with somebody(act):
            report = site.patched()
        assert [page.result(10) for page in pages] == site.names
    assert report.halted_because == "cancelled"
    assert {each.status for each in report.machines} <= {Status.CANCELLED, Status.NOT_STARTED}
    assert site.seen == []
    assert site.is_as_before()
