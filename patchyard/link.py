"""A link: a transport that is opened when it is first needed, and anew after it was lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from patchyard.errors import AuthenticationFailed, Unreachable
from patchyard.transports.base import Completed, Parameters, Transport

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0


def pauses(spread: Callable[[], float] = random.random) -> Callable[[], float]:
    """Return a function that gives longer and longer pauses in seconds, each spread by a half.

    The spread keeps a fleet that lost one bastion from coming back to it in one instant.
    """
    pause = FIRST_PAUSE

    def following() -> float:
        nonlocal pause
        now, pause = pause, min(pause * 2, LONGEST_PAUSE)
        return now * (0.5 + spread())

    return following


class Link:
    """One machine's link. It connects lazily, and with fresh sockets after it was lost.

    A refused log-in is remembered: no later question offers the same credentials again.
    """

    def __init__(self, connect: Callable[[], Transport]) -> None:
        self._connect = connect
        self._transport: Transport | None = None
        self._refused: AuthenticationFailed | None = None
        self.host_key = ""
        """Kind and fingerprint of the key that the machine showed last; empty without one."""

    def open(self) -> None:
        """Connect now, unless that is done.

        Raises:
            MachineError: no connection; nothing was asked of the machine.
        """
        if self._refused is not None:
            raise self._refused
        if self._transport is None:
            try:
                self._transport = self._connect()
                self.host_key = getattr(self._transport, "host_key", "")
            except AuthenticationFailed as error:
                self._refused = error
                raise

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        """Run a script as `Transport.run` does. A lost link is dropped; nothing is repeated.

        Raises:
            MachineError: as `Transport.run`, or as opening the transport.
        """
        self.open()
        assert self._transport is not None  # noqa: S101 - open() has set it
        try:
            return self._transport.run(script, timeout=timeout, parameters=parameters)
        except AuthenticationFailed as error:
            self._refused = error
            raise
        except Unreachable:
            self.close()
            raise

    def retrying(
        self,
        script: str,
        /,
        *,
        timeout: timedelta,
        deadline: datetime,
        sleep: Callable[[float], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        spread: Callable[[], float] = random.random,
    ) -> Completed:
        """Ask a harmless question until it is answered or the deadline has come.

        Raises:
            Unreachable: no answer by the deadline; the last error.
            MachineError: an error that asking again cannot mend, at once.
        """
        pause = pauses(spread)
        while True:
            try:
                return self.run(script, timeout=timeout)
            except Unreachable:
                wait = pause()
                if clock() + timedelta(seconds=wait) >= deadline:
                    raise
            sleep(wait)

    def renew(self) -> None:
        """Close the link and forget a refusal: the machine was rebooted since it accepted us.

        Who calls this bounds how often: each time is one more try with the same credentials.
        """
        self.close()
        self._refused = None

    def close(self) -> None:
        """Close the link at once. The next question opens it anew."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
