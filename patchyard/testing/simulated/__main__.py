"""A simulated yard from the command line; it lasts until the process is told to end."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from patchyard.testing.simulated import SimulatedYard, YardFailed, machines


def main() -> int:
    """Build and serve a yard, say where its inventory is, and wait for a signal."""
    parser = argparse.ArgumentParser(prog="python -m patchyard.testing.simulated")
    parser.add_argument("--folder", type=Path, required=True, help="where the yard lies")
    parser.add_argument("--machines", type=int, default=10, help="how many machines")
    parser.add_argument("--port", type=int, default=0, help="their port; 0 for any free one")
    parser.add_argument(
        "--kernel-every", type=int, default=10, help="every how many-th has a kernel to install"
    )
    asked = parser.parse_args()
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    fleet = machines(asked.machines, kernel_every=asked.kernel_every)
    try:
        with SimulatedYard(asked.folder, fleet, port=asked.port) as yard:
            sys.stdout.write(
                f"{len(fleet)} machines on port {yard.port}; inventory: {yard.inventory}\n"
            )
            sys.stdout.flush()
            signal.sigwait(signals)
    except YardFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
