"""A link to a Windows machine as a whole: cut, broken off, too late, or with nobody at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.errors import AuthenticationFailed, TimedOut, Unreachable
from patchyard.testing.windows.winrm import AUTHENTICATE, CONNECT, Fault, Settings
from patchyard.transports.winrm import WinrmTransport
from tests.testing.winrm.powershell import Call
from tests.transports.winrm_faults import NOT_TAKEN, Pauses, run, unhurried_link, watched
from tests.transports.winrm_yard import Yard, collect_sockets

# The standard library forgets a socket whose other end hangs up before the TLS handshake.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with watched(tmp_path) as made:
        yield made


@pytest.fixture
def link(yard: Yard) -> WinrmTransport:
    return unhurried_link(yard, Pauses())


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [("http", "ntlm"), ("http", "credssp"), ("https", "ntlm"), ("https", "basic")],
)
def test_a_link_that_was_cut_between_two_scripts_goes_on(
    yard: Yard, scheme: str, auth: str
) -> None:
    """A sealed message on a new connection is HTTP 400; pywinrm alone would stay so for ever."""
    link = yard.open(scheme, auth)
    assert run(link) == "x|{}"
    for _ in range(2):
        yard.server.drop()
        assert run(link) == "x|{}"
    assert yard.server.counts.connections >= 3


def test_a_link_that_is_cut_while_a_script_is_waited_for_is_lost(
    yard: Yard, link: WinrmTransport
) -> None:
    def cut(_call: Call) -> None:
        threading.Timer(0.2, yard.server.drop).start()

    yard.powershell.answer = cut
    with pytest.raises(Unreachable, match="the link was lost"):
        run(link)
    assert yard.server.shells_open == 0


def test_a_link_that_is_cut_when_the_password_is_another_is_refused_once(
    yard: Yard, link: WinrmTransport
) -> None:
    """Cleaning up would log in anew, and so would the next question after it."""

    def cut(_call: Call) -> None:
        yard.server.change_password("Administrator", "Another1!")
        threading.Timer(0.2, yard.server.drop).start()

    yard.powershell.answer = cut
    for _ in range(2):
        with pytest.raises(AuthenticationFailed, match="was refused"):
            run(link)
    assert yard.server.counts.refused == 1
    yard.server.counts.refused = 0  # as it had to be


def test_a_log_in_that_broke_half_way_is_made_anew_and_nothing_goes_in_the_clear(
    yard: Yard, link: WinrmTransport
) -> None:
    """pywinrm would go on with the half-made session, and send the next message unsealed."""
    yard.server.drop()
    yard.server.faults.add(Fault.RESET_BEFORE, AUTHENTICATE)
    assert run(link) == "x|{}"
    assert yard.server.counts.unsealed == 0  # and the yard's own look at the end


BEFORE_ALL: list[tuple[Fault, dict[str, Any]]] = [
    (Fault.RESET_BEFORE, {}),
    (Fault.CLOSE, {}),
    (Fault.STATUS, {"status": 500}),
    *NOT_TAKEN,
]


@pytest.mark.parametrize(
    ("place", "kind", "detail"),
    [
        *((AUTHENTICATE, *each) for each in BEFORE_ALL),
        *(("Identify", *each) for each in BEFORE_ALL),
        ("Identify", Fault.HALF_BODY, {}),
    ],
)
def test_a_link_that_cannot_be_opened_is_unreachable(
    yard: Yard, place: str, kind: Fault, detail: dict[str, Any]
) -> None:
    yard.server.faults.add(kind, place, **detail)
    with pytest.raises(Unreachable, match="win-1"):
        yard.open()
    assert run(yard.open()) == "x|{}"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", [Fault.RESET_BEFORE, Fault.CLOSE])
def test_a_connection_that_ends_at_once_is_unreachable(
    yard: Yard, scheme: str, kind: Fault
) -> None:
    """Over https that is a TLS handshake that somebody breaks off."""
    yard.server.faults.add(kind, CONNECT)
    with pytest.raises(Unreachable, match="win-1"):
        yard.open(scheme)
    collect_sockets()


def test_an_answer_that_comes_too_late_is_a_timeout(yard: Yard, link: WinrmTransport) -> None:
    yard.server.faults.add(Fault.DELAY, "Receive", seconds=60)
    with pytest.raises(TimedOut, match="within 1 s"):
        link.run("x", timeout=timedelta(seconds=1))
    assert yard.server.shells_open == 0


def test_a_machine_that_reboots_in_mid_run_is_lost_and_found_again(yard: Yard) -> None:
    link = yard.open()
    yard.powershell.answer = lambda _call: threading.Timer(0.1, yard.computer.reboot).start()
    with pytest.raises(Unreachable, match="win-1"):
        run(link)
    yard.powershell.answer = lambda call: call.say("back", "", 0)
    deadline = time.monotonic() + 10
    while True:
        try:
            assert run(yard.open()) == "back"
            break
        except Unreachable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert yard.server.shells_open == 0


def test_a_machine_that_is_down_is_refused_at_once(yard: Yard) -> None:
    yard.computer.power = "down"
    deadline = time.monotonic() + 10
    while True:  # until the port has noticed
        try:
            yard.open().close()
        except Unreachable as error:
            if "refused" in str(error):
                break
        assert time.monotonic() < deadline
    yard.computer.power = "up"


def test_a_machine_that_starts_is_unreachable(yard: Yard) -> None:
    yard.computer.power = "starting"
    with pytest.raises(Unreachable, match="HTTP 503, it is starting"):
        yard.open()


def test_a_machine_that_starts_and_says_401_offers_nothing(tmp_path: Path) -> None:
    """No credential was judged; whoever waits for a reboot may ask again a little later."""
    with Yard(tmp_path, Settings(while_starting=401)) as yard:
        yard.computer.power = "starting"
        with pytest.raises(AuthenticationFailed, match="it offers nothing"):
            yard.open()
        assert yard.server.counts.attempts == 0
