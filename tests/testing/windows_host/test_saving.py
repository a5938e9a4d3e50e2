from __future__ import annotations

from pathlib import Path

import pytest

from patchyard.testing.windows.host import Fault, SimulatedComputer, catalogue
from patchyard.testing.windows.host.tasks import Definition
from tests.testing.windows_host.hosts import computer, run


def filled() -> SimulatedComputer:
    host = computer()
    host.catalogue.offer(catalogue.LCU_2022, catalogue.MSRT)
    host.updates.offers[catalogue.MSRT.id].installed = True
    host.updates.remember(catalogue.MSRT, 1, 2, 0, "x")
    host.cause(Fault.ROLLS_BACK, update=catalogue.LCU_2022, times=1)
    host.tasks.register("\\Mine\\t", Definition(path="powershell.exe", user="S-1-5-18"))
    run(host, "[IO.File]::WriteAllText('C:\\x', 'kept'); Set-Service Spooler -StartupType Disabled")
    host.registry.set("SOFTWARE\\Mine", "A", ["a", "b"])
    return host


def test_everything_that_lasts_is_taken_up_again(tmp_path: Path) -> None:
    host = filled()
    host.save(tmp_path / "state.json")
    again = computer()
    again.load(tmp_path / "state.json")
    assert again.files.read("C:\\x") == b"kept"
    assert again.registry.get("software\\mine", "a") == ["a", "b"]
    assert again.services.get("Spooler").start == "Disabled"
    assert again.updates.has_installed(catalogue.MSRT)
    assert again.updates.history == host.updates.history
    assert again.faults.look(Fault.ROLLS_BACK, update=catalogue.LCU_2022.id) is not None
    assert again.tasks.find("\\mine\\t") is not None
    assert (again.power, again.boot) == ("up", host.boot + 1)


def test_what_was_pending_is_done_by_having_been_off(tmp_path: Path) -> None:
    host = computer()
    host.catalogue.offer(catalogue.LCU_2022)
    host.store.install(catalogue.LCU_2022, host.clock.time())
    host.updates.offers[catalogue.LCU_2022.id].reboot_required = True
    host.mark_pending()
    host.save(tmp_path / "state.json")
    again = computer()
    again.load(tmp_path / "state.json")
    assert again.store.version == "20348.5499"
    assert not again.reboot_required()


def test_a_file_of_another_computer_is_refused(tmp_path: Path) -> None:
    computer().save(tmp_path / "state.json")
    with pytest.raises(ValueError, match="win-0001"):
        SimulatedComputer("win-0002").load(tmp_path / "state.json")
