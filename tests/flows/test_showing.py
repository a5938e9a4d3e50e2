"""What is shown in Prefect is shown behind the run: no server, and no refusal, holds it up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from flows import showing
from flows.showing import Showing

LONG = 30.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "PAUSE_SECONDS", 0.01)


def failing(times: int, shown: list[str], name: str) -> Callable[[], None]:
    """Return an act that a server that is away does not take, so many times."""
    left = [times]

    def act() -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise httpx.ConnectError("refused")
        shown.append(name)

    return act


def test_a_server_that_is_away_is_waited_for_and_nothing_is_shown_out_of_turn() -> None:
    shown: list[str] = []
    told: list[str] = []
    one = Showing(told.append)
    one.show(failing(3, shown, "first"))
    one.show(failing(0, shown, "second"))
    one.close()
    assert shown == ["first", "second"]
    assert told == ["Prefect does not answer, and the run goes on: ConnectError('refused')"]


def test_what_is_refused_is_told_and_left_out() -> None:
    def refused() -> None:
        raise ValueError("too large")

    shown: list[str] = []
    told: list[str] = []
    one = Showing(told.append)
    one.show(refused)
    one.show(failing(0, shown, "second"))
    one.close()
    assert shown == ["second"]
    assert told == ["Prefect did not take what was to be shown: ValueError('too large')"]


def test_showing_waits_for_nothing_until_it_is_closed_and_then_for_a_while() -> None:
    held = threading.Event()
    one = Showing(lambda _text: None)
    begun = time.monotonic()
    one.show(lambda: held.wait(LONG))
    one.show(lambda: None)
    assert not one.idle
    one.close(timedelta(seconds=0.1))
    assert time.monotonic() - begun < LONG / 2
    held.set()
