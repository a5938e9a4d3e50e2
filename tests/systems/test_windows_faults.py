"""Each way in which WinRM fails (windows.md 4), in the middle of an installation.

Whole runs of a simulated computer, over real sockets: no update is installed twice, no job is
started twice, and each run comes to the verdict that is right.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from patchyard import execution
from patchyard.domain.outcome import Status
from patchyard.jobs import BUSY
from patchyard.testing.windows.host.catalogue import DEFENDER, LCU_2022
from patchyard.testing.windows.winrm import CONNECT, Code, Fault
from tests.systems import served
from tests.systems.driven import Yard
from tests.transports.winrm_yard import collect_sockets

# The standard library forgets a socket whose other end hangs up before the TLS handshake; where the
# collector comes by in the middle of a test, that is no fault of ours.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")

ROUTE = [
    *("preflight-0", "checks-before", "restore-point", "install-0-0", "installed-0"),
    *("reboot", "rebooted", "verify", "verdict"),
]
CALLS = ("Create", "Command", "Send", "Receive")
ALL = (*CALLS, "Signal", "Delete")
REFUSED = int(BUSY)
"""How a job ends that another one kept from beginning."""


Strike = Callable[[Yard, str], None]


def answers(kind: Fault, *, times: int = 1, **detail: Any) -> Strike:
    """A fault of the next requests of an action."""
    return lambda yard, action: yard.server.faults.add(kind, action, times=times, **detail)


def says(code: Code, *, times: int = 1) -> Strike:
    """A fault in the words of WS-Management."""
    return answers(Fault.SOAP, code=code, times=times)


def restarts(yard: Yard, _action: str) -> None:
    yard.server.restart()


def cuts(yard: Yard, _action: str) -> None:
    """What is sealed for one connection goes out on another: HTTP 400."""
    yard.server.drop()


def breaks_off(kind: Fault) -> Strike:
    """The connection is lost, and the next ones with it, before TLS is agreed on."""

    def strike(yard: Yard, action: str) -> None:
        yard.server.faults.add(kind, action, times=2)
        yard.server.drop()

    return strike


def changes_password(yard: Yard, _action: str) -> None:
    yard.server.change_password(served.USER, "Another1!")
    yard.server.drop()


@dataclass(frozen=True)
class Row:
    """One way of a fault: how it strikes, with which requests, and what the run comes to.

    Where the installation can be followed, the run goes its usual way (`usual`).
    """

    fault: str
    way: str
    strike: Strike
    actions: tuple[str, ...] = ALL
    verdict: Status = Status.SUCCEEDED
    said: str = "2 updates installed, checks hold"
    usual: bool = True
    tls: bool = False


SECTION_4 = {
    "0x80338029 operation timeout": Code.OPERATION_TIMEOUT,
    "0x8033805B shell not found": Code.SHELL_NOT_FOUND,
    "0x803381A6 operations quota": Code.OPERATIONS_QUOTA,
    "0x803381A5 shells per user": Code.SHELLS_QUOTA,
    "170 busy": Code.BUSY,
    "995 aborted": Code.ABORTED,
    "5 access denied": Code.ACCESS_DENIED,
    "HTTP 401": 401,
    "HTTP 400 with sealing": 400,
    "HTTP 413": 413,
    "HTTP 500 empty": 500,
    "HTTP 503": 503,
    "RST": Fault.RESET_BEFORE,
    "half body": Fault.HALF_BODY,
    "TLS abort": CONNECT,
}
"""The faults that windows.md 4 lists."""

AFTER = {"processed": True}
LOST = "log-in as 'Administrator' by ntlm was refused"

ROWS = [
    Row(
        *("0x80338029 operation timeout", "three times"),
        *(says(Code.OPERATION_TIMEOUT, times=3), ("Receive",)),
    ),
    Row(
        *("0x8033805B shell not found", "once", says(Code.SHELL_NOT_FOUND)),
        ("Command", "Send", "Receive", "Signal", "Delete"),
    ),
    Row("0x8033805B shell not found", "the service restarts", restarts, ("",)),
    Row("0x803381A6 operations quota", "once", says(Code.OPERATIONS_QUOTA), CALLS),
    Row(
        *("0x803381A5 shells per user", "three times"),
        *(says(Code.SHELLS_QUOTA, times=3), ("Create",)),
    ),
    Row("170 busy", "twice", says(Code.BUSY, times=2), ("Send",)),
    Row("995 aborted", "once", says(Code.ABORTED)),
    Row("5 access denied", "once", says(Code.ACCESS_DENIED), CALLS[::-1], usual=False),
    Row("5 access denied", "in cleaning up", says(Code.ACCESS_DENIED), ("Signal", "Delete")),
    Row(
        *("HTTP 401", "another password", changes_password, ("",)),
        *(Status.LOST_CONTACT, LOST, False),
    ),
    Row("HTTP 400 with sealing", "once", answers(Fault.STATUS, status=400)),
    Row("HTTP 400 with sealing", "the link is cut", cuts, ("",)),
    Row("HTTP 413", "once", answers(Fault.STATUS, status=413)),
    Row("HTTP 500 empty", "before", answers(Fault.STATUS, status=500)),
    Row("HTTP 500 empty", "after", answers(Fault.STATUS, status=500, **AFTER)),
    Row("HTTP 503", "twice", answers(Fault.STATUS, status=503, times=2)),
    Row("RST", "before", answers(Fault.RESET_BEFORE)),
    Row("RST", "after", answers(Fault.RESET_AFTER)),
    Row("RST", "FIN after", answers(Fault.CLOSE, **AFTER)),
    Row("half body", "once", answers(Fault.HALF_BODY)),
    Row("TLS abort", "RST", breaks_off(Fault.RESET_BEFORE), (CONNECT,), tls=True),
    Row("TLS abort", "FIN", breaks_off(Fault.CLOSE), (CONNECT,), tls=True),
    Row("TLS abort", "after", answers(Fault.RESET_AFTER), CALLS, tls=True),
]

MOMENTS = {"asked for": "when the step is begun", "begun": "when the first update is"}


def cases() -> Iterator[Any]:
    """Each way of each fault, with each kind of request; the first of each fault is not slow."""
    fast: set[str] = set()
    for row, moment in itertools.product(ROWS, MOMENTS):
        for action in row.actions:
            marks = [pytest.mark.slow] if row.fault in fast else []
            fast.add(row.fault)
            name = f"{row.fault} {action} {row.way} {moment}"
            yield pytest.param(row, action, moment, id=name, marks=marks)


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], Yard]]:
    with contextlib.ExitStack() as opened:

        def make(tls: bool) -> Yard:
            made = Yard(tmp_path, tls=tls)
            opened.callback(made.close)
            monkeypatch.setattr(execution, "open_transport", made.open)
            return made

        yield make
    collect_sockets()


def test_no_fault_of_the_list_is_missing() -> None:
    assert {row.fault for row in ROWS} == set(SECTION_4)
    assert {code for code in SECTION_4.values() if isinstance(code, Code)} <= set(Code)


@pytest.mark.parametrize(("row", "action", "moment"), [*cases()])
def test_an_installation_is_done_once_whatever_happens_to_its_link(
    yard: Callable[[bool], Yard], row: Row, action: str, moment: str
) -> None:
    made = yard(row.tls)
    record = made.run(moment, lambda: row.strike(made, action))
    assert made.struck == 1
    assert made.server.faults.left == 0
    begun = row.fault != "HTTP 401" or moment == "begun"
    check_done_once(made, {LCU_2022.kb: 1, DEFENDER.kb: 1} if begun else {})
    assert record.status == row.verdict, record.reason
    assert row.said in record.reason
    if row.usual:
        assert [step.key for step in made.steps] == ROUTE
    refused = int(row.fault == "HTTP 401")
    assert (made.server.counts.refused, made.server.counts.unsealed) == (refused, 0)


def check_done_once(made: Yard, installed: dict[str, int]) -> None:
    """No job was started twice, no update installed twice, and no step is without an end."""
    tasks = made.computer.tasks
    # A start that was refused, for another change was at work, has begun nothing.
    starts = {name: n - tasks.exits[name, REFUSED] for name, n in tasks.launched.items()}
    assert set(starts.values()) == {1}
    assert made.installed == installed
    assert [step.key for step in made.steps if step.open] == []
    assert (made.computer.refused, made.server.counts.refusals) == ([], [])


def test_a_machine_that_goes_down_before_the_reboot_has_told_its_end_is_followed(
    yard: Callable[[bool], Yard],
) -> None:
    made = yard(False)

    def at_once(*_: Any, **__: Any) -> int:
        made.computer.restart()
        return 0

    made.computer.supply.shut_down = at_once  # type: ignore[method-assign]
    record = made.run("asked for", lambda: None)
    assert record.status == Status.SUCCEEDED, record.reason
    assert made.computer.boot == 2


def test_a_machine_that_is_down_when_it_is_to_be_rebooted_is_waited_for(
    yard: Callable[[bool], Yard],
) -> None:
    """Somebody else has rebooted it; that was what was wanted, and there is no second one."""
    made = yard(False)
    record = made.run("asked for", made.computer.restart, at="reboot")
    assert record.status == Status.SUCCEEDED, record.reason
    assert made.computer.boot == 2
