"""Links to a Windows computer that break, are refused or are cancelled in the middle of a run."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.actions import Install
from patchyard.domain.outcome import Status
from patchyard.domain.transaction import InstallProblem
from patchyard.domain.updates import BUILD
from patchyard.domain.value import Known
from patchyard.errors import HostKeyRejected
from patchyard.testing.windows.host.catalogue import DEFENDER, DOTNET, LCU_2022, MSRT
from patchyard.testing.windows.host.profiles import SERVER_2022
from patchyard.testing.windows.winrm import Authority, Code, Fault, Settings, WinrmServer
from patchyard.transports import _winrm_tickets
from tests.systems.windows_runs import ACCOUNT, Yard
from tests.testing.winrm import realms
from tests.testing.winrm.realms import HOST, begin

slow = pytest.mark.slow
ALL: Any = frozenset({"basic", "negotiate", "kerberos", "credssp"})
ADMIN = "admin@CORP.TEST"


class Killed(BaseException):
    """The controller's process has ended: nothing of it runs any more."""


def during(yard: Yard, step: str, act: Any, after: float = 2.0) -> None:
    """Do something once, so many of the computer's seconds after a step has begun."""

    def heard(_machine: str, key: str, said: str) -> None:
        if (key, said) == (step, "started"):
            yard.computer.clock.after(after, act)

    yard.workshop = replace(yard.workshop, say=heard)


def installed_once(yard: Yard) -> bool:
    done = yard.installed_by_us
    return len(done) == len(set(done))


def test_a_connection_that_is_dropped_in_mid_install_costs_nothing() -> None:
    yard = Yard(SERVER_2022, LCU_2022, DEFENDER)
    before = yard.server.counts.connections
    during(yard, "install-0-0", yard.server.drop)
    finish = yard.run()
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert yard.server.counts.connections > before + 1
    assert installed_once(yard)
    assert yard.server.counts.refused == 0


def test_a_controller_that_is_killed_in_mid_install_attaches_to_what_it_began() -> None:
    yard = Yard(SERVER_2022, LCU_2022, DEFENDER)
    whole = yard.workshop

    def asked() -> bool:
        """Asked for after each look at a change that runs."""
        if yard.done and yard.done[-1].startswith("install"):
            raise Killed
        return False

    yard.workshop = replace(whole, cancelled=asked)
    with pytest.raises(Killed):
        yard.run()
    assert yard.memory.records["install-0-0"].finished_at is None
    assert yard.computer.updates.work is not None
    yard.workshop = whole
    finish = yard.go_on()
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert [a.key for a in yard.actions(Install)] == ["install-0-0"]
    assert installed_once(yard)


def test_a_cancel_is_heard_between_two_updates_and_nothing_further_is_begun() -> None:
    yard = Yard(SERVER_2022, LCU_2022, DOTNET, MSRT)
    updates = yard.computer.updates
    yard.workshop = replace(
        yard.workshop, cancelled=lambda: updates.work is not None and updates.work.kind == "install"
    )
    finish = yard.run()
    assert finish.status == Status.CANCELLED, finish.reason
    assert "not begun, for the run was cancelled" in finish.reason
    (install,) = yard.actions(Install)
    told = yard.memory.records[install.key].result["transaction"]
    assert told["problem"] == InstallProblem.CANCELLED
    # What was begun is brought to its end, its reboot included.
    assert 1 <= len(yard.installed_by_us) < 3
    assert yard.last.reboot_required == Known.NO


@slow
def test_shells_that_somebody_else_uses_up_are_waited_for() -> None:
    yard = Yard(SERVER_2022, DEFENDER)
    seen = yard.look()
    yard.server.faults.add(Fault.SOAP, "Create", code=Code.SHELLS_QUOTA, times=2, skip=1)
    finish = yard.run_planned(seen)
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert yard.server.faults.left == 0
    assert installed_once(yard)


