from __future__ import annotations

from pathlib import Path

import pytest

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.host.inside import Inside
from patchyard.testing.windows.host.table import COMMANDS
from patchyard.testing.windows.powershell import page, run
from patchyard.testing.windows.powershell.unsupported import CMDLETS, LANGUAGE

PAGE = Path(__file__).parents[3] / "docs" / "powershell-subset.md"
EVERYTHING = [*LANGUAGE, *CMDLETS]


@pytest.mark.parametrize("example", [e for _, e in EVERYTHING], ids=[n for n, _ in EVERYTHING])
def test_what_is_listed_as_unsupported_is_refused(example: str) -> None:
    computer = SimulatedComputer()
    process = computer.processes.start("powershell", "SIM\\operator", computer.clock.time())
    inside = Inside(computer, process, "network", {})
    with pytest.raises(NotSimulated):
        run(example, inside, commands=COMMANDS.by_name)


def test_the_page_lists_what_the_tables_hold() -> None:
    assert PAGE.read_text() == page.written(PAGE.read_text()), (
        "write it anew: python -m patchyard.testing.windows.powershell.page"
    )
