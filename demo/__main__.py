"""`make demo`: boot a yard of real machines, patch it, and say truthfully what happened."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from demo.judge import judge
from demo.simulated import run_simulated
from flows.patch import patch
from flows.server import local_url, stop
from patchyard.domain.report import RunReport
from patchyard.errors import PatchyardError
from patchyard.reporting import render_table
from tests.yard import box, demo, legacy
from tests.yard.yard import Yard

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".yard"
SIMULATED = ROOT / ".yard-simulated"
INVENTORY = ROOT / "inventories" / "yard"


def say(text: str) -> None:
    """Print a line for the person who watches."""
    print(text, flush=True)  # noqa: T201 - this is a command


def main() -> int:
    """Run the demo, or end what it left up. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--down", action="store_true", help="end the machines and the server")
    if parser.parse_args().down:
        return down()
    logging.getLogger("prefect.flow_runs").addHandler(Progress())
    missing = box.probe()
    if missing:
        say(f"No real machines here: {missing}. Patching a simulated yard instead.")
        return run_simulated(SIMULATED, say, conclude)
    return run_real()


class Progress(logging.Handler):
    """Shows a run's log lines as they come: when, which machine, what."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line of a run; Prefect's own lines are for its page."""
        run, *parts = record.getMessage().split(" | ")
        if "-" in run and len(parts) > 1:
            machine, *what = parts if len(parts) > 2 else ["", *parts]  # noqa: PLR2004 - with one
            told = " ".join(what).removesuffix(" started")
            say(f"  {datetime.now(UTC):%H:%M:%S}  {machine:8} {textwrap.shorten(told, 80)}")


def run_real() -> int:
    """Patch the yard of real machines."""
    say("Booting a yard of real Debian machines (the first time builds their image, ~2 minutes)")
    yard = Yard(HOME, demo.SPECS, groups=demo.GROUPS, owned=False)
    yard.up()
    legacy.install(yard[demo.LEGACY])
    link(yard.folder)
    before = {name: machine.packages() for name, machine in yard.machines.items()}
    names = ", ".join(yard.machines)
    say(f"{len(yard.machines)} machines answer: {names}")
    say("Patching: a canary first, then the rest")
    report = patch(
        inventory="inventories/yard",
        dry_run=False,
        waves=["1", "rest"],
        max_failures=1,
        max_failure_percent=50,
        slots=4,
    )
    return conclude(report, lambda: judge(report, yard, before))


def link(folder: Path) -> None:
    """Let `inventories/yard` be the generated inventory of the yard."""
    if INVENTORY.is_symlink() or not INVENTORY.exists():
        INVENTORY.unlink(missing_ok=True)
        INVENTORY.symlink_to(os.path.relpath(folder, INVENTORY.parent))


def conclude(report: RunReport, outcome: Callable[[], list[str]]) -> int:
    """Show the run, judge whether what was staged came about, and say where to look."""
    say("")
    say(render_table(report))
    wrong = outcome()
    for line in wrong:
        say(f"NOT AS STAGED: {line}")
    say(f"HTML report:  {report.files['html']}")
    ui = local_url().removesuffix("/api")
    say(f"Prefect UI:   xdg-open {ui}/runs/flow-run/{report.flow_run_id}")
    if (HOME / "yard.json").exists():
        say("End the yard: make demo-down")
    return 1 if wrong else 0


def down() -> int:
    """End the machines of the demo and the Prefect server it started."""
    if (HOME / "yard.json").exists():
        Yard.found(HOME).down()
        say("The machines have ended.")
    if INVENTORY.is_symlink():
        INVENTORY.unlink()
    say("The Prefect server has ended." if stop() else "No Prefect server was started here.")
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        sys.exit(main())
    except PatchyardError as error:
        sys.exit(f"demo: {error}")
