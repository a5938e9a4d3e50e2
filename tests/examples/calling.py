"""Calling the example hooks as a run calls them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from patchyard.domain.around import Hook
from patchyard.domain.inventory import Machine
from patchyard.domain.outcome import Status
from patchyard.hooks.calling import call
from patchyard.hooks.occasion import Ended, Occasion, told_of_machine

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/hooks"
NAMES = ("web-1", "web-2")
MACHINES = tuple(Machine(name=name, address="127.66.0.1") for name in NAMES)


def called(
    name: str,
    *arguments: str,
    when: str = "before",
    of: str = "machine",
    status: Status = Status.SUCCEEDED,
    test: bool = False,
    run: str = "patch-1",
    **more: Any,
) -> Ended:
    """Call an example hook as a run does."""
    hook = Hook.model_validate(
        {"name": "x", "when": when, "of": of, "command": [str(EXAMPLES / name), *arguments], **more}
    )
    end = datetime.now(UTC) + timedelta(hours=3)
    window = {"key": "web@2026-03-14", "start": end.isoformat(), "end": end.isoformat()}
    occasion = Occasion(
        hook=hook,
        key="k",
        run={"id": run, "window": window},
        machines=tuple(told_of_machine(machine, machine.name) for machine in MACHINES),
        machine=MACHINES[0] if of == "machine" else None,
        status=status if when == "after" else None,
        test=test,
    )
    return call(occasion)
