"""The Alertmanager recipe against a real Alertmanager, called as a run calls it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.hooks.occasion import Ended
from tests.examples.calling import called
from tests.examples.daemons import Alertmanager, alertmanager
from tests.examples.stand_ins import Web, web


@pytest.fixture
def alerts(tmp_path: Path) -> Iterator[Alertmanager]:
    with alertmanager(tmp_path) as alerts:
        yield alerts


def silence(alerts: Alertmanager, **more: Any) -> Ended:
    return called("alertmanager.py", alerts.url, "instance", of="run", **more)


def test_alerts_of_the_runs_machines_are_silenced_once_and_no_longer_than_the_run(
    alerts: Alertmanager,
) -> None:
    alerts.fire("web-1", "web-2:9100", "web-11", "xweb-1", "db-1:9100")
    assert alerts.suppressed() == set()
    first = silence(alerts)
    assert first.code == "", first.detail
    assert "is there already" in silence(alerts).detail
    (made,) = alerts.silences()
    assert first.detail.startswith(f"silence {made['id']} until ")
    assert (made["status"], made["createdBy"]) == ({"state": "active"}, "patchyard")
    assert made["comment"] == "patchyard run patch-1"
    start, end = (datetime.fromisoformat(made[name]) for name in ("startsAt", "endsAt"))
    assert timedelta(hours=3, minutes=58) < end - start < timedelta(hours=4, minutes=1)
    assert alerts.suppressed() == {"web-1", "web-2:9100"}

    assert silence(alerts, when="after").detail == f"ended {made['id']}"
    assert alerts.states() == ["expired"]
    assert alerts.suppressed() == set()
    assert silence(alerts, when="after").detail == "ended no silence: there is none"


def test_a_run_that_goes_on_is_silenced_anew_and_other_silences_are_left_alone(
    alerts: Alertmanager,
) -> None:
    silence(alerts, run="patch-2")
    silence(alerts)
    silence(alerts, when="after")
    assert alerts.states() == ["active", "expired"]
    assert silence(alerts).code == ""
    assert alerts.states() == ["active", "active", "expired"]
    silence(alerts, when="after")
    (left,) = (each for each in alerts.silences() if each["status"]["state"] == "active")
    assert left["comment"] == "patchyard run patch-2"


def test_alertmanager_is_only_asked_in_a_test(alerts: Alertmanager) -> None:
    version = alerts.ask("status")["versionInfo"]["version"]
    assert silence(alerts, test=True).detail == f"a test: Alertmanager {version} answers"
    assert alerts.silences() == []


def test_what_alertmanager_refuses_is_told_in_its_words(alerts: Alertmanager) -> None:
    done = called("alertmanager.py", alerts.url, "no label", of="run")
    assert done.code == "hook_failed"
    assert f"Alertmanager at {alerts.url}: HTTP Error 400: Bad Request" in done.detail
    assert "silence invalid: invalid label matcher 0: invalid label name" in done.detail


class Guard(Web):
    """A proxy that sees who asks: Alertmanager itself knows no bearer tokens."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:  # noqa: ARG002
        return 200, {"versionInfo": {"version": "1"}}


def test_a_token_is_sent_to_what_stands_before_alertmanager(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALERTMANAGER_TOKEN", "t0ken")
    guard = Guard()
    with web(guard):
        assert called("alertmanager.py", guard.url, "instance", of="run", test=True).code == ""
    assert [headers["Authorization"] for headers in guard.headers] == ["Bearer t0ken"]


def test_an_alertmanager_that_is_not_there_is_a_failure(alerts: Alertmanager) -> None:
    assert (
        called("alertmanager.py", "http://127.0.0.1:1", "instance", of="run").code == "hook_failed"
    )
    elsewhere = called("alertmanager.py", f"{alerts.url}/elsewhere", "instance", of="run")
    assert "HTTP Error 404: Not Found: 404 page not found" in elsewhere.detail
