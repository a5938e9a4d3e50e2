from __future__ import annotations

from itertools import pairwise

import pytest

from patchyard.testing.windows.host import Fault, SimulatedComputer, catalogue
from patchyard.testing.windows.host.pending import COMPUTER_NAME, INTERFACE, LOGON_CHECKED, REASONS
from tests.testing.windows_host.hosts import ask, begin, computer, finish, run


def booted(host: SimulatedComputer, seconds: float = 600) -> SimulatedComputer:
    host.restart()
    host.advance(seconds)
    return host


def test_a_reboot_takes_its_time() -> None:
    host = computer(factor=0.001)
    assert run(host, "shutdown.exe /r /t 2 /c 'for updates'").code == 0
    seen = []
    for _ in range(70):
        host.advance(1)
        seen.append(host.power)
    assert [seen[0], *(b for a, b in pairwise(seen) if a != b)] == [
        "up",
        "down",
        "starting",
        "up",
    ]
    assert host.boot == 2


def power(host: SimulatedComputer) -> str:
    return host.power


def test_it_takes_longer_where_an_update_is_configured() -> None:
    host = computer(factor=0.001)
    host.updates.offer(catalogue.LCU_2022)
    host.updates.offers[catalogue.LCU_2022.id].reboot_required = True
    host.restart()
    host.advance(300)
    assert power(host) == "down"
    host.advance(600)
    assert power(host) == "up"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shutdown.exe /r /t 60", "0"),
        ("shutdown.exe /r /t 60; shutdown.exe /r /t 2 2>&1 | Out-Null", "1190"),
        ("shutdown.exe /r /t 60; shutdown.exe /a", "0"),
        ("shutdown.exe /a", "1116"),
        ("shutdown.exe /r /t 0; Start-Sleep -Seconds 2; shutdown.exe /r /t 0", "1115"),
    ],
)
def test_what_shutdown_answers(text: str, expected: str) -> None:
    host = computer(factor=5)
    said = run(host, f"$ErrorActionPreference = 'Continue'; {text}; $LASTEXITCODE")
    assert said.lines[-1] == expected


def test_it_can_refuse() -> None:
    host = computer()
    host.cause(Fault.REBOOT_REFUSED, code=5)
    text = "$ErrorActionPreference = 'Continue'; shutdown.exe /r /t 0; $LASTEXITCODE"
    assert run(host, text).lines == ["5"]
    host.advance(600)
    assert host.boot == 1


def test_the_boot_is_told_in_every_way() -> None:
    host = computer()
    facts = (
        "@((Get-CimInstance Win32_OperatingSystem).LastBootUpTime.ToFileTimeUtc(), "
        "[Environment]::TickCount)"
    )
    before = ask(host, facts)
    assert ask(host, facts)[0] == before[0]
    booted(host)
    after = ask(host, facts)
    assert after[0] > before[0]
    assert 0 < after[1] < 3_600_000
    events = [e.id for e in host.events.records if e.time >= host.boot_time]
    assert events == [12, 6005]


def test_a_power_cut_leaves_its_own_traces() -> None:
    host = computer()
    host.restart(clean=False)
    host.advance(600)
    assert {41, 6008} <= {e.id for e in host.events.records if e.time >= host.boot_time}


def test_a_script_does_not_survive_it() -> None:
    host = computer(factor=50)
    program = begin(host, "'on'; Start-Sleep -Seconds 9999; 'never'")
    assert program.receive(5).stdout == b"on\r\n"
    host.restart()
    assert finish(program).out == ""


def test_it_may_never_come_back() -> None:
    host = computer()
    host.cause(Fault.NEVER_BACK, times=1)
    booted(host, 36000)
    assert power(host) == "down"
    host.supply.power_on()
    host.advance(60)
    assert power(host) == "up"


def test_configuring_may_go_on_after_winrm_is_back() -> None:
    host = computer(factor=0.001)
    host.cause(Fault.SLOW_READY, seconds=300)
    host.cause(Fault.SERVICING_AFTER_BOOT, seconds=120)
    host.restart()
    while host.power != "up":
        host.advance(1)
    assert not host.registry.exists(LOGON_CHECKED)
    assert host.registry.get(INTERFACE, "ServicingInProgress") == 2
    host.advance(150)
    assert host.registry.get(INTERFACE, "ServicingInProgress") == 0
    host.advance(200)
    assert host.registry.exists(LOGON_CHECKED)


@pytest.mark.parametrize("reason", sorted(set(REASONS) - {"computer_renamed", "host_renamed"}))
def test_every_reason_for_a_reboot_ends_with_it(reason: str) -> None:
    host = computer()
    clean = host.registry.state()
    host.owe_reboot(reason)
    assert host.registry.state() != clean
    booted(host)
    again = host.registry.state()
    host.owe_reboot(reason)
    assert host.registry.state() != again


def test_a_new_name_is_the_active_one_after_it() -> None:
    host = computer()
    host.owe_reboot("computer_renamed")
    active = (f"{COMPUTER_NAME}\\ActiveComputerName", "ComputerName")
    assert host.registry.get(*active) == "WIN-0001"
    booted(host)
    assert host.registry.get(*active) == "RENAMED"


def test_services_start_with_it_or_say_why_not() -> None:
    host = computer()
    host.cause(Fault.SERVICE_STAYS_DOWN, service="Spooler")
    booted(host)
    states = {s.name: s.state for s in host.services.all()}
    assert (states["Spooler"], states["W3SVC"], states["sppsvc"]) == (
        "Stopped",
        "Running",
        "Stopped",
    )
    assert [e.id for e in host.events.records if "Print Spooler" in e.message] == [7000]


def test_the_agent_refuses_while_it_goes_down() -> None:
    host = computer(factor=50)
    text = (
        "shutdown.exe /r /t 0; Start-Sleep -Seconds 2; (New-Object -ComObject "
        "Microsoft.Update.Session).CreateUpdateSearcher().Search('IsInstalled=0')"
    )
    assert "0x8007045B" in run(host, text).err
