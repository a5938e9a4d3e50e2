"""A link: when it connects, and when it must not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from patchyard.errors import AuthenticationFailed, MachineError, Unreachable
from patchyard.link import Link
from patchyard.transports.base import Completed, Parameters

SOON = timedelta(seconds=1)


class Machine:
    """Connects and answers as it is told, and counts."""

    def __init__(
        self, *, connect: MachineError | None = None, run: MachineError | None = None
    ) -> None:
        self.connect_error, self.run_error = connect, run
        self.connected = self.asked = 0

    def connect(self) -> Machine:
        self.connected += 1
        if self.connect_error is not None:
            raise self.connect_error
        return self

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        assert (timeout, parameters) == (SOON, None)
        self.asked += 1
        if self.run_error is not None:
            raise self.run_error
        return Completed(0, script, "")

    def close(self) -> None:
        pass


def ask_twice(link: Link, error: type[MachineError]) -> None:
    for _ in range(2):
        with pytest.raises(error, match="no"):
            link.run("x", timeout=SOON)


def test_a_lost_link_is_made_anew() -> None:
    machine = Machine(run=Unreachable("no"))
    ask_twice(Link(machine.connect), Unreachable)
    assert (machine.connected, machine.asked) == (2, 2)


@pytest.mark.parametrize(
    ("make", "tries"),
    [
        (lambda: Machine(connect=AuthenticationFailed("no")), (1, 0)),
        (lambda: Machine(run=AuthenticationFailed("no")), (1, 1)),
    ],
    ids=["in connecting", "later"],
)
def test_a_refused_log_in_is_not_tried_again(
    make: Callable[[], Machine], tries: tuple[int, int]
) -> None:
    machine = make()
    link = Link(machine.connect)
    ask_twice(link, AuthenticationFailed)
    link.close()
    ask_twice(link, AuthenticationFailed)
    assert (machine.connected, machine.asked) == tries


def test_a_link_that_is_renewed_may_offer_its_credentials_once_more() -> None:
    machine = Machine(connect=AuthenticationFailed("no"))
    link = Link(machine.connect)
    ask_twice(link, AuthenticationFailed)
    link.renew()
    ask_twice(link, AuthenticationFailed)
    assert machine.connected == 2
