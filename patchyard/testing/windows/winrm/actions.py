"""What a WinRM service does for each action. Anything else is refused, never guessed."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from xml.sax.saxutils import escape

from patchyard.testing.windows.base import Computer, NotSimulated, Output, Program
from patchyard.testing.windows.winrm import durations, soap
from patchyard.testing.windows.winrm.counts import Counts
from patchyard.testing.windows.winrm.problems import Code, Problem
from patchyard.testing.windows.winrm.settings import Settings
from patchyard.testing.windows.winrm.shells import Received, Shell, Shells, new_id
from patchyard.testing.windows.winrm.soap import Request

CMD = f"{soap.SHELL}/cmd"
STATE = f"{soap.SHELL}/CommandState"
ADDRESS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"

LONGEST_LINE = 8191
"""Characters of a command line that cmd.exe takes."""
LONGEST_DIRECT = 32767
"""Characters of a command line that CreateProcess takes."""

ENVELOPE = 4096
"""Bytes of an answer that are not output."""

SHELL_OPTIONS = {"WINRS_NOPROFILE", "WINRS_CODEPAGE"}
COMMAND_OPTIONS = {"WINRS_CONSOLEMODE_STDIN", "WINRS_SKIP_CMD_SHELL"}
RECEIVE_OPTIONS = {"WSMAN_CMDSHELL_OPTION_KEEPALIVE"}
SIGNALS = {"terminate", "ctrl_c", "ctrl_break"}

Pointless = Callable[[], bool]


class Actions:
    """The actions of one computer's service."""

    def __init__(
        self, computer: Computer, settings: Settings, shells: Shells, counts: Counts
    ) -> None:
        self._computer = computer
        self._settings = settings
        self._shells = shells
        self._counts = counts

    def carry_out(self, request: Request, user: str, pointless: Pointless) -> bytes:
        """Carry out a request, and return its answer.

        Args:
            request: what is asked.
            user: who asks.
            pointless: says whether nobody waits for the answer any more.

        Raises:
            Problem: it cannot be done.
        """
        try:
            return self._carry_out(request, user, pointless)
        except NotSimulated as error:
            self._counts.refusals.append(str(error))
            raise Problem(Code.NOT_SIMULATED, f"Not simulated: {error}") from error

    def _carry_out(self, request: Request, user: str, pointless: Pointless) -> bytes:
        if request.action == soap.IDENTIFY:
            return soap.answer(request, _identity())
        if request.action == f"{soap.TRANSFER}/Get" and request.resource == soap.CONFIG:
            return soap.answer(request, self._config())
        if request.resource != CMD:
            raise Problem(Code.ACTION_NOT_SUPPORTED, f"No resource {request.resource} here.")
        if request.action == f"{soap.TRANSFER}/Create":
            return self._create(request, user)
        if "ShellId" not in request.selectors:
            raise Problem(Code.SHELL_NOT_FOUND, "The selector ShellId is missing.")
        shell = self._shells.get(request.selectors["ShellId"], user)
        if request.action == f"{soap.TRANSFER}/Delete":
            self._shells.drop(shell)
            return soap.answer(request, "")
        return self._in_shell(request, shell, pointless)

    def _in_shell(self, request: Request, shell: Shell, pointless: Pointless) -> bytes:
        match request.action.removeprefix(f"{soap.SHELL}/"):
            case "Command":
                return self._command(request, shell)
            case "Send":
                return self._send(request, shell)
            case "Receive":
                return self._receive(request, shell, pointless)
            case "Signal":
                return self._signal(request, shell)
        raise Problem(Code.ACTION_NOT_SUPPORTED, f"No action {request.action} here.")

    def _config(self) -> str:
        largest = self._settings.max_envelope // 1024
        return (
            f'<cfg:Config xmlns:cfg="{soap.CONFIG}">'
            f"<cfg:MaxEnvelopeSizekb>{largest}</cfg:MaxEnvelopeSizekb></cfg:Config>"
        )

    def _create(self, request: Request, user: str) -> bytes:
        _only(request, SHELL_OPTIONS)
        body = request.element("Shell")
        names = [child.tag.rpartition("}")[2] for child in body]
        known = {"InputStreams", "OutputStreams", "Environment", "IdleTimeOut"}
        if unknown := set(names) - known:
            raise NotSimulated(f"shells with {', '.join(sorted(unknown))}")
        idle = body.findtext(f"{{{soap.SHELL}}}IdleTimeOut")
        variables = body.iterfind(f"{{{soap.SHELL}}}Environment/{{{soap.SHELL}}}Variable")
        shell = Shell(
            id=body.get("ShellId") or new_id(),
            user=user,
            environment={each.get("Name", ""): each.text or "" for each in variables},
            idle_timeout=_seconds(idle) if idle else self._settings.idle_timeout,
            input_streams=body.findtext(f"{{{soap.SHELL}}}InputStreams", "stdin"),
            output_streams=body.findtext(f"{{{soap.SHELL}}}OutputStreams", "stdout stderr"),
            codepage=request.options.get("WINRS_CODEPAGE", ""),
        )
        self._shells.add(shell)
        self._counts.add("shells")
        return soap.answer(request, _created(shell))

    def _command(self, request: Request, shell: Shell) -> bytes:
        _only(request, COMMAND_OPTIONS)
        line = request.element("CommandLine")
        command = line.findtext(f"{{{soap.SHELL}}}Command", "")
        arguments = [each.text or "" for each in line.iterfind(f"{{{soap.SHELL}}}Arguments")]
        direct = request.option("WINRS_SKIP_CMD_SHELL")
        length = len(" ".join([command, *arguments]))
        if direct and length > LONGEST_DIRECT:
            raise Problem(Code.COMMAND_TOO_LONG, "The filename or extension is too long.")

        def program() -> Program:
            if not direct and length > LONGEST_LINE:
                return _TooLong()
            return self._computer.start(
                command, arguments, user=shell.user, environment=shell.environment, direct=direct
            )

        started = self._shells.start(shell, line.get("CommandId", ""), program)
        self._counts.add("commands")
        return soap.answer(
            request,
            f"<rsp:CommandResponse><rsp:CommandId>{escape(started.id)}</rsp:CommandId>"
            "</rsp:CommandResponse>",
        )

    def _send(self, request: Request, shell: Shell) -> bytes:
        for stream in request.element("Send").iterfind(f"{{{soap.SHELL}}}Stream"):
            if stream.get("Name") not in shell.input_streams.split():
                raise Problem(Code.SCHEMA, f"The shell has no stream {stream.get('Name')}.")
            try:
                data = base64.b64decode(stream.text or "", validate=True)
            except binascii.Error as error:
                raise Problem(Code.SCHEMA, "The input is no base64.") from error
            end = stream.get("End", "false").casefold() == "true"
            shell.command(stream.get("CommandId", "")).feed(data, end=end)
        return soap.answer(request, "<rsp:SendResponse/>")

    def _receive(self, request: Request, shell: Shell, pointless: Pointless) -> bytes:
        _only(request, RECEIVE_OPTIONS)
        wanted = request.element("Receive").find(f"{{{soap.SHELL}}}DesiredStream")
        if wanted is None or (wanted.text or "").split() != shell.output_streams.split():
            raise NotSimulated("a Receive that does not ask for all streams of its shell")
        identity = wanted.get("CommandId", "")
        command = shell.command(identity)
        # Two streams, each a third longer as base64.
        room = (request.largest - ENVELOPE) * 3 // 4 // 2
        most = min(self._settings.receive_bytes or room, room)

        def still_wanted() -> bool:
            shell.used = time.monotonic()
            return pointless()

        try:
            said = command.receive(request.timeout, most, still_wanted)
        except Problem:
            # A restart or a rebooted computer is told as such, not as the abort it causes.
            self._shells.get(shell.id, shell.user)
            raise
        return soap.answer(request, _received(identity, said))

    def _signal(self, request: Request, shell: Shell) -> bytes:
        signal = request.element("Signal")
        code = signal.findtext(f"{{{soap.SHELL}}}Code", "").rpartition("/signal/")[2].casefold()
        if code not in SIGNALS:
            raise Problem(Code.SCHEMA, f"There is no signal {code}.")
        command = shell.command(signal.get("CommandId", ""))
        command.end()
        shell.commands.pop(command.id, None)
        return soap.answer(request, "<rsp:SignalResponse/>")


