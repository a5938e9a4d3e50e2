"""The shipped scripts, run as they are: the bootstrap, jobs, and what is done to updates."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest

from patchyard.errors import TimedOut, Unreachable
from patchyard.jobs import Job
from patchyard.systems.base import System
from patchyard.systems.windows import SYSTEM
from patchyard.templates import render
from patchyard.testing.windows.direct import Direct
from patchyard.testing.windows.host import AZURE_2022, Fault, SimulatedComputer, catalogue
from patchyard.testing.windows.host.catalogue import Update
from patchyard.transports._winrm_order import Order, arguments
from tests.testing.windows_host.hosts import computer

WAIT = timedelta(seconds=60)
LONGEST = timedelta(seconds=20)
SLOW, FAST = 20.0, 2000.0


def script(host: SimulatedComputer, template: str, **values: Any) -> dict[str, Any]:
    """Run a script of ours directly, and return what its sections say."""
    host.clock.factor = SLOW
    made = SYSTEM.script(template, "n0nce", values)
    done = Direct(host).run(made.text, timeout=LONGEST, parameters=made.parameters)
    assert host.refused == []
    assert host.nothings == []
    found = SYSTEM.read(done.stdout, "n0nce")
    return {name: json.loads(section.require()) for name, section in found.sections.items()}


def job(host: SimulatedComputer, name: str, template: str, **values: Any) -> dict[str, Any]:
    """Run a script of ours as a job, and return what its sections say."""
    system: System = SYSTEM
    made = system.script(template, "", values)
    order = Job(name, "change", made.text, made.parameters)
    # Launching has deadlines of its own, which a busy box must not pass; waiting has none.
    host.clock.factor = SLOW
    state = system.start(Direct(host), order, wait=timedelta(0), token="t")
    host.clock.factor = FAST
    deadline = time.monotonic() + LONGEST.total_seconds()
    while state.state.value == "running" and time.monotonic() < deadline:
        state = system.poll(Direct(host), name, "change", wait=WAIT, token="t")
    assert host.refused == []
    assert host.nothings == []
    assert state.state.value == "finished", state
    sections = json.loads(state.output)["sections"]
    assert [s for s in sections if s["status"]] == []
    return {section["name"]: section["value"] for section in sections}


def test_a_value_that_is_not_there_is_null_and_never_an_empty_object() -> None:
    """5.1 writes what a function puts out nothing for as {}: that would be read as something."""
    host = computer()
    job(host, "a1", "windows_update/assess", refresh=True)
    made = SYSTEM.script("windows/boot_probe", "n", {})
    broken = made.text.replace("  $null\n}", "}")
    assert broken != made.text
    Direct(host).run(broken, timeout=LONGEST, parameters=made.parameters)
    assert host.nothings == ["sections[0].value.servicing"]


def planned(*updates: Update) -> list[dict[str, str]]:
    return [
        {"name": f"KB{u.kb}", "architecture": u.id, "version": str(u.revision)} for u in updates
    ]


def install(host: SimulatedComputer, name: str, *updates: Update) -> list[dict[str, Any]]:
    found = job(host, name, "windows_update/install", updates=planned(*updates), lock_seconds=600)
    rows: list[dict[str, Any]] = found["install"]["updates"]
    return rows


def test_a_script_finds_its_parameters_and_answers() -> None:
    host = computer()
    done = Direct(host).run(
        "'{0} {1}' -f $Parameters.a.b, @($Parameters.c).Count; exit 5",
        timeout=LONGEST,
        parameters={"a": {"b": "x"}, "c": [1, 2]},
    )
    assert (done.exit_status, done.stdout) == (5, "x 2\n")


def test_a_damaged_order_runs_nothing() -> None:
    host = computer()
    order = Order.pack("[IO.File]::WriteAllText('C:\\x', '')", {}, machine="m")
    program = host.start(
        "powershell.exe", arguments(), user="SIM\\operator", environment={}, direct=True
    )
    program.feed(order.text[:-20] + b"AAAAAAAAAAAAAAAAAAA\n", end=True)
    said = program.receive(5)
    assert b"damaged" in said.stdout
    assert program.receive(5).exit_code == 87
    assert not host.files.is_file("C:\\x")


def test_a_script_of_any_size_arrives() -> None:
    filler = "# padding\n" * 60_000
    done = Direct(computer()).run(f"{filler}'end'", timeout=LONGEST)
    assert done.stdout == "end\n"


def test_a_script_that_takes_too_long_is_ended() -> None:
    host = computer(factor=1)
    with pytest.raises(TimedOut):
        Direct(host).run("Start-Sleep -Seconds 600", timeout=timedelta(seconds=0.5))


def test_a_computer_that_is_off_is_not_reached() -> None:
    host = computer(factor=1)
    host.restart()
    with pytest.raises(Unreachable):
        Direct(host).run("1", timeout=LONGEST)


def test_an_assessment_tells_everything() -> None:
    host = computer(AZURE_2022)
    host.catalogue.offer(catalogue.LCU_2022, catalogue.DEFENDER, catalogue.DRIVER)
    host.owe_reboot("file_renames")
    found = job(host, "a1", "windows_update/assess", refresh=True)
    titles = [update["title"] for update in found["offered"]["updates"]]
    assert len(titles) == 3
    assert found["system"]["ubr"] == 5386
    assert found["pending"]["renames"] == ["\\??\\C:\\Windows\\Temp\\old.tmp", ""]
    assert found["hotpatch"]["enrolment"][0]["name"] == "Hotpatch Enrollment Package"
    assert found["vbs"] == 2
    assert found["store"] == {"health": "Healthy"}
    assert {
        "name": "wuauserv",
        "state": "Running",
        "start": "Manual",
        "trigger": True,
        "delayed": False,
    } in found["services"]


def test_what_was_planned_is_installed_and_a_reboot_makes_it_so() -> None:
    host = computer()
    host.catalogue.offer(catalogue.LCU_2022, catalogue.MSRT)
    rows = install(host, "i1", catalogue.LCU_2022, catalogue.MSRT)
    assert [row["install"] for row in rows] == [
        {"code": 2, "hresult": 0, "reboot": True},
        {"code": 2, "hresult": 0, "reboot": False},
    ]
    before = script(host, "windows/boot_probe")["boot"]["started"]
    assert script(host, "windows/reboot", delay_seconds=2)["reboot"] == {"code": 0}
    host.advance(3600)
    boot = script(host, "windows/boot_probe")["boot"]
    assert boot["started"] != before
    assert boot["logon_checked"] is True
    assert host.store.version == "20348.5499"
    found = job(host, "a2", "windows_update/assess", refresh=True)
    assert found["offered"]["updates"] == []
    assert found["system_info"] == {"reboot_required": False}


def test_one_failure_leaves_the_others() -> None:
    host = computer()
    host.catalogue.offer(catalogue.DEFENDER, catalogue.MSRT)
    host.cause(Fault.INSTALL_FAILS, update=catalogue.DEFENDER, hresult=0x80070643)
    rows = install(host, "i1", catalogue.DEFENDER, catalogue.MSRT)
    assert [row["install"]["hresult"] for row in rows] == [-2147023293, 0]


def test_what_was_installed_is_taken_back() -> None:
    host = computer()
    host.catalogue.offer(catalogue.LCU_2022)
    coming = planned(catalogue.LCU_2022)
    kept = job(host, "r1", "windows_update/restore_point", folder="x/run1", coming=coming)
    key = kept["coming"][0]["key"]
    install(host, "i1", catalogue.LCU_2022)
    host.restart()
    host.advance(3600)
    assert host.store.version == "20348.5499"
    way = [{"key": key, "method": "package", "file": "Package_for_RollupFix~*"}]
    gone = job(host, "u1", "windows_update/undo", folder="x/run1", remove=[key], kept=way)["undo"]
    assert [act["code"] for act in gone["updates"][0]["acts"]] == [3010]
    assert gone["updates"][0]["hidden"] == "hidden"
    host.restart()
    host.advance(3600)
    assert host.store.version == "20348.5386"


def test_a_damaged_store_is_repaired() -> None:
    host = computer()
    host.cause(Fault.STORE_CORRUPT)
    assert job(host, "p1", "windows_update/repair")["repair"]["health"] == "Healthy"


def test_questions_about_health_are_answered() -> None:
    host = computer()
    host.cause(Fault.SERVICE_STAYS_DOWN, service="Spooler")
    host.restart()
    host.advance(600)
    asked = [
        ("own", "powershell", {"expression": "(Get-Service W3SVC).Status -eq 'Running'"}),
        ("services", "windows_services", {}),
        ("events", "windows_events", {}),
    ]
    questions = [
        {"name": name, "script": render(f"checks/{check}.ps1.j2"), "options": options}
        for name, check, options in asked
    ]
    found = script(host, "checks/_ask", questions=questions, seconds=600)
    assert found["own"] is True
    states = {row["name"]: row["state"] for row in found["services"]["rows"]}
    assert (states["Spooler"], states["W3SVC"]) == ("Stopped", "Running")
    assert found["events"]["rows"] == [
        {"id": 7000, "provider": "Service Control Manager", "subject": "Print Spooler"}
    ]


def test_services_are_restarted() -> None:
    host = computer()
    host.services.get("Spooler").state = "Stopped"
    found = script(host, "windows/restart_services", units=["Spooler", "W3SVC"])
    assert found == {"Spooler": {"status": "Running"}, "W3SVC": {"status": "Running"}}


def download(host: SimulatedComputer, name: str, *updates: Update) -> list[dict[str, Any]]:
    found = job(host, name, "windows_update/download", updates=planned(*updates), lock_seconds=600)
    rows: list[dict[str, Any]] = found["download"]["updates"]
    return rows


def test_what_is_downloaded_ahead_is_neither_installed_nor_downloaded_again() -> None:
    host = computer()
    host.catalogue.offer(catalogue.LCU_2022, catalogue.MSRT)
    job(host, "a1", "windows_update/assess", refresh=True)
    (first,) = download(host, "d1", catalogue.MSRT)
    assert (first["before"], first["there"], first["eula"]) == (False, True, "accepted")
    again, lcu = download(host, "d2", catalogue.MSRT, catalogue.LCU_2022)
    assert (again["before"], again["there"]) == (True, True)
    assert (lcu["before"], lcu["there"], lcu["bytes"]) == (False, True, catalogue.LCU_2022.size)
    assert host.store.version == "20348.5386"
    assert not host.reboot_required()
    rows = install(host, "i1", catalogue.LCU_2022, catalogue.MSRT)
    assert [row["install"]["code"] for row in rows] == [2, 2]
    begun = host.updates.begun
    downloads = {kb: count for (kind, kb), count in begun.items() if kind == "download"}
    assert downloads == {catalogue.LCU_2022.kb: 1, catalogue.MSRT.kb: 1}


def test_licence_terms_are_accepted_of_what_is_downloaded_alone() -> None:
    host = computer()
    host.catalogue.offer(catalogue.DEFENDER, catalogue.MSRT)
    download(host, "d1", catalogue.DEFENDER)
    assert not host.updates.offers[catalogue.MSRT.id].eula_accepted


def test_one_that_cannot_be_downloaded_leaves_the_others() -> None:
    host = computer()
    host.catalogue.offer(catalogue.DEFENDER, catalogue.MSRT)
    host.cause(Fault.DOWNLOAD_FAILS, update=catalogue.DEFENDER, hresult=0x80240034)
    failed, good = download(host, "d1", catalogue.DEFENDER, catalogue.MSRT)
    assert (failed["download"]["code"], failed["there"]) == (4, False)
    assert good["there"] is True
