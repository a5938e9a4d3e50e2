"""Faults on demand: what shall go wrong with which request, and how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, Unpack

ANY = ""
CONNECT = "Connect"
"""The moment a connection is made, before a byte of TLS or HTTP."""
AUTHENTICATE = "Authenticate"
"""A request that only logs in: it has no body, or is not let in yet."""


class Fault(StrEnum):
    """What can go wrong with a request."""

    DELAY = "delay"
    """It is answered late. `seconds`; `processed` says whether the work is done before."""
    RESET_BEFORE = "reset_before"
    """The connection is reset (RST) before the request is carried out."""
    RESET_AFTER = "reset_after"
    """It is carried out, and the connection reset instead of an answer."""
    CLOSE = "close"
    """The connection ends in order (FIN) instead of an answer. `processed`."""
    DUPLICATE = "duplicate"
    """It arrives twice. The client sees the second answer."""
    HALF_BODY = "half_body"
    """It is carried out, and half of the answer arrives before the connection ends."""
    SOAP = "soap"
    """It is answered with a WS-Management fault. `code`, `in_wmi_error`, `processed`."""
    STATUS = "status"
    """It is answered with an HTTP status and nothing else. `status`, `processed`."""


class Detail(TypedDict, total=False):
    """What a fault needs to know.

    `seconds` of DELAY; `code` of SOAP, and `in_wmi_error`, whether it stands in an MSFT_WmiError
    (by default as Windows does for this code); `status` of STATUS; `processed`, whether the
    request is carried out before it goes wrong.
    """

    seconds: float
    code: int
    status: int
    in_wmi_error: bool
    processed: bool


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault as it was ordered."""

    kind: Fault
    action: str = ANY
    seconds: float = 0.0
    code: int = 0
    status: int = 500
    in_wmi_error: bool | None = None
    processed: bool = False

    @property
    def carried_out(self) -> bool:
        """Whether the request is carried out all the same."""
        return self.processed or self.kind in {
            Fault.RESET_AFTER,
            Fault.HALF_BODY,
            Fault.DELAY,
            Fault.DUPLICATE,
        }


@dataclass
class _Order:
    fault: Injected
    times: int
    skip: int


class Faults:
    """The orders of one server. Each request uses up the first one that is about its action."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []
        self._lock = threading.Lock()

    def add(
        self,
        kind: Fault,
        action: str = ANY,
        *,
        times: int = 1,
        skip: int = 0,
        **detail: Unpack[Detail],
    ) -> None:
        """Order a fault.

        Args:
            kind: what goes wrong.
            action: with which requests: Create, Command, Send, Receive, Signal, Delete, Identify,
                Get, AUTHENTICATE, CONNECT; empty for any request.
            times: for how many of them.
            skip: how many of them pass unharmed before.
            detail: what the kind needs to know.
        """
        with self._lock:
            self._orders.append(_Order(Injected(kind, action, **detail), times, skip))

    def take(self, action: str) -> Injected | None:
        """Use up the first order for a request, if there is one."""
        return self._take({ANY, action})

    def take_connection(self) -> Injected | None:
        """Use up the first order for a connection, if there is one. ANY is about requests only."""
        return self._take({CONNECT})

    def _take(self, actions: set[str]) -> Injected | None:
        with self._lock:
            for order in self._orders:
                if not order.times or order.fault.action not in actions:
                    continue
                if order.skip:
                    order.skip -= 1
                    continue
                order.times -= 1
                return order.fault
        return None

    @property
    def left(self) -> int:
        """How many ordered faults have not happened yet."""
        with self._lock:
            return sum(order.times for order in self._orders)

    def clear(self) -> None:
        """Forget all orders."""
        with self._lock:
            self._orders.clear()
