"""Maintenance beside a simulated yard, and a person who answers through the API of the UI."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from patchyard.testing.simulated import SimulatedYard
from tests.flows.conftest import Api

GROUPS = {"simulated": {"policy": {"stable_seconds": 0, "check_seconds": 3}}}


def now() -> datetime:
    """The controller's clock."""
    return datetime.now(UTC)


def write_maintenance(inventory: Path, start: datetime, length: str, **more: Any) -> None:
    """Write the one configuration `web`, whose window begins at `start`, to the minute."""
    schedule = {
        "recurrence": more.pop("recurrence", "Day"),
        "start": f"{start.astimezone(UTC):%Y-%m-%d %H:%M}",
        "length": length,
        "time_zone": "UTC",
        **more.pop("schedule", {}),
    }
    freezes = more.pop("freezes", {})
    linux = {"classifications": ["Critical", "Security"]}
    web = {"scope": "all", "schedule": schedule, "linux": linux, "waves": ["rest"], **more}
    text = yaml.safe_dump({"freezes": freezes, "configurations": {"web": web}})
    (inventory / "maintenance.yaml").write_text(text)


def inventory_of(yard: SimulatedYard) -> Path:
    """Return a yard's inventory under a name of its own."""
    return under_its_own_name(yard.inventory)


def under_its_own_name(inventory: Path) -> Path:
    """Return an inventory under a name of its own: the memory knows inventories by name."""
    found = sorted(inventory.parent.glob("inventory-*"))
    if not found:
        found = [inventory.parent / f"inventory-{uuid4().hex[:8]}"]
        found[0].symlink_to(inventory)
    return found[0]


def minute(at: datetime) -> datetime:
    """Return the beginning of its minute."""
    return at.replace(second=0, microsecond=0)


def window_now(length: timedelta, key: str = "") -> dict[str, Any]:
    """Return the parameters of a window of `web` that began in this minute."""
    start = minute(now())
    return {
        "key": key or f"web@{start:%Y-%m-%d}",
        "start": start.isoformat(),
        "end": (start + length).isoformat(),
    }


@contextmanager
def somebody(act: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Let somebody do something while a flow runs here; what went wrong with them is raised."""
    wrong: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - told below
            wrong.append(error)

    thread = threading.Thread(target=acting, daemon=True)
    thread.start()
    yield wrong
    thread.join(60)
    assert not wrong, wrong
    assert not thread.is_alive()


def paused(api: Api) -> list[dict[str, Any]]:
    """Return the flow runs that wait for a person."""
    query = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
    found: list[dict[str, Any]] = api.post("flow_runs/filter", query)
    return found


def question(api: Api, flow_run: str) -> str:
    """Return what the UI shows above the form."""
    state = api.state(flow_run)
    keyset: dict[str, str] = state["state_details"]["run_input_keyset"]
    told: str = api.get(f"flow_runs/{flow_run}/input/{keyset['description']}")
    return told


def answer(api: Api, flow_run: str, **fields: Any) -> None:
    """Fill in the form and send it, as the UI does."""
    api.post(f"flow_runs/{flow_run}/resume", {"run_input": fields})


def wait_for_question(api: Api, seconds: float = 120) -> tuple[str, str]:
    """Wait until some run asks. Answers its id, and what it shows."""
    api.until(lambda: bool(paused(api)), seconds)
    flow_run = paused(api)[0]["id"]
    # A run is Paused shortly before its form is there.
    api.until(lambda: _has_form(api, flow_run), 30)
    return flow_run, question(api, flow_run)


def _has_form(api: Api, flow_run: str) -> bool:
    keyset: dict[str, str] | None = api.state(flow_run)["state_details"]["run_input_keyset"]
    query = {"prefix": "", "limit": 100, "exclude_keys": []}
    found = api.post(f"flow_runs/{flow_run}/input/filter", query)
    keys = {row["key"] for row in found}
    return keyset is not None and {keyset["schema"], keyset["description"]} <= keys
