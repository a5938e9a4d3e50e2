"""One connection's requests: let in, unsealed, carried out, sealed, and broken where ordered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from patchyard.testing.windows.base import Computer
from patchyard.testing.windows.winrm import sealing, soap
from patchyard.testing.windows.winrm.actions import Actions
from patchyard.testing.windows.winrm.counts import Counts
from patchyard.testing.windows.winrm.faults import AUTHENTICATE, Fault, Faults, Injected
from patchyard.testing.windows.winrm.login import Channel, Denied, Gate, Headers, Login
from patchyard.testing.windows.winrm.peer import Gone, HttpRequest, HttpResponse, NotHttp, Peer
from patchyard.testing.windows.winrm.problems import Problem
from patchyard.testing.windows.winrm.sealing import Unsealable
from patchyard.testing.windows.winrm.settings import Settings

SOAP = "application/soap+xml;charset=UTF-8"
PATH = "/wsman"


@dataclass(frozen=True, slots=True)
class House:
    """What the connections of one server share."""

    computer: Computer
    settings: Settings
    gate: Gate
    actions: Actions
    faults: Faults
    counts: Counts
    ended: threading.Event


class Service:
    """What answers the requests of one connection."""

    def __init__(self, peer: Peer, channel: Channel, house: House) -> None:
        self._peer = peer
        self._channel = channel
        self._house = house
        self._login = Login()
        self._boot = house.computer.boot

    def serve(self) -> None:
        """Answer requests until the connection ends.

        Raises:
            Gone: it did not end in order.
        """
        try:
            while (request := self._peer.read()) is not None:
                if self._pointless(waiting=False):
                    raise Gone("the computer went down")
                self._answer(request)
        except NotHttp:
            self._send(HttpResponse(400))
            raise

    def _pointless(self, *, waiting: bool = True) -> bool:
        down = self._house.computer.power == "down" or self._house.computer.boot != self._boot
        return self._house.ended.is_set() or down or (waiting and self._peer.left())

    def _answer(self, http: HttpRequest) -> None:
        if self._house.computer.power == "starting":
            self._send(HttpResponse(self._house.settings.while_starting))
            return
        if http.path.partition("?")[0] != PATH:
            self._send(HttpResponse(404))
            return
        if http.method != "POST":
            self._send(HttpResponse(405))
            return
        self._let_in(http)

    def _let_in(self, http: HttpRequest) -> None:
        sealed = sealing.is_sealed(http.content_type)
        if sealed and not http.authorization and not self._login.user:
            # What was sealed for a context that this connection has not made.
            self._send(HttpResponse(400))
            return
        try:
            headers = self._house.gate.enter(self._login, http.authorization, self._channel)
        except Denied as denied:
            response = denied.response
            self._break_or_send(AUTHENTICATE, lambda: response)
            return
        if not http.body:
            self._break_or_send(AUTHENTICATE, lambda: HttpResponse(200, headers=headers))
            return
        self._open(http, headers, sealed=sealed)

    def _open(self, http: HttpRequest, headers: Headers, *, sealed: bool) -> None:
        if len(http.body) > self._house.settings.max_envelope:
            self._send(HttpResponse(413, headers=headers))
        elif sealed:
            try:
                plain = self._unsealed(http)
            except Unsealable:
                self._send(HttpResponse(400, headers=headers))
                return
            self._carry_out(plain, headers, sealed=True)
        elif self._channel.tls or self._house.settings.allow_unencrypted:
            self._carry_out(http.body, headers, sealed=False)
        else:
            self._house.counts.add("unsealed")
            self._send(HttpResponse(500, headers=headers))

    def _unsealed(self, http: HttpRequest) -> bytes:
        if self._login.proof is None:
            raise Unsealable("logged in by a way that seals nothing")
        return sealing.unseal(self._login.proof.context, http.content_type, http.body)

    def _carry_out(self, plain: bytes, headers: Headers, *, sealed: bool) -> None:
        def answer(status: int, body: bytes) -> HttpResponse:
            return HttpResponse(status, body, SOAP, list(headers), sealed=sealed)

        try:
            request = soap.read(plain)
        except Problem as problem:
            self._send(answer(500, soap.fault(problem)))
            return
        self._house.counts.saw(request.verb)
        name, user = self._house.computer.name, self._login.user

        def work() -> HttpResponse:
            try:
                done = answer(200, self._house.actions.carry_out(request, user, self._pointless))
            except Problem as problem:
                done = answer(500, soap.fault(problem, request.message_id, name))
            if self._pointless():
                raise Gone("nobody waits for the answer")
            return done

        def fault(injected: Injected) -> HttpResponse:
            problem = Problem(injected.code, "Injected.", in_wmi_error=injected.in_wmi_error)
            return answer(500, soap.fault(problem, request.message_id, name))

        self._break_or_send(request.verb, work, fault)

    def _break_or_send(
        self,
        action: str,
        work: Callable[[], HttpResponse],
        fault: Callable[[Injected], HttpResponse] | None = None,
    ) -> None:
        """Do the work and send its answer, or what an ordered fault makes of the two."""
        injected = self._house.faults.take(action)
        if injected is None:
            self._send(work())
            return
        if injected.kind is Fault.DELAY and not injected.processed:
            self._wait(injected.seconds)
        if injected.kind is Fault.DUPLICATE:
            work()
        done = work() if injected.carried_out else HttpResponse(injected.status)
        if injected.kind is Fault.SOAP and fault is not None:
            done = fault(injected)
        self._answer_badly(injected, done)

    def _answer_badly(self, injected: Injected, done: HttpResponse) -> None:
        match injected.kind:
            case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                self._peer.reset()
                raise Gone("reset, as ordered")
            case Fault.CLOSE:
                raise Gone("closed, as ordered")
            case Fault.HALF_BODY:
                whole = self._closed(done).written(self._now())
                self._peer.send(whole[: len(whole) - max(1, len(done.body) // 2)])
                raise Gone("cut off, as ordered")
            case Fault.STATUS:
                done = HttpResponse(injected.status)
            case Fault.DELAY if injected.processed:
                self._wait(injected.seconds)
        self._send(done)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._pointless():
                raise Gone("nobody waits for the answer")
            time.sleep(0.02)

    def _send(self, response: HttpResponse) -> None:
        self._peer.send(self._closed(response).written(self._now()))

    def _closed(self, response: HttpResponse) -> HttpResponse:
        """Seal an answer, at the last moment: one that is not sent puts the seal out of step."""
        proof = self._login.proof
        if response.sealed and proof is not None:
            kind, body = sealing.seal(proof.context, proof.protocol, response.body)
            response.content_type, response.body = kind, body
        return response

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._house.settings.clock_offset
