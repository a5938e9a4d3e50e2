"""What Patchyard says to a machine to assess it, for a client that only carries it over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from patchyard.link import Link
from patchyard.managers import manager_for
from patchyard.operations import Bench, assess
from patchyard.providers import load_inventory
from patchyard.systems import system_for
from patchyard.transports._envelope import Envelope, Sudo
from patchyard.transports.base import Completed, Parameters


class Said(Exception):
    """The script that would have been sent."""


class _Listener:
    """A transport that sends nothing."""

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        """Give away what would be sent."""
        del timeout, parameters
        raise Said(script)

    def close(self) -> None:
        """There is nothing to close."""


def assessing(inventory: Path, run_id: str) -> bytes:
    """Return all that goes over the link to assess a machine, as a job of its own for `run_id`."""
    loaded = load_inventory(str(inventory))
    machine = loaded.machines[0]
    bench = Bench(
        machine=machine,
        system=system_for(machine),
        manager=manager_for(machine),
        link=Link(_Listener),
        run_id=run_id,
        seed=run_id,
        clock=lambda: datetime.now(UTC),
        sleep=lambda _seconds: None,
    )
    try:
        assess(bench, "assess", refresh=True)
    except Said as said:
        sudo = Sudo(machine.connection.sudo)
        return Envelope.seal(str(said), machine=machine.name, sudo=sudo).text
    raise AssertionError("an assessment was made without a question")
