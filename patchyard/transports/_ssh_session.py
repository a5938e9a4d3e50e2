"""One SSH session with one host: handshake, host key, log-in. Every failure gets its kind here."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path
from typing import cast

import paramiko

from patchyard.errors import HostKeyRejected, MachineError, ProtocolError, TimedOut, Unreachable
from patchyard.transports import _known_hosts
from patchyard.transports._known_hosts import HostKey, KnownHosts, host_name
from patchyard.transports._route import Hop
from patchyard.transports._ssh_login import log_in
from patchyard.transports._wire import Endpoint, ProxyWire, Wire

# Machine trouble is raised, never logged; what paramiko has to say repeats it with a traceback.
_LOGGER = logging.getLogger("paramiko")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes128-ctr")
DIGESTS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
JOIN = 1.0
"""Seconds for a connection's own thread to end once its wire is cut; it needs milliseconds."""

TRANSPORT_ERRORS = (paramiko.SSHException, EOFError, OSError)


class _Packetizer(paramiko.packet.Packetizer):
    """Without the extra thread that paramiko starts to time a handshake; we time it ourselves."""

    def start_handshake(self, timeout: float) -> None:
        """Begin a handshake; the caller holds its deadline."""


class Session:
    """An SSH connection to one host, logged in."""

    def __init__(self, hop: Hop, wire: Wire, folder: Path) -> None:
        self.hop = hop
        self._wire = wire
        self.host_key = ""
        self.transport = paramiko.Transport(
            cast("paramiko.Channel", wire), packetizer_class=_Packetizer
        )
        try:
            self._handshake()
            log_in(self.transport, hop, folder)
        except BaseException:
            self.close()
            raise
        self.transport.set_keepalive(hop.keepalive)

    def tunnel(self, hop: Hop) -> Wire:
        """Return a wire to another host through this one.

        Raises:
            Unreachable: this host cannot or may not connect there.
        """
        limit = hop.timeouts.connect
        try:
            channel = self.transport.open_channel(
                "direct-tcpip", (hop.address, hop.port), ("127.0.0.1", 0), timeout=limit
            )
        except paramiko.ChannelException as error:
            raise self._no_tunnel(hop, error) from error
        except TRANSPORT_ERRORS as error:
            if self.transport.is_active():
                raise TimedOut(
                    f"{hop.label}: no connection through {self.hop.name} within {limit:g} s"
                ) from error
            raise Unreachable(f"{hop.label}: the link to {self.hop.name} was lost") from error
        return Wire(cast("Endpoint", channel), cut=channel.close)

    def _no_tunnel(self, hop: Hop, error: paramiko.ChannelException) -> MachineError:
        if error.code == 1:
            return ProtocolError(
                f"{hop.label}: {self.hop.name} forbids forwarding to {hop.place}; "
                "allow it there (AllowTcpForwarding, PermitOpen)"
            )
        return Unreachable(f"{hop.label}: {self.hop.name} cannot connect to it: {error.text}")

    def close(self) -> None:
        """Close at once."""
        self._wire.cut()
        with contextlib.suppress(RuntimeError):
            self.transport.join(JOIN)
        self.transport.close()
        self._wire.close()

    def _handshake(self) -> None:
        known = self._read_known()
        name = host_name(self.hop.address, self.hop.port)
        keys = known.keys(name)
        self._offer(keys)
        if not keys and not self.hop.trust_on_first_use and not self.hop.known_hosts.exists():
            detail = f"there is no file {self.hop.known_hosts}"
        else:
            detail = f"{self.hop.known_hosts} does not know it"
        self._negotiate(keys)
        remote = self.transport.get_remote_server_key()
        shown = HostKey(remote.get_name(), remote.asbytes())
        self._judge(shown, known, name, detail)
        self.host_key = f"{shown.kind} {shown.fingerprint}"

    def _read_known(self) -> KnownHosts:
        try:
            return _known_hosts.read(self.hop.known_hosts)
        except OSError as error:
            raise HostKeyRejected(
                f"{self.hop.label}: {self.hop.known_hosts} cannot be read: {error.strerror}"
            ) from error

    def _offer(self, keys: tuple[HostKey, ...]) -> None:
        """Offer modern algorithms only, and of host keys only the kinds that are known."""
        options = self.transport.get_security_options()
        options.ciphers = CIPHERS
        options.digests = DIGESTS
        if not keys:
            return
        kinds = {key.kind for key in keys}
        if "ssh-rsa" in kinds:
            kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
        usable = tuple(kind for kind in self.transport.preferred_keys if kind in kinds)
        if not usable:
            raise HostKeyRejected(
                f"{self.hop.label}: {self.hop.known_hosts} knows only keys of kinds that cannot "
                f"be used here ({', '.join(sorted(kinds))}); add its ed25519 key"
            )
        options.key_types = usable

    def _negotiate(self, keys: tuple[HostKey, ...]) -> None:
        limit = self.hop.timeouts.banner
        self.transport.banner_timeout = limit + 5
        done = threading.Event()
        self.transport.start_client(event=done)
        if not done.wait(limit):
            raise TimedOut(f"{self.hop.label}: {self._silence()} within {limit:g} s")
        if self.transport.is_active():
            return
        error = self.transport.get_exception()
        raise self._no_handshake(error, keys) from error

    def _silence(self) -> str:
        if self._wire.first:
            return "the SSH handshake did not end"
        return "connected, but no SSH banner came"

    def _no_handshake(self, error: Exception | None, keys: tuple[HostKey, ...]) -> MachineError:
        label, first = self.hop.label, self._wire.first
        if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
            if keys and "host key" in str(error):
                return HostKeyRejected(
                    f"{label}: it has no host key of a kind that {self.hop.known_hosts} knows; "
                    "was it rebuilt? Compare its key, then replace the lines in that file"
                )
            return ProtocolError(f"{label}: no common algorithms: {error}")
        if first and b"SSH-" not in first:
            return ProtocolError(f"{label}: what answers is not SSH: {first[:60]!r}")
        if not first or isinstance(error, EOFError | OSError) or "EOF" in str(error):
            said = self._wire.complaint() if isinstance(self._wire, ProxyWire) else ""
            return Unreachable(
                f"{label}: the connection was closed during the SSH handshake"
                + (f"; the proxy_command says: {said}" if said else "")
            )
        return ProtocolError(f"{label}: the SSH handshake failed: {error}")

    def _judge(self, shown: HostKey, known: KnownHosts, name: str, detail: str) -> None:
        label, file = self.hop.label, self.hop.known_hosts
        if known.revoked(name, shown):
            raise HostKeyRejected(f"{label}: its host key {shown.fingerprint} is revoked in {file}")
        keys = known.keys(name)
        if not keys and self.hop.trust_on_first_use:
            known = self._record(name, shown)
            keys = known.keys(name)
        if any(key.blob == shown.blob for key in keys):
            return
        if keys:
            raise HostKeyRejected(
                f"{label}: the host key has changed: it shows {shown.kind} {shown.fingerprint}, "
                f"{file} knows {', '.join(key.fingerprint for key in keys)}. Someone may be in "
                "between; if the machine was rebuilt, compare its key and replace the line"
            )
        raise HostKeyRejected(
            f"{label}: unknown host key {shown.kind} {shown.fingerprint}: {detail}. Compare it "
            f"on the machine, then add this line to the file: {shown.line(name).strip()}"
        )

    def _record(self, name: str, shown: HostKey) -> KnownHosts:
        try:
            return _known_hosts.record(self.hop.known_hosts, name, shown)
        except OSError as error:
            raise HostKeyRejected(
                f"{self.hop.label}: its new host key cannot be recorded in "
                f"{self.hop.known_hosts}: {error.strerror}"
            ) from error
