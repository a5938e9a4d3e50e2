"""Kerberos by a real MIT KDC on loopback: whose ticket, from where, and when it runs out."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard.errors import AuthenticationFailed, HostKeyRejected, Unreachable
from patchyard.testing.windows.winrm import Realm, Settings
from patchyard.testing.windows.winrm.login import Channel, Gate, Headers, Login
from patchyard.transports import _winrm_tickets, _winrm_wire
from tests.testing.winrm.realms import HOST, PASSWORD, begin, kinit
from tests.transports.winrm_yard import ALL, Yard

SOON = timedelta(seconds=20)
ADMIN = "admin@CORP.TEST"


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    with begin(tmp_path_factory.mktemp("realm")) as running:
        yield running


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is a process of its own, as far as tickets go."""
    monkeypatch.setattr(_winrm_tickets, "_fetched", {})
    monkeypatch.setattr(_winrm_tickets, "_refused", {})


@pytest.fixture
def yard(realm: Realm, tmp_path: Path) -> Iterator[Yard]:
    (tmp_path / "tickets").mkdir()
    with realm.applied(f"DIR:{tmp_path}/tickets"), Yard(tmp_path / "yard") as made:
        made.write("password", PASSWORD)
        yield made


def open_and_run(yard: Yard, scheme: str = "http", **more: object) -> None:
    winrm = {"kerberos_hostname": HOST}
    link = yard.open(scheme, "kerberos", **{"user": ADMIN, "winrm": winrm, **more})
    script = "x" * 40_000
    assert link.run(script, timeout=SOON).stdout == f"{script}|{{}}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_ticket_is_fetched_by_the_password_and_used(
    yard: Yard, realm: Realm, scheme: str
) -> None:
    before = realm.asked("admin")
    for _ in range(3):
        open_and_run(yard, scheme)
    assert realm.asked("admin") == before + 1
    assert (yard.server.counts.attempts, yard.server.counts.refused) == (3, 0)
    assert yard.server.counts.unsealed == 0


def test_without_a_password_the_ticket_there_is_is_used(yard: Yard, realm: Realm) -> None:
    kinit("admin")
    before = realm.asked("admin")
    open_and_run(yard, password=None)
    open_and_run(yard, password=None, user=None)
    assert realm.asked("admin") == before


def test_without_any_ticket_that_is_told(yard: Yard) -> None:
    for user in (ADMIN, None):
        with pytest.raises(AuthenticationFailed, match=r"no valid Kerberos ticket.*run kinit"):
            open_and_run(yard, password=None, user=user)
    assert yard.server.counts.attempts == 0


def test_the_principal_chooses_among_the_tickets(yard: Yard) -> None:
    kinit("guest")
    open_and_run(yard)
    kinit("admin")
    with pytest.raises(AuthenticationFailed, match=r"'guest@CORP.TEST' by kerberos was refused"):
        open_and_run(yard, user="guest@CORP.TEST", password=None)
    assert yard.server.counts.refused == 1


def test_a_wrong_password_is_offered_to_the_kdc_once_by_all_machines(
    yard: Yard, realm: Realm
) -> None:
    yard.write("password", "falsch")
    before = realm.asked("admin", failed=True)
    for _ in range(3):
        with pytest.raises(AuthenticationFailed, match=r"no Kerberos ticket for 'admin@CORP"):
            open_and_run(yard)
    assert realm.asked("admin", failed=True) == before + 1
    assert yard.server.counts.connections == 0
    yard.write("password", PASSWORD)
    open_and_run(yard)