def test_a_wrong_password_is_sent_once_and_the_computer_is_unreachable() -> None:
    """Counted at the server: one attempt, for the whole run."""
    yard = Yard(SERVER_2022, DEFENDER)
    planned = yard.look()
    assert planned.updates
    before = yard.server.counts.attempts
    yard.write("wrong")
    finish = yard.run_planned(planned)
    assert finish.status in {Status.UNREACHABLE, Status.FAILED}, finish.reason
    assert "not tried again" in finish.reason
    assert (yard.server.counts.attempts - before, yard.server.counts.refused) == (1, 1)


class Encrypted(Yard):
    """One that is reached by HTTPS."""

    def __init__(self, folder: Path, *offered: Any, **settings: Any) -> None:
        super().__init__(SERVER_2022, *offered)
        self.server.close()
        self.authority = Authority(folder / "authority")
        self.server = WinrmServer(
            self.computer,
            [ACCOUNT],
            Settings(methods=ALL, host=HOST, **settings),
            https=0,
            certificate=self.authority.server("127.0.0.1"),
        )
        self.trust(self.authority)

    def trust(self, authority: Authority) -> None:
        """Write down whose certificates are believed."""
        winrm = {"scheme": "https", "auth": "ntlm", "ca": str(authority.path)}
        connection = self.connection(port=self.server.https_port, winrm=winrm)
        self.machine = self.machine.model_copy(update={"connection": connection})
        self.workshop = replace(self.workshop, inventory=self.inventory())


@pytest.fixture
def encrypted(tmp_path: Path) -> Encrypted:
    return Encrypted(tmp_path, DEFENDER)


def test_a_certificate_of_another_authority_is_refused_before_a_password_is_sent(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    encrypted.trust(Authority(tmp_path / "other"))
    with pytest.raises(HostKeyRejected):
        encrypted.look()
    assert encrypted.server.counts.attempts == 0
    encrypted.trust(encrypted.authority)
    assert encrypted.look().updates


def test_a_binding_to_another_channel_is_refused_once(
    encrypted: Encrypted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody between us and the computer, who has a certificate of their own."""
    seen = encrypted.look()
    before = encrypted.server.counts.attempts
    monkeypatch.setattr("requests_ntlm.requests_ntlm._get_certificate_hash", lambda _der: b"x" * 32)
    finish = encrypted.run_planned(seen)
    assert "not tried again" in finish.reason
    assert (encrypted.server.counts.attempts - before, encrypted.server.counts.refused) == (1, 1)


class Kerberised(Yard):
    """One whose users are a realm's."""

    def __init__(self, *offered: Any) -> None:
        super().__init__(SERVER_2022, *offered, settings=Settings(methods=ALL, host=HOST))
        winrm = {"scheme": "http", "auth": "kerberos", "kerberos_hostname": HOST}
        connection = self.connection(user=ADMIN, winrm=winrm)
        self.machine = self.machine.model_copy(update={"connection": connection})
        self.workshop = replace(self.workshop, inventory=self.inventory())
        self.write(realms.PASSWORD)


@pytest.fixture
def short_tickets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(_winrm_tickets, "_fetched", {})
    monkeypatch.setattr(_winrm_tickets, "_refused", {})
    (tmp_path / "tickets").mkdir()
    with (
        begin(tmp_path / "realm", lifetime="4s") as realm,
        realm.applied(f"DIR:{tmp_path}/tickets"),
    ):
        yield realm


@slow
def test_a_ticket_that_runs_out_in_mid_run_is_fetched_anew(short_tickets: Any) -> None:
    yard = Kerberised(DEFENDER)

    def run_out() -> None:
        while subprocess.run(["klist", "-s"], check=False, env=dict(os.environ)).returncode == 0:
            time.sleep(0.1)
        yard.server.drop()

    def heard(_machine: str, key: str, said: str) -> None:
        if (key, said) == ("install-0-0", "started"):
            run_out()

    yard.workshop = replace(yard.workshop, say=heard)
    finish = yard.run()
    assert finish.status == Status.SUCCEEDED, finish.reason
    assert short_tickets.asked("admin") >= 2
    assert yard.server.counts.refused == 0
    assert yard.last.packages[BUILD]
