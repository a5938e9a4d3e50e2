"""`make demo`: patch Linux and Windows machines in one run, and say truthfully what happened."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

from demo.fleet import WINDOWS, Outcome, patch_fleet
from demo.judge import judge
from demo.simulated import run_simulated
from demo.windows.yard import WindowsYard
from flows.server import local_url, stop
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
        return conclude(run_simulated(SIMULATED, say), "simulated, over real SSH")
    return conclude(run_real(), "real, in systemd-nspawn")


class Progress(logging.Handler):
    """Shows a run's log lines as they come: when, which machine, what."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line of a run; Prefect's own lines are for its page."""
        run, *parts = record.getMessage().split(" | ")
        if "-" in run and len(parts) > 1:
            machine, *what = parts if len(parts) > 2 else ["", *parts]  # noqa: PLR2004 - with one
            told = " ".join(what).removesuffix(" started")
            say(f"  {datetime.now(UTC):%H:%M:%S}  {machine:9} {textwrap.shorten(told, 80)}")


def run_real() -> Outcome:
    """Patch the yard of real machines, and the simulated Windows computers with it."""
    say("Booting a yard of real Debian machines (the first time builds their image, ~2 minutes)")
    yard = Yard(HOME, demo.SPECS, groups=demo.GROUPS, owned=False)
    yard.up()
    legacy.install(yard[demo.LEGACY])
    link(yard.folder)
    before = {name: machine.packages() for name, machine in yard.machines.items()}
    say(f"{len(yard.machines)} real Linux machines answer: {', '.join(yard.machines)}")
    outcome = patch_fleet("inventories/yard", WindowsYard(HOME / WINDOWS), say)
    return outcome.and_wrong(judge(outcome.report, yard, before))


def link(folder: Path) -> None:
    """Let `inventories/yard` be the generated inventory of the yard."""
    if INVENTORY.is_symlink() or not INVENTORY.exists():
        INVENTORY.unlink(missing_ok=True)
        INVENTORY.symlink_to(os.path.relpath(folder, INVENTORY.parent))


def conclude(outcome: Outcome, linux: str) -> int:
    """Show the run, say whether what was staged came about, and where to look.

    Args:
        outcome: the run.
        linux: what the Linux machines are.
    """
    say("")
    say(render_table(outcome.report))
    say(f"Linux machines: {linux}. Windows machines: simulated, no code of Microsoft's ran.")
    say("Asked of the simulated Windows machines themselves:")
    for line in outcome.seen:
        say(f"  {line}")
    for line in outcome.wrong:
        say(f"NOT AS STAGED: {line}")
    say(f"HTML report:  {outcome.report.files['html']}")
    ui = local_url().removesuffix("/api")
    say(f"Prefect UI:   xdg-open {ui}/runs/flow-run/{outcome.report.flow_run_id}")
    say("End the yard: make demo-down")
    return 1 if outcome.wrong else 0


def down() -> int:
    """End the machines of the demo and the Prefect server it started."""
    ended = [WindowsYard(home / WINDOWS).down() for home in (HOME, SIMULATED)]
    if (HOME / "yard.json").exists():
        Yard.found(HOME).down()
        ended.append(True)
    if SIMULATED.exists():
        shutil.rmtree(SIMULATED)
        ended.append(True)
    say("The machines have ended." if any(ended) else "No machines were up.")
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
