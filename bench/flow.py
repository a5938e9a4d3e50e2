"""The same work as whole flows, recorded by a real Prefect server.

python -m bench.flow assess|patch INVENTORY SLOTS
"""

from __future__ import annotations

import sys

from flows.assess import assess
from flows.patch import patch
from patchyard.domain.outcome import Status


def main() -> None:
    """Run the flow that the arguments name."""
    verb, inventory, slots = sys.argv[1:4]
    if verb == "assess":
        report = assess(inventory=inventory, slots=int(slots))
    else:
        report = patch(
            inventory=inventory,
            slots=int(slots),
            dry_run=False,
            classifications=["Critical", "Security", "Other"],
            waves=["rest"],
            resume="never",
        )
    if report.status != Status.SUCCEEDED:
        raise SystemExit(f"{verb} ended as {report.status}")


if __name__ == "__main__":
    main()
