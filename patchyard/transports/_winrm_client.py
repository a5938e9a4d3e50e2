"""WinRM's calls: each has a limit, its failure is judged, and repeated where that is safe."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeVar

from winrm.protocol import Protocol

from patchyard.errors import (
    AuthenticationFailed,
    HostKeyRejected,
    MachineError,
    ProtocolError,
    TimedOut,
    Unreachable,
)
from patchyard.transports import _winrm_tickets
from patchyard.transports._winrm_endpoint import Endpoint
from patchyard.transports._winrm_errors import (
    BUSY,
    OPERATION_TIMEOUT,
    Done,
    Trouble,
    judge,
)
from patchyard.transports._winrm_refusals import wants_ticket
from patchyard.transports._winrm_wire import Wire, must_have

T = TypeVar("T")

TRIES = 3
"""How often one call is sent at most."""
BUSY_PAUSE = 5.0
"""Seconds before a busy command is sent its input again."""
BACK_OFF = 1.0
"""Seconds before a machine that has too much to do is asked again; doubled each time."""

OPERATION = 60
"""Seconds the service may take for a call: it may be under load."""
WAIT = 20
"""Seconds it may hold back a Receive that has nothing to tell. Links that are silent for longer
are dropped on the way."""
SLACK = 10
"""Seconds by which an answer may be later than the service may take."""

CODEPAGE = 65001
"""UTF-8."""
IDLE = "PT300S"
"""How long a shell outlives its last use: one that could not be closed must not count for hours
against the 30 that a user may have."""

IDENTIFY = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
    "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
)

Pause = Callable[[float], None]


class Repeat(Enum):
    """When a call may be sent again."""

    NEVER = "never"
    UNLESS_DONE = "unless done"
    """Where the machine has certainly not done it."""
    ALWAYS = "always"
    """Where doing it twice does no harm, too."""


class _Protocol(Protocol):
    """pywinrm's messages over a wire of ours; it would make a transport of its own."""

    def __init__(self, wire: Wire) -> None:
        self.transport = wire
        self.operation_timeout_sec = WAIT
        self.read_timeout_sec = WAIT + SLACK
        self.max_env_sz = Protocol.DEFAULT_MAX_ENV_SIZE
        self.locale = Protocol.DEFAULT_LOCALE


