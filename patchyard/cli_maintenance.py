"""The command `maintenance`: check its files, print their schema, preview and forecast."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from patchyard._arguments import duration
from patchyard._watch_command import add_watch
from patchyard.advised import fully_advised
from patchyard.cli_hooks import add_test_hooks
from patchyard.domain.conflicts import conflicts
from patchyard.domain.counting import counted
from patchyard.domain.forecast import forecast
from patchyard.domain.inventory import Inventory
from patchyard.domain.maintenance import Maintenance
from patchyard.domain.preview import Case, notes, openings
from patchyard.domain.reaching import last_looks
from patchyard.domain.scope import parse
from patchyard.domain.ways import Sight, Taken
from patchyard.forecast_view import forecast_document, render_forecast
from patchyard.leasing import lease_key
from patchyard.maintenance_view import render_preview
from patchyard.measured import Measured
from patchyard.promoting import proof_of
from patchyard.providers import (
    load_inventory,
    load_maintenance,
    maintained_inventories,
    maintenance_schema,
)
from patchyard.region_pairs import published_pairs
from patchyard.settings import settings
from patchyard.store import Store, open_store
from patchyard.watching import LOOKS


def add_maintenance(commands: Any) -> None:
    """Add `maintenance`: `check`, `schema`, `preview` and `forecast`."""
    parser = commands.add_parser("maintenance", help="check and preview maintenance configurations")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = verbs.add_parser("check", help="read maintenance files and tell all that is wrong")
    check.add_argument("path", metavar="PATH", help="folder or name of the inventory")
    check.set_defaults(answer=_check)
    schema = verbs.add_parser("schema", help="print the JSON schema of maintenance files")
    schema.set_defaults(answer=_schema)
    _add_preview(verbs)
    add_test_hooks(verbs)
    _add_forecast(verbs)
    add_watch(verbs)


def _add_preview(verbs: Any) -> None:
    preview = verbs.add_parser("preview", help="show the windows to come, and conflicts")
    preview.add_argument(
        "inventory",
        metavar="INVENTORY",
        nargs="?",
        help="folder or name of the inventory; all that have maintenance where it is left out",
    )
    preview.add_argument(
        "--count", type=_count, default=5, metavar="N", help="windows of each configuration (5)"
    )
    preview.add_argument(
        "--ahead",
        type=duration,
        default=timedelta(days=90),
        metavar="TIME",
        help="how far to look for windows that overlap (90d)",
    )
    preview.add_argument(
        "--uncovered",
        type=duration,
        default=timedelta(days=35),
        metavar="TIME",
        help="tell machines that have no window for so long (35d)",
    )
    preview.set_defaults(answer=_preview)


def _add_forecast(verbs: Any) -> None:
    parser = verbs.add_parser(
        "forecast", help="when each open security fix will be installed, and what is in the way"
    )
    parser.add_argument("inventory", metavar="INVENTORY", help="folder or name of the inventory")
    parser.add_argument("--scope", default="all", metavar="EXPRESSION", help="only these machines")
    parser.add_argument(
        "--ahead",
        type=duration,
        default=timedelta(days=90),
        metavar="TIME",
        help="how far to look for windows (90d)",
    )
    parser.add_argument(
        "--stale",
        type=duration,
        default=timedelta(days=7),
        metavar="TIME",
        help="an assessment that is older tells nothing for sure (7d)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(answer=_forecast)


def _count(text: str) -> int:
    if not (text.isdigit() and 1 <= int(text) <= 1000):  # noqa: PLR2004 - a screen is shorter
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 1000")
    return int(text)


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _check(chosen: argparse.Namespace) -> int:
    inventory = load_inventory(chosen.path)
    found = load_maintenance(chosen.path, inventory)
    case = Case(found, inventory, datetime.now(UTC))
    parts = (
        counted(len(found.configurations), "configuration"),
        counted(len(case.lanes), "timetable"),
        counted(len(found.freezes), "freeze"),
    )
    _say([f"{inventory.name}: {', '.join(parts)}, no problem"])
    return 0


def _schema(_: argparse.Namespace) -> int:
    sys.stdout.write(maintenance_schema())
    return 0


def _preview(chosen: argparse.Namespace) -> int:
    references = [chosen.inventory] if chosen.inventory else maintained_inventories()
    for number, reference in enumerate(references):
        inventory = load_inventory(reference)
        found = load_maintenance(reference, inventory)
        now = datetime.now(UTC)
        case = _case(found, inventory, now)
        _say([""] if number else [])
        _say([f"{inventory.name}, {now:%Y-%m-%d %H:%M} UTC"])
        wrong = conflicts(case, chosen.ahead, chosen.uncovered)
        _say(render_preview(openings(case, chosen.count), wrong, notes(case), now))
    return 0


def _case(found: Maintenance, inventory: Inventory, now: datetime) -> Case:
    """Return all that is there, with what is remembered of machines and of rings."""
    name = inventory.name
    rings = {each.name: each.ring for each in found.configurations if each.ring}
    with open_store(settings().database_url) as store:
        return Case(
            found,
            inventory,
            now,
            assessments=fully_advised(store.latest_assessments(name)),
            histories=Measured(store, name).all(),
            pairs=published_pairs(),
            looks=last_looks(store.sightings(name, LOOKS), store.found_off(name)),
            held=_held(store, inventory, now),
            proofs={of: proof_of(store, name, ring, now) for of, ring in rings.items()},
        )


def _held(store: Store, inventory: Inventory, now: datetime) -> dict[str, str]:
    """Return the runs that have machines and do not prove any more that they live."""
    silent = {each.machine: each.run_id for each in store.leases() if each.expires_at <= now}
    keys = {machine.name: lease_key(machine) for machine in inventory.machines}
    return {name: silent[key] for name, key in keys.items() if key in silent}


def _forecast(chosen: argparse.Namespace) -> int:
    scope = parse(chosen.scope)
    inventory, found = load_inventory(chosen.inventory), load_maintenance(chosen.inventory)
    now = datetime.now(UTC)
    case = _case(found, inventory, now)
    sight = Sight(chosen.ahead, chosen.stale, _taken(case))
    names = {machine.name for machine in scope.select(inventory.machines)}
    rows = [row for row in forecast(case, sight) if row.machine in names]
    if chosen.json:
        sys.stdout.write(forecast_document(inventory.name, now, rows))
        return 0
    _say([f"{inventory.name}, {now:%Y-%m-%d %H:%M} UTC"])
    _say(render_forecast(rows))
    return 0


def _taken(case: Case) -> Taken:
    """Return which of the windows that are open now, or soon, a run has claimed already."""
    near = {window.key for lane in case.lanes for window in case.within(lane, timedelta(days=2))}
    with open_store(settings().database_url) as store:
        claims = store.window_claims(case.inventory.name, near)
    return {claim.key: claim.run_id for claim in claims}
