"""The benchmark, in one run: bare SSH, Patchyard, Ansible, over the same simulated fleet.

python -m bench [--machines N] [--slots N] [--insist]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from bench.counting import BenchFailed
from bench.measuring import Measuring
from bench.table import record, table, targets
from patchyard.errors import PatchyardError

FOLDER = Path(__file__).resolve().parents[1] / ".bench"
RESULT = FOLDER / "result.json"


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(f"{text}\n")


def main() -> int:
    """Measure, print the table, and write it down. Returns the exit status."""
    asked = _asked()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit("bench: ended"))
    logs = FOLDER / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=FOLDER) as folder:
        try:
            result = Measuring(Path(folder), logs, asked.machines, asked.slots, say).result()
        except (BenchFailed, PatchyardError) as error:
            sys.exit(f"bench: {error}")
    RESULT.write_text(json.dumps(record(result), indent=1) + "\n")
    sys.stdout.write(f"{table(result)}\n\nAlso in {os.path.relpath(RESULT)}\n")
    missed = [target for target in targets(result) if not target.met]
    return 1 if asked.insist and missed else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--machines", type=int, default=200, help="how many (200)")
    parser.add_argument("--slots", type=int, default=10, help="how many at a time (10)")
    parser.add_argument(
        "--insist", action="store_true", help="fail where a target is missed or not measured"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