class Client:
    """One service, spoken to by one thread at a time over one connection."""

    def __init__(self, endpoint: Endpoint, pause: Pause = time.sleep) -> None:
        must_have(endpoint)
        self.endpoint = endpoint
        self.pause = pause
        self._wire = Wire(endpoint)
        self._protocol = _Protocol(self._wire)
        self._ticket = 0
        self._refused: MachineError | None = None

    @property
    def refused(self) -> MachineError | None:
        """Why credentials were refused, ours or the machine's; or that the link was closed."""
        return self._refused

    def log_in(self) -> None:
        """Connect, log in, and make sure that it is WinRM that answers.

        Raises:
            MachineError: of the kind that says why not.
        """
        until = time.monotonic() + self.endpoint.timeouts.auth
        try:
            answer = self._call(
                "the log-in", until, lambda: self._protocol.send_message(IDENTIFY), Repeat.NEVER
            )
        except Trouble as trouble:
            raise trouble.error from trouble
        if b"IdentifyResponse" not in answer:
            raise ProtocolError(f"{self.endpoint.label}: what answers is not WinRM")

    def create(self, until: float) -> str:
        """Open a shell; returns its id. A second one that nobody knows of ends by itself."""
        return self._call(
            "opening a shell",
            until,
            lambda: self._protocol.open_shell(noprofile=True, codepage=CODEPAGE, idle_timeout=IDLE),
            Repeat.ALWAYS,
        )

    def command(self, until: float, shell: str, program: str, arguments: Sequence[str]) -> str:
        """Start a program in a shell; returns the command's id. Never sent twice."""
        return self._call(
            "starting PowerShell",
            until,
            lambda: self._protocol.run_command(
                shell, program, arguments, console_mode_stdin=False, skip_cmd_shell=True
            ),
            Repeat.NEVER,
        )

    def send(self, until: float, shell: str, command: str, piece: bytes, *, end: bool) -> None:
        """Send input. A piece that arrives twice spoils the order, which then does nothing."""
        self._call(
            "sending the script",
            until,
            lambda: self._protocol.send_command_input(shell, command, piece, end),
            Repeat.ALWAYS,
        )

    def receive(
        self, until: float, shell: str, command: str
    ) -> tuple[bytes, bytes, int | None] | None:
        """Return the next output, with the exit code at the end; None where there is none yet.

        What was on its way when a link broke is lost, so it is not simply asked for again.
        """
        try:
            stdout, stderr, code, done = self._call(
                "waiting for the script",
                until,
                lambda: self._protocol.get_command_output_raw(shell, command),
                Repeat.UNLESS_DONE,
                WAIT,
            )
        except Trouble as trouble:
            if trouble.code == OPERATION_TIMEOUT:
                return None
            raise
        return stdout, stderr, code if done else None

    def signal(self, until: float, shell: str, command: str) -> None:
        """End a command."""
        self._call(
            "ending the script",
            until,
            lambda: self._protocol.cleanup_command(shell, command),
            Repeat.ALWAYS,
        )

    def delete(self, until: float, shell: str) -> None:
        """Close a shell, and end what runs in it."""
        self._call(
            "closing the shell",
            until,
            lambda: self._protocol.close_shell(shell, close_session=False),
            Repeat.ALWAYS,
        )

    def close(self) -> None:
        """Close the connection at once, for good."""
        self._refused = Unreachable(f"{self.endpoint.label}: the link was closed")
        self._wire.close()

    def _call(
        self,
        doing: str,
        until: float,
        ask: Callable[[], T],
        repeat: Repeat,
        operation: float | None = None,
    ) -> T:
        """Send one message, and again while that is safe and can help.

        Raises:
            Trouble: it failed for good.
        """
        perhaps = False
        for tries in range(1, TRIES + 1):
            try:
                return self._once(doing, until, ask, operation or OPERATION)
            except Trouble as trouble:
                trouble.before = perhaps
                perhaps = perhaps or trouble.done is Done.PERHAPS
                rest = _rest(trouble, tries)
                late = time.monotonic() + rest >= until
                if tries == TRIES or late or not _may_repeat(repeat, trouble):
                    raise
            self.pause(rest)
        raise AssertionError  # the last try has returned or raised

    def _once(self, doing: str, until: float, ask: Callable[[], T], operation: float) -> T:
        if self._refused is not None:
            raise Trouble(self._refused, Done.NO)
        left = until - time.monotonic()
        if left <= 0:
            raise Trouble(TimedOut(f"{self.endpoint.label}: {doing}: no time left"), Done.NO)
        self._protocol.operation_timeout_sec = max(1, int(min(operation, left)))
        self._wire.limit(min(self._protocol.operation_timeout_sec + SLACK, left))
        try:
            return self._with_ticket(ask)
        except MachineError as error:
            raise self._remembered(Trouble(error, Done.NO)) from error
        except Exception as error:  # four libraries, each with kinds of its own
            raise self._remembered(judge(error, self.endpoint, doing)) from error

    def _with_ticket(self, ask: Callable[[], T]) -> T:
        """Ask; where the user's Kerberos ticket is missing or has run out, get one and ask again.

        Raised before anything was sent, so nothing is asked twice.
        """
        own = self.endpoint.winrm.auth == "kerberos" and self.endpoint.password is not None
        if not own:
            return ask()
        self._ticket = self._ticket or _winrm_tickets.fetch(self.endpoint)
        try:
            return ask()
        except Exception as error:
            if not wants_ticket(error):
                raise
        self._ticket = _winrm_tickets.fetch(self.endpoint, seen=self._ticket)
        return ask()

    def _remembered(self, trouble: Trouble) -> Trouble:
        """Note who was refused: no later call, nor a clean-up, may offer the same again."""
        if isinstance(trouble.error, AuthenticationFailed | HostKeyRejected):
            self._refused = trouble.error
        return trouble


def _may_repeat(repeat: Repeat, trouble: Trouble) -> bool:
    if not trouble.passing or trouble.code not in {0, BUSY, OPERATION_TIMEOUT}:
        return False
    return repeat is Repeat.ALWAYS or (repeat is Repeat.UNLESS_DONE and trouble.done is Done.NO)


def _rest(trouble: Trouble, tries: int) -> float:
    """Return the seconds to wait before another try, spread where many may wait at once."""
    if trouble.code == BUSY:
        return BUSY_PAUSE
    if trouble.overloaded:
        return float(BACK_OFF * 2 ** (tries - 1) * (0.5 + random.random()))  # noqa: S311 - no secret
    return 0.0