class _TooLong:
    """cmd.exe with a line that is too long for it: it says so, and ends."""

    def feed(self, data: bytes, *, end: bool) -> None:
        pass

    def receive(self, longest: float) -> Output:  # noqa: ARG002 - the protocol's
        return Output(stderr=b"The command line is too long.\r\n", exit_code=1)

    def end(self) -> None:
        pass


def _only(request: Request, known: set[str]) -> None:
    if unknown := set(request.options) - known:
        raise NotSimulated(f"the options {', '.join(sorted(unknown))} of {request.verb}")


def _seconds(text: str) -> float:
    try:
        return durations.seconds(text)
    except ValueError as error:
        raise Problem(Code.SCHEMA, str(error)) from error


def _identity() -> str:
    return (
        f'<i:IdentifyResponse xmlns:i="{soap.IDENTITY}">'
        f"<i:ProtocolVersion>{soap.WSMAN}</i:ProtocolVersion>"
        "<i:ProductVendor>Microsoft Corporation</i:ProductVendor>"
        "<i:ProductVersion>OS: 10.0.20348 SP: 0.0 Stack: 3.0</i:ProductVersion>"
        "</i:IdentifyResponse>"
    )


def _created(shell: Shell) -> str:
    identity, user = escape(shell.id), escape(shell.user)
    return (
        f"<x:ResourceCreated><a:Address>{ADDRESS}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{CMD}</w:ResourceURI><w:SelectorSet>"
        f'<w:Selector Name="ShellId">{identity}</w:Selector></w:SelectorSet>'
        "</a:ReferenceParameters></x:ResourceCreated>"
        f"<rsp:Shell><rsp:ShellId>{identity}</rsp:ShellId><rsp:ResourceUri>{CMD}"
        f"</rsp:ResourceUri><rsp:Owner>{user}</rsp:Owner>"
        f"<rsp:IdleTimeOut>{durations.written(shell.idle_timeout)}</rsp:IdleTimeOut>"
        f"<rsp:InputStreams>{escape(shell.input_streams)}</rsp:InputStreams>"
        f"<rsp:OutputStreams>{escape(shell.output_streams)}</rsp:OutputStreams></rsp:Shell>"
    )


def _received(identity: str, said: Received) -> str:
    command = escape(identity, {'"': "&quot;"})
    streams = "".join(
        f'<rsp:Stream Name="{name}" CommandId="{command}">{base64.b64encode(data).decode()}'
        "</rsp:Stream>"
        for name, data in (("stdout", said.stdout), ("stderr", said.stderr))
        if data
    )
    if said.exit_code is None:
        state = f'<rsp:CommandState CommandId="{command}" State="{STATE}/Running"/>'
    else:
        state = (
            f'<rsp:CommandState CommandId="{command}" State="{STATE}/Done">'
            f"<rsp:ExitCode>{said.exit_code}</rsp:ExitCode></rsp:CommandState>"
        )
    return f"<rsp:ReceiveResponse>{streams}{state}</rsp:ReceiveResponse>"