def test_many_threads_fetch_one_ticket(yard: Yard, realm: Realm) -> None:
    before = realm.asked("admin")
    threads = [threading.Thread(target=open_and_run, args=(yard,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert realm.asked("admin") == before + 1
    assert yard.server.counts.users == ["Administrator"] * 6


def test_a_single_cache_stays_in_use_beside_the_fetched_tickets(
    realm: Realm, tmp_path: Path
) -> None:
    """KRB5CCNAME counts for the whole process: it becomes a collection with that cache in it."""
    with realm.applied(f"FILE:{tmp_path}/cache"), Yard(tmp_path / "yard") as yard:
        kinit("guest")
        yard.write("password", PASSWORD)
        open_and_run(yard)
        assert os.environ["KRB5CCNAME"].startswith("DIR:")
        with pytest.raises(AuthenticationFailed, match="guest"):
            open_and_run(yard, user="guest@CORP.TEST", password=None)
        assert yard.server.counts.refused == 1  # the ticket was found, and is nobody's here


def test_a_link_whose_connection_was_cut_logs_in_anew(yard: Yard) -> None:
    link = yard.open("http", "kerberos", user=ADMIN, winrm={"kerberos_hostname": HOST})
    for _ in range(2):
        yard.server.drop()
        assert link.run("x", timeout=SOON).stdout == "x|{}"
    assert (yard.server.counts.refused, yard.server.counts.unsealed) == (0, 0)


def test_a_ticket_that_is_refused_is_not_sent_again(yard: Yard) -> None:
    """pywinrm's own log-in by Kerberos would send it three times."""
    for scheme in ("http", "https"):
        before = yard.server.counts.attempts
        with pytest.raises(AuthenticationFailed):
            open_and_run(yard, scheme, user="guest@CORP.TEST")
        assert yard.server.counts.attempts == before + 1


def test_a_binding_is_sent_where_it_is_required(realm: Realm, tmp_path: Path) -> None:
    settings = Settings(methods=ALL, host=HOST, channel_binding="strict")
    (tmp_path / "tickets").mkdir()
    with realm.applied(f"DIR:{tmp_path}/tickets"), Yard(tmp_path / "yard", settings) as yard:
        yard.write("password", PASSWORD)
        open_and_run(yard, "https")
        assert (yard.server.counts.attempts, yard.server.counts.refused) == (1, 0)


def test_a_machine_that_cannot_prove_who_it_is_is_not_talked_to(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes our ticket, and has not the key to read it."""
    enter = Gate.enter

    def silent(self: Gate, login: Login, authorization: str, channel: Channel) -> Headers:
        enter(self, login, authorization, channel)
        return []

    monkeypatch.setattr(Gate, "enter", silent)
    with pytest.raises(HostKeyRejected, match="could not prove by Kerberos"):
        open_and_run(yard)
    assert yard.server.counts.shells == 0


def test_a_service_that_kerberos_does_not_know_is_named(yard: Yard) -> None:
    with pytest.raises(AuthenticationFailed, match=r"kerberos_hostname"):
        open_and_run(yard, winrm={"kerberos_hostname": "nowhere.corp.test"})


def test_a_user_that_kerberos_does_not_know_is_named(yard: Yard) -> None:
    with pytest.raises(AuthenticationFailed, match="not found"):
        open_and_run(yard, user="nobody@CORP.TEST")


def test_a_clock_that_is_wrong_is_a_refusal(realm: Realm, tmp_path: Path) -> None:
    settings = Settings(methods=ALL, host=HOST, clock_offset=timedelta(minutes=6))
    (tmp_path / "tickets").mkdir()
    with realm.applied(f"DIR:{tmp_path}/tickets"), Yard(tmp_path / "yard", settings) as yard:
        yard.write("password", PASSWORD)
        with pytest.raises(AuthenticationFailed):
            open_and_run(yard)
        assert yard.server.counts.refused == 1


def test_a_kdc_that_is_down_is_no_refusal(tmp_path: Path) -> None:
    (tmp_path / "tickets").mkdir()
    with (
        begin(tmp_path / "realm") as own,
        own.applied(f"DIR:{tmp_path}/tickets"),
        Yard(tmp_path / "yard") as yard,
    ):
        yard.write("password", PASSWORD)
        kinit("admin")
        own.close()
        with pytest.raises(Unreachable, match="KDC"):
            open_and_run(yard)  # a new ticket by password
        with pytest.raises(Unreachable, match="KDC"):
            open_and_run(yard, password=None)  # a ticket for the service


def test_a_library_or_program_that_is_missing_is_named(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(AuthenticationFailed, match="kinit is not installed"):
        open_and_run(yard)
    monkeypatch.setitem(_winrm_wire.NEEDS, "kerberos", ("not_there_at_all", "pykerberos"))
    with pytest.raises(AuthenticationFailed, match="needs the package pykerberos"):
        open_and_run(yard)


@pytest.mark.slow
def test_a_ticket_that_runs_out_in_mid_run_is_fetched_anew(tmp_path: Path) -> None:
    """Tickets of four seconds. A link that was cut then finds that it has expired."""
    (tmp_path / "tickets").mkdir()
    with (
        begin(tmp_path / "realm", lifetime="4s") as short,
        short.applied(f"DIR:{tmp_path}/tickets"),
        Yard(tmp_path / "yard") as yard,
    ):
        yard.write("password", PASSWORD)
        link = yard.open("http", "kerberos", user=ADMIN, winrm={"kerberos_hostname": HOST})
        while subprocess.run(["klist", "-s"], check=False).returncode == 0:
            time.sleep(0.1)
        yard.server.drop()
        assert link.run("x", timeout=SOON).stdout == "x|{}"
        assert (short.asked("admin"), yard.server.counts.refused) == (2, 0)
        while subprocess.run(["klist", "-s"], check=False).returncode == 0:
            time.sleep(0.1)
        time.sleep(1.1)  # an end counts in whole seconds, and the last one is still taken
        with pytest.raises(AuthenticationFailed, match=r"ticket.*expired"):
            yard.open(
                "http", "kerberos", user=ADMIN, password=None, winrm={"kerberos_hostname": HOST}
            )
