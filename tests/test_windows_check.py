"""The acceptance run: it reads all, changes nothing, tells what differs, and names nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patchyard import cli
from patchyard._windows_masks import Masks
from patchyard._windows_shapes import differences
from patchyard.domain.inventory import Connection, Inventory, Machine, OsFamily
from patchyard.link import Link
from patchyard.testing.windows.host import AZURE_2022, SimulatedComputer
from patchyard.testing.windows.host.catalogue import DEFENDER, LCU_2022
from patchyard.testing.windows.winrm import Account, WinrmServer
from patchyard.transports import open_transport
from patchyard.windows_check import Acceptance

PASSWORD = "Sesame-0pen"
OURS = "C:\\ProgramData\\Patchyard"


@pytest.fixture
def computer() -> SimulatedComputer:
    made = SimulatedComputer("srv-paris-7", AZURE_2022, factor=1.0)
    made.updates.searching_seconds = 0.5
    made.updates.offer(LCU_2022, DEFENDER)
    return made


@pytest.fixture
def server(computer: SimulatedComputer) -> Iterator[WinrmServer]:
    with WinrmServer(computer, [Account("operator", PASSWORD)]) as made:
        yield made


def acceptance(server: WinrmServer, folder: Path, password: str = PASSWORD) -> Acceptance:
    """Return a run over the server, whose password lies in a file."""
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(password)
    connection = {
        "transport": "winrm",
        "user": "operator",
        "password": "file:password",
        "port": server.http_port,
        "winrm": {"scheme": "http"},
    }
    machine = Machine(
        name="machine",
        address="127.0.0.1",
        os_family=OsFamily.WINDOWS,
        connection=Connection.model_validate(connection),
    )
    return Acceptance(machine, Inventory(name="x", folder=str(folder), machines=(machine,)))


def kept(computer: SimulatedComputer) -> dict[str, Any]:
    """Return what an acceptance run has no business with."""
    updates = computer.updates.state()
    updates.pop("cached")
    return {
        "updates": updates,
        "registry": computer.registry.state(),
        "packages": computer.store.state(),
        "boots": computer.boots,
    }


def test_everything_is_asked_nothing_is_changed_and_nothing_is_left(
    server: WinrmServer, computer: SimulatedComputer, tmp_path: Path
) -> None:
    before = kept(computer)
    run = acceptance(server, tmp_path)
    run.run()
    text = run.text()
    assert run.good, text
    assert "Other than expected: nothing" in text
    assert "2 updates offered" in text
    assert "Left on the machine: nothing" in text, text[:1500]
    assert kept(computer) == before
    assert not computer.files.is_folder(OURS)
    assert (computer.tasks.folders, list(computer.tasks.by_path)) == ({"\\"}, [])
    assert computer.refused + server.counts.refusals == []
    for section in ("offered", "installed", "pending", "policy", "job", "check windows_events"):
        assert f"\n{section} = " in text


def test_the_text_names_neither_machine_nor_user_nor_secret(
    server: WinrmServer, tmp_path: Path
) -> None:
    run = acceptance(server, tmp_path)
    run.run()
    text = run.text().lower()
    for word in ("srv-paris-7", "127.0.0.1", "operator", PASSWORD.lower()):
        assert word not in text


def test_what_others_have_left_stays_and_is_told(
    server: WinrmServer, computer: SimulatedComputer, tmp_path: Path
) -> None:
    first = acceptance(server, tmp_path)
    first.heard.sections["host"] = {}
    with Link(lambda: open_transport(first.machine, first.inventory)) as link:
        first._assess(link)  # a run that is cut off before it cleans up
    second = acceptance(server, tmp_path)
    second.run()
    assert computer.files.is_folder(f"{OURS}\\reads\\{first.jobs[0]}")
    assert "Patchyard, which was there before" in second.text()


def test_an_answer_of_another_form_is_told(
    server: WinrmServer, computer: SimulatedComputer, tmp_path: Path
) -> None:
    key = "SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate\\AU"
    computer.registry.set(key, "AUOptions", "three")
    run = acceptance(server, tmp_path)
    run.run()
    assert not run.good
    assert "  policy.au_options: is text 'three', and not whole or null" in run.text()


def test_a_wrong_password_is_tried_once_and_ends_the_run(
    server: WinrmServer, tmp_path: Path
) -> None:
    run = acceptance(server, tmp_path, "wrong")
    run.run()
    assert not run.good
    assert "FAILED  log-in" in run.text()
    assert "authentication_failed" in run.text()
    assert server.counts.attempts == 1


def test_a_clock_that_is_far_away_is_told(
    server: WinrmServer, computer: SimulatedComputer, tmp_path: Path
) -> None:
    computer.skew = 4000.0
    run = acceptance(server, tmp_path)
    run.run()
    assert "clock: 40" in run.text()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("vbs", 2, []),
        ("vbs", {}, ["vbs: is {}, and not whole"]),
        ("vbs", None, ["vbs: is null, and not whole"]),
        ("vbs", True, ["vbs: is truth, and not whole"]),
        ("clock", "25.11.2026 04:00", ["clock: is text '25.11.2026 04:00', and not stamp"]),
        ("hotfixes", "KB1", ["hotfixes: is text 'KB1', and not a list"]),
        ("hotfixes", {"value": ["KB1"], "Count": 1},
         ["hotfixes: the list is wrapped as value and Count"]),
        ("hotfixes", [1, 2], ["hotfixes[]: is whole, and not text (2 times)"]),
        ("system_info", [], ["system_info: is a list, and not an object"]),
        ("system_info", {}, ["system_info.reboot_required: is missing"]),
        ("system_info", {"reboot_required": False, "x": 1},
         ["system_info.x: nobody expects this field; it is whole"]),
        ("marker", {}, []),
        ("store", {"health": None}, ["store.health: is null, and not text"]),
        ("new", 1, ["new: nobody expects a section of this name"]),
    ],
)  # fmt: skip
def test_shapes(name: str, value: object, told: list[str]) -> None:
    assert differences(name, value) == told


def test_masks() -> None:
    masks = Masks(secrets={"hunter2"})
    masks.add("<the machine>", "db-1.corp.example")
    masks.add("<the user>", "CORP\\anna", "anna@corp.example")
    said = masks.text(
        "DB-1 and db-1.corp.example, CORP\\Anna, hunter2, annandale, C:\\Users\\anna\\x, "
        "http://wsus.corp.example:8530/, 127.9.8.7, build 10.0.20348.5386, S-1-5-21-1-2-3-500"
    )
    assert said == (
        "<the machine> and <the machine>, <the user>, <secret>, annandale, <a profile>\\x, "
        "<url> <address>, build 10.0.20348.5386, <sid>"
    )
    assert masks.value({"wu_server": "http://w", "size": 5, "proxy": None}) == {
        "wu_server": "<a server>",
        "size": 5,
        "proxy": None,
    }


def test_a_password_that_is_no_reference_is_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = cli.main(["windows-check", "win-1.example", "--user", "x", "--password", PASSWORD])
    told = capsys.readouterr()
    assert status == cli.WRONG
    assert "password" in told.err
    assert PASSWORD not in told.err + told.out


def test_from_the_command_line(
    server: WinrmServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THE_PASSWORD", PASSWORD)
    options = ["--user", "operator", "--password", "env:THE_PASSWORD", "--scheme", "http"]
    status = cli.main(["windows-check", "127.0.0.1", *options, "--port", str(server.http_port)])
    told = capsys.readouterr()
    assert (status, "Other than expected: nothing" in told.out) == (cli.OK, True)
    assert "read the text above" in told.err
