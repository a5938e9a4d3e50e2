"""The SSH server of a simulated yard: one process, one address for each machine.

    python -m patchyard.testing.simulated.server FOLDER

It runs what a client asks for by the real shell, with the stand-in tools in front, and ends when
its standard input does, so that it cannot outlive whoever started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from patchyard.testing.simulated.building import start_anew
from patchyard.testing.simulated.machine import Fault

BACKLOG = 64
PIECE = 65536
NOTICED = 0.05
"""Seconds between the order to reboot and the machine going down: the order itself must end."""


@dataclass
class Host:
    """One machine as the server knows it."""

    name: str
    address: str
    root: Path
    password: str
    acceptor: asyncssh.SSHAcceptor | None = None
    links: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    sessions: set[int] = field(default_factory=set)

    @property
    def off(self) -> Path:
        """The file that says that the machine is off."""
        return self.root / ".simulated/off"

    def fault(self, fault: Fault) -> Path:
        """Return the file that says that the machine has a fault."""
        return self.root / ".simulated/faults" / fault.value


class _Login(asyncssh.SSHServer):
    """Who may log in to which machine. The address says which machine was meant."""

    def __init__(self, hosts: dict[str, Host]) -> None:
        self._hosts = hosts
        self._host: Host | None = None
        self._link: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._host = self._hosts[conn.get_extra_info("sockname")[0]]
        self._host.links.add(conn)
        self._link = conn

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncssh has it
        if self._host is not None and self._link is not None:
            self._host.links.discard(self._link)

    def password_auth_supported(self) -> bool:
        return bool(self._host and self._host.password)

    def validate_password(self, username: str, password: str) -> bool:  # noqa: ARG002 - any user
        return bool(self._host and self._host.password == password)


async def _feed(source: asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter) -> None:
    """Hand on what the client sends, until it says that this was all or the command is over."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(PIECE):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _pass_on(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    """Hand on what the command prints. Where nobody listens any more, it may go on printing."""
    listening = True
    while data := await source.read(PIECE):
        if listening:
            try:
                sink.write(data)
                await sink.drain()
            except (OSError, asyncssh.Error):
                listening = False


class Server:
    """All machines of a yard, and what happens to them."""

    def __init__(self, folder: Path) -> None:
        spec = json.loads((folder / "yard.json").read_text())
        self._folder = folder
        self._port = int(spec["port"])
        self._away = float(spec["reboot_seconds"])
        self._hosts = {
            row["address"]: Host(
                name=row["name"],
                address=row["address"],
                root=folder / "machines" / row["name"] / "root",
                password=row["password"],
            )
            for row in spec["machines"]
        }
        self._by_name = {host.name: host for host in self._hosts.values()}
        self._path = f"{folder / 'base/tools'}:/usr/local/bin:/usr/bin:/bin"
        self._background: set[asyncio.Task[None]] = set()
        self._acts = {"reboot": self._reboot, "on": self._turn_on, "off": self._turn_off}
        self._options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Login(self._hosts),
            server_host_keys=[str(folder / "host_key")],
            authorized_client_keys=str(folder / "inventory/keys/id_ed25519.pub"),
            process_factory=self._serve,
            encoding=None,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_scp=False,
            compression_algs=["none"],
        )

    async def run(self) -> None:
        """Serve until standard input ends or the process is told to stop."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        loop.add_reader(sys.stdin.fileno(), self._hear_starter, ended)
        control = os.open(self._folder / "control", os.O_RDWR | os.O_NONBLOCK)
        loop.add_reader(control, self._hear_machines, control)
        try:
            for host in self._hosts.values():
                if not host.off.exists():
                    await self._go_up(host)
            print(f"ready {self._port}", flush=True)  # noqa: T201 - the starter waits for it
            await ended.wait()
        finally:
            for host in self._hosts.values():
                self._go_down(host)

    def _hear_starter(self, ended: asyncio.Event) -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            ended.set()

    def _hear_machines(self, control: int) -> None:
        for line in os.read(control, 65536).decode().splitlines():
            verb, _, folder = line.partition(" ")
            host = self._by_name.get(Path(folder).name)
            act = self._acts.get(verb)
            if act is not None and host is not None:
                task = asyncio.ensure_future(act(host))
                self._background.add(task)
                task.add_done_callback(self._background.discard)

    async def _go_up(self, host: Host) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.address, self._port))
        self._port = listening.getsockname()[1]
        host.acceptor = await asyncssh.listen(
            sock=listening, backlog=BACKLOG, options=self._options
        )

    def _go_down(self, host: Host) -> None:
        if host.acceptor is not None:
            host.acceptor.close()
            host.acceptor = None
        for link in tuple(host.links):
            link.abort()
        for leader in (*host.sessions, *self._units(host)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)

    def _units(self, host: Host) -> list[int]:
        """Return the processes that systemd-run started on a machine and that still live."""
        found = []
        marker = f"PATCHYARD_ROOT={host.root}\0".encode()
        for unit in (host.root / ".simulated/units").iterdir():
            leader = unit.read_text().strip()
            with contextlib.suppress(OSError):
                # A number that another process has by now must not be hit.
                if marker in Path(f"/proc/{leader}/environ").read_bytes() + b"\0":
                    found.append(int(leader))
        return found

    async def _turn_on(self, host: Host) -> None:
        """Start a machine that is off; it answers some time later, as a machine that reboots."""
        if host.off.exists():
            host.off.unlink()
            await asyncio.sleep(self._away)
            start_anew(host.root)
            await self._go_up(host)

    async def _turn_off(self, host: Host) -> None:
        if host.acceptor is not None:
            self._go_down(host)
            host.off.touch()

    async def _reboot(self, host: Host) -> None:
        if host.acceptor is None:
            return
        await asyncio.sleep(NOTICED)
        self._go_down(host)
        if host.fault(Fault.NEVER_BACK).exists():
            return
        await asyncio.sleep(self._away)
        start_anew(host.root)
        await self._go_up(host)

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run one command as a login shell would, and hand its end on."""
        host = self._hosts[process.get_extra_info("sockname")[0]]
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            *(("-c", process.command) if process.command else ("-s",)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment(host),
            cwd=host.root / "tmp",
            start_new_session=True,
        )
        host.sessions.add(child.pid)
        try:
            await self._converse(host, process, child)
        finally:
            host.sessions.discard(child.pid)

    async def _converse(
        self,
        host: Host,
        process: asyncssh.SSHServerProcess[bytes],
        child: asyncio.subprocess.Process,
    ) -> None:
        stdin, stdout, stderr = child.stdin, child.stdout, child.stderr
        if stdin is None or stdout is None or stderr is None:
            raise RuntimeError("the shell has no pipes")
        drops = host.fault(Fault.DROPS_LINK)
        feeding = asyncio.ensure_future(_feed(process.stdin, stdin))
        if drops.exists():
            limit = int(drops.read_text())
            drops.unlink()
            process.stdout.write(await stdout.read(limit))
            process.channel.get_connection().abort()
        await asyncio.gather(_pass_on(stdout, process.stdout), _pass_on(stderr, process.stderr))
        status = await child.wait()
        feeding.cancel()
        if status < 0:
            process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            process.exit(status)

    def _environment(self, host: Host) -> dict[str, str]:
        return {
            "PATH": self._path,
            "HOME": str(host.root / "tmp"),
            "USER": "patchyard",
            "LOGNAME": "patchyard",
            "SHELL": "/bin/sh",
            "PATCHYARD_ROOT": str(host.root),
        }


def main() -> None:
    """Serve the yard whose folder is the only argument."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    asyncssh.set_log_level("CRITICAL")
    asyncio.run(Server(Path(sys.argv[1])).run())


if __name__ == "__main__":
    main()
