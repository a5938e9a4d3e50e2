"""Asking a simulated Windows computer: the real scripts, over a link without a network."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from patchyard.domain.health import Answer, Outcome, compare
from patchyard.domain.inventory import CheckSpec, Machine, OsFamily
from patchyard.errors import Unreachable
from patchyard.questions import ask
from patchyard.testing.windows.direct import Direct
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.transports.base import Completed, Parameters

LIMIT = timedelta(seconds=30)
SERVICE_CONTROL = "Service Control Manager"


@pytest.fixture
def computer() -> SimulatedComputer:
    return SimulatedComputer(factor=1.0, leaps=True)


def spec(kind: str, **options: Any) -> CheckSpec:
    return CheckSpec(kind=kind, options=options)


def machine(*checks: CheckSpec) -> Machine:
    return Machine(name="win-1", address="127.0.0.1", os_family=OsFamily.WINDOWS, checks=checks)


def asked(computer: SimulatedComputer, *checks: CheckSpec) -> tuple[Answer, ...]:
    found = ask(Direct(computer), machine(*checks), nonce="n0n5e", timeout=LIMIT)
    assert computer.refused == []
    return found


def expression(text: str, **options: Any) -> CheckSpec:
    return spec("powershell", expression=text, **options)


def test_a_service_that_stopped_is_named_and_was_not_so_before(
    computer: SimulatedComputer,
) -> None:
    before = asked(computer, spec("windows_services"))
    computer.services.get("W3SVC").state = "Stopped"
    computer.services.get("UsoSvc").state = "Stopped"
    after = asked(computer, spec("windows_services"))
    assert before[0].outcome == Outcome.PASSED
    assert [d.check for d in compare(before, after) if d.regressed] == ["windows_services: W3SVC"]


def test_an_event_that_is_new_is_named_once(computer: SimulatedComputer) -> None:
    before = asked(computer, spec("windows_events"))
    now = computer.clock.time()
    for _ in range(3):
        computer.events.add("System", SERVICE_CONTROL, 7034, 2, now, "The x service terminated.")
    computer.events.add("System", "Microsoft-Windows-Wininit", 1001, 4, now, "Checking a disk.")
    after = asked(computer, spec("windows_events"))
    assert before[0].outcome == Outcome.PASSED
    regressed = [d.check for d in compare(before, after) if d.regressed]
    assert len(regressed) == 1
    assert regressed[0].startswith("windows_events: 7034")


def test_a_dirty_shutdown_is_told(computer: SimulatedComputer) -> None:
    computer.restart(clean=False)
    computer.advance(600)
    (found,) = asked(computer, spec("windows_events"))
    assert set(found.faults) == {"41", "6008"}


@pytest.mark.parametrize(
    ("check", "outcome", "words"),
    [
        (expression("1 -eq 1"), Outcome.PASSED, "True"),
        (expression("1 -eq 2"), Outcome.FAILED, "gives False"),
        (expression("(Get-Service W3SVC).Status.ToString()", equals="Running"), Outcome.PASSED, ""),
        (expression("Get-Service nonesuch"), Outcome.FAILED, "ended with an error"),
        (expression("throw 'it''s bad'"), Outcome.FAILED, "it's bad"),
        (expression("'a'; 'b'", contains='["a", "b"]'), Outcome.PASSED, ""),
    ],
)
def test_an_expression_of_the_operators_own(
    computer: SimulatedComputer, check: CheckSpec, outcome: Outcome, words: str
) -> None:
    (found,) = asked(computer, check)
    assert found.outcome == outcome, found.detail
    assert words in found.detail


def test_one_that_fails_takes_nothing_from_the_others_and_each_stands_in_its_place(
    computer: SimulatedComputer,
) -> None:
    found = asked(computer, expression("throw 'x'"), spec("windows_services"), expression("$true"))
    assert [a.check for a in found] == [
        "powershell throw 'x'", "windows_services", "powershell $true",
    ]  # fmt: skip
    assert [a.outcome for a in found] == [Outcome.FAILED, Outcome.PASSED, Outcome.PASSED]


def test_what_windows_cannot_be_asked_is_unknown_with_the_reason(
    computer: SimulatedComputer,
) -> None:
    found = asked(computer, spec("failed_units"), spec("tcp", port=1, via="machine"))
    assert {a.outcome for a in found} == {Outcome.UNKNOWN}
    assert [a.detail for a in found] == [
        "failed_units cannot be asked of windows machines",
        "tcp cannot be asked of windows machines",
    ]


def test_what_linux_cannot_be_asked_is_unknown_and_nobody_is_reached() -> None:
    class Nobody:
        def run(
            self, _script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
        ) -> Completed:
            raise Unreachable(f"{timeout} {parameters}")

    linux = Machine(name="box", address="127.0.0.1", checks=(spec("windows_services"),))
    (found,) = ask(Nobody(), linux, nonce="n", timeout=LIMIT)
    assert found.detail == "windows_services cannot be asked of linux machines"


def test_what_was_not_reached_in_time_is_unknown(computer: SimulatedComputer) -> None:
    hangs = expression("Start-Sleep -Seconds 60; $true")
    found = asked(computer, expression("$true"), hangs, expression("1 -eq 1"))
    assert [a.outcome for a in found] == [Outcome.PASSED, Outcome.PASSED, Outcome.UNKNOWN]


def test_the_operators_own_come_last(computer: SimulatedComputer) -> None:
    found = asked(computer, expression("Start-Sleep -Seconds 60; $true"), spec("windows_services"))
    assert found[1].outcome == Outcome.PASSED
