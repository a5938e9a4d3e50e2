"""`patchyard maintenance watch`: what has moved in an inventory, as far as it is remembered."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Any

from patchyard._arguments import duration
from patchyard.domain.counting import counted
from patchyard.domain.watch import Finding, Watched
from patchyard.providers import load_inventory
from patchyard.settings import settings
from patchyard.store import open_store
from patchyard.untrusted import visible


def add_watch(verbs: Any) -> None:
    """Add `maintenance watch INVENTORY`."""
    parser = verbs.add_parser(
        "watch", help="tell overlaps, machines in no scope, rivals, vanished and recreated machines"
    )
    parser.add_argument("inventory", metavar="INVENTORY", help="folder or name of the inventory")
    limits = Watched.__dataclass_fields__
    parser.add_argument(
        "--unreachable",
        type=int,
        default=limits["unreachable"].default,
        metavar="N",
        help="assessments in a row without an answer after which a machine has vanished (3)",
    )
    for name, told in (
        ("ahead", "how far to look for windows that overlap (90d)"),
        ("recent", "how long another machine-id or host key is told (30d)"),
    ):
        parser.add_argument(
            f"--{name}", type=duration, default=limits[name].default, metavar="TIME", help=told
        )
    parser.set_defaults(answer=_watch)


def _watch(chosen: argparse.Namespace) -> int:
    # Imported late: the other commands need no runs.
    from patchyard.watching import look_out  # noqa: PLC0415

    inventory = load_inventory(chosen.inventory)
    asked = Watched(
        inventory=inventory,
        now=datetime.now(UTC),
        unreachable=max(1, chosen.unreachable),
        ahead=chosen.ahead,
        recent=chosen.recent,
    )
    with open_store(settings().database_url) as store:
        found = look_out(asked, store)
    sys.stdout.writelines(f"{visible(line)}\n" for line in _lines(inventory.name, found))
    return 0


def _lines(name: str, found: tuple[Finding, ...]) -> list[str]:
    if not found:
        return [f"{name}: nothing has moved, as far as it was assessed"]
    count = counted(len(found), "finding")
    return [f"{name}: {count}", *(f"    {each.kind}: {each.text}" for each in found)]
