"""A mail server on the loopback address: enough of SMTP to take mails, or to refuse them."""

from __future__ import annotations

import socketserver
import ssl
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class MailServer:
    """What came, and what is refused."""

    port: int = 0
    refuse: str = ""
    """Answer to RCPT in place of yes."""
    tls: ssl.SSLContext | None = None
    mails: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    """What was sent to log in, each only over TLS."""


class _Talk(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.socket = self.request
        self.lines = self.socket.makefile("rb")
        self.say("220 test")
        while line := self.lines.readline():  # anew each time: TLS changes what is read from
            if self.answer(line.decode().strip()):
                return

    def finish(self) -> None:
        self.lines.close()
        self.socket.close()

    def say(self, *lines: str) -> None:
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def answer(self, line: str) -> bool:
        told, verb = self.server.told, line.split(maxsplit=1)[0].upper()
        if verb == "EHLO":
            secured = isinstance(self.socket, ssl.SSLSocket)
            more = "250 AUTH PLAIN" if secured else "250 STARTTLS" if told.tls else "250 HELP"
            self.say("250-test", more)
        elif verb == "STARTTLS":
            assert told.tls is not None
            self.say("220 go on")
            try:
                self.socket = told.tls.wrap_socket(self.socket, server_side=True)
            except OSError:
                return True
            self.lines = self.socket.makefile("rb")
        elif verb == "AUTH":
            told.logins.append(b64decode(line.split()[2]))
            self.say("235 welcome")
        elif verb == "RCPT":
            told.recipients.append(line)
            self.say(told.refuse or "250 ok")
        elif verb == "DATA":
            self.say("354 go on")
            told.mails.append(b"".join(iter(self.lines.readline, b".\r\n")).decode())
            self.say("250 ok")
        else:
            self.say("221 bye" if verb == "QUIT" else "250 ok")
        return verb == "QUIT"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, told: MailServer) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.told = told


@contextmanager
def taking_mail(tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """Take mails while inside."""
    told = MailServer(tls=tls)
    with _Server(told) as server:
        told.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join(5)
