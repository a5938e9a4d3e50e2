"""The command line: small questions that need no flow.

Every command is a function that adds its parser, and one that answers and returns an exit status.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from patchyard._power_command import add_power
from patchyard._windows_check_command import add_windows_check
from patchyard.cli_maintenance import add_maintenance
from patchyard.domain.counting import counted
from patchyard.domain.inventory import Inventory
from patchyard.domain.report import RunReport
from patchyard.domain.scope import Scope, parse
from patchyard.errors import ConfigurationError, PatchyardError, Refused
from patchyard.providers import inventory_schema, load_inventory
from patchyard.reporting import (
    render_csv,
    render_html,
    render_json,
    render_markdown,
    render_table,
)
from patchyard.settings import settings
from patchyard.store import RunRecord, Store, open_store
from patchyard.untrusted import visible

OK, FAILED, WRONG = 0, 1, 2
"""Exit statuses: done; it did not work; what was written cannot be used."""

Commands = Any
"""Where commands are added; argparse does not name the type."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one command and return its exit status."""
    chosen = _parser().parse_args(arguments)
    answer: Callable[[argparse.Namespace], int] = chosen.answer
    try:
        return answer(chosen)
    except ConfigurationError as error:
        count = len(error.problems)
        _complain([str(error), f"{count} problem{'' if count == 1 else 's'}."])
        return WRONG
    except PatchyardError as error:
        _complain([str(error)])
        return FAILED
    except BrokenPipeError:
        # The reader has seen enough, such as head. Nothing is left to flush at the end.
        sys.stdout = None
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="patchyard", description="Patchyard's command line.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _complain(lines: Iterable[str]) -> None:
    sys.stderr.writelines(f"{line}\n" for line in lines)


def add_inventory(commands: Commands) -> None:
    """Add `inventory check PATH` and `inventory schema`."""
    parser = commands.add_parser("inventory", help="check inventory files, print their schema")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = verbs.add_parser("check", help="read an inventory and tell all that is wrong")
    check.add_argument("path", metavar="PATH", help="folder or name of the inventory")
    check.set_defaults(answer=_check)
    schema = verbs.add_parser("schema", help="print the JSON schema of inventory files")
    schema.set_defaults(answer=_schema)


def _check(chosen: argparse.Namespace) -> int:
    inventory = load_inventory(chosen.path)
    groups = {group for machine in inventory.machines for group in machine.groups}
    _say(
        [f"{inventory.name}: {_machines(inventory)} in {counted(len(groups), 'group')}, no problem"]
    )
    return OK


def _schema(_: argparse.Namespace) -> int:
    sys.stdout.write(inventory_schema())
    return OK


def add_scope(commands: Commands) -> None:
    """Add `scope PATH EXPRESSION`."""
    parser = commands.add_parser(
        "scope", help="preview a scope: each machine in or out, with the reason"
    )
    parser.add_argument("path", metavar="PATH", help="folder or name of the inventory")
    parser.add_argument(
        "expression",
        metavar="EXPRESSION",
        nargs="?",
        default="all",
        help="such as 'tags.role == web and not zone == 1'; all where it is left out",
    )
    parser.add_argument("--only", choices=("in", "out"), help="show only these machines")
    parser.set_defaults(answer=_scope)


def _scope(chosen: argparse.Namespace) -> int:
    scope = parse(chosen.expression)
    inventory = load_inventory(chosen.path)
    _say(_preview(scope, inventory, only=chosen.only))
    for name in scope.unmatched_names(inventory.machines):
        _complain([f"no machine is named {name}"])
    return OK


def _preview(scope: Scope, inventory: Inventory, *, only: str | None) -> Iterable[str]:
    """Tell each machine in or out and why, then how many."""
    width = max(len(machine.name) for machine in inventory.machines)
    selected = 0
    for machine in inventory.machines:
        reason = scope.explain(machine)
        selected += reason.selected
        side = "in" if reason.selected else "out"
        if only in {None, side}:
            yield f"{side:<3}  {machine.name:<{width}}  {reason.because}"
    yield f"{selected} of {_machines(inventory)} in scope: {scope}"


def add_runs(commands: Commands) -> None:
    """Add `runs`."""
    parser = commands.add_parser("runs", help="list the latest runs, newest first")
    parser.add_argument(
        "--kind", choices=("assess", "patch", "emergency", "rollback"), help="only these"
    )
    parser.add_argument("-n", type=int, default=20, metavar="N", help="how many (20)")
    parser.set_defaults(answer=_runs)


def _runs(chosen: argparse.Namespace) -> int:
    found = _store().runs(limit=chosen.n, kind=chosen.kind)
    if not found:
        _complain(["no run is recorded yet"])
    for run in found:
        state = f"{run.status}{' (being cancelled)' if _still_cancelling(run) else ''}"
        began = f"{run.started_at:%Y-%m-%d %H:%M} UTC"
        _say([f"{run.id}  {began}  {state}  {run.inventory} [{run.scope}]"])
        if run.summary:
            _say([f"    {visible(run.summary)}"])
    return OK


def _still_cancelling(run: RunRecord) -> bool:
    return run.cancel_requested and run.finished_at is None


def add_report(commands: Commands) -> None:
    """Add `report RUN`."""
    parser = commands.add_parser("report", help="print the report of a run that has ended")
    parser.add_argument("run", metavar="RUN", help="id of the run, as `patchyard runs` shows it")
    parser.add_argument("--format", choices=sorted(FORMATS), default="table", help="(table)")
    parser.set_defaults(answer=_report)


def _report(chosen: argparse.Namespace) -> int:
    store = _store()
    _run(store, chosen.run)
    found = store.report(chosen.run)
    if found is None:
        raise Refused(f"run {chosen.run} has not ended, so it has no report yet")
    sys.stdout.write(FORMATS[chosen.format](RunReport.model_validate(found)))
    return OK


def add_cancel(commands: Commands) -> None:
    """Add `cancel RUN`."""
    parser = commands.add_parser("cancel", help="begin nothing further in a run")
    parser.add_argument("run", metavar="RUN", help="id of the run, as `patchyard runs` shows it")
    parser.set_defaults(answer=_cancel)


def _cancel(chosen: argparse.Namespace) -> int:
    store = _store()
    if _run(store, chosen.run).finished_at is not None:
        raise Refused(f"run {chosen.run} has ended; there is nothing to cancel")
    store.request_cancel(chosen.run)
    _say([f"{chosen.run} begins nothing further; machines at work are taken to their end"])
    return OK


def _store() -> Store:
    return open_store(settings().database_url)


def _run(store: Store, run_id: str) -> RunRecord:
    found = store.run(run_id)
    if found is None:
        raise ConfigurationError.of(f"there is no run {run_id!r}; `patchyard runs` lists them")
    return found


def _machines(inventory: Inventory) -> str:
    return counted(len(inventory.machines), "machine")


FORMATS: dict[str, Callable[[RunReport], str]] = {
    "table": render_table,
    "markdown": render_markdown,
    "html": render_html,
    "json": render_json,
    "csv": render_csv,
}
"""Forms in which a report is printed."""

COMMANDS: tuple[Callable[[Commands], None], ...] = (
    add_inventory,
    add_scope,
    add_runs,
    add_report,
    add_cancel,
    add_maintenance,
    add_power,
    add_windows_check,
)
"""Each adds one command. A new command is one more function here."""
