"""Mails, handed to a real socket by smtplib."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, suppress
from email import message_from_string
from email.policy import default
from pathlib import Path

import pytest

from patchyard.errors import ConfigurationError
from patchyard.notifiers import email
from patchyard.notifiers.email import send
from patchyard.settings import settings
from tests.checks.servers import certificate, closed_port
from tests.notifiers.letters import letter
from tests.notifiers.smtp import MailServer, taking_mail

TO = "team@company.example"


def use(monkeypatch: pytest.MonkeyPatch, port: int, **more: str) -> None:
    given = {"host": "127.0.0.1", "port": str(port), "security": "none", **more}
    for name, value in given.items():
        monkeypatch.setenv(f"PATCHYARD_SMTP_{name.upper()}", value)
    monkeypatch.setenv("PATCHYARD_MAIL_FROM", "patchyard@company.example")


def test_a_mail_is_taken_whole_and_has_the_same_id_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with taking_mail() as server:
        use(monkeypatch, server.port)
        assert send(letter(TO, title="Two\r\nlines")) == ""
        assert send(letter(TO, title="Two\r\nlines")) == ""
    mail, again = (message_from_string(text, policy=default) for text in server.mails)
    assert (mail["To"], mail["From"]) == (TO, "patchyard@company.example")
    assert mail["Subject"] == "Two lines"
    assert mail["Message-ID"] == again["Message-ID"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().splitlines() == ["It begins in 1h.", "Machines: web-1, web-2."]


def test_a_refusal_and_a_server_that_is_not_there_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with taking_mail() as server:
        server.refuse = "550 no such team"
        use(monkeypatch, server.port)
        assert "no such team" in send(letter(TO))
        assert server.mails == []
    use(monkeypatch, closed_port())
    assert "refused" in send(letter(TO))


def test_without_a_server_in_the_settings_it_says_what_to_set() -> None:
    assert "PATCHYARD_SMTP_HOST and PATCHYARD_MAIL_FROM must be set" in send(letter(TO))


@pytest.fixture
def secured(tmp_path: Path) -> MailServer:
    return MailServer(tls=certificate(tmp_path, "IP:127.0.0.1"))


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    monkeypatch: pytest.MonkeyPatch, secured: MailServer
) -> None:
    with taking_mail(secured.tls) as server:
        use(monkeypatch, server.port, security="starttls")
        assert "CERTIFICATE_VERIFY_FAILED" in send(letter(TO))
        assert (server.mails, server.logins) == ([], [])


def test_the_password_is_a_reference_and_sent_over_tls_only(
    monkeypatch: pytest.MonkeyPatch, secured: MailServer, tmp_path: Path
) -> None:
    monkeypatch.setenv("SMTP_SECRET", "s3cret")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    given = {"user": "ada", "password": "env:SMTP_SECRET"}
    with taking_mail(secured.tls) as server:
        use(monkeypatch, server.port, security="starttls", **given)
        assert send(letter(TO)) == ""
        assert server.logins == [b"\0ada\0s3cret"]
        assert len(server.mails) == 1
        use(monkeypatch, server.port, security="none", **given)
        assert "not sent in the clear" in send(letter(TO))
        assert len(server.logins) == 1


def test_a_server_that_does_not_offer_tls_gets_no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    with taking_mail() as server:
        use(monkeypatch, server.port, security="starttls")
        assert "STARTTLS" in send(letter(TO))
        assert server.mails == []


def test_a_password_in_the_settings_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATCHYARD_SMTP_PASSWORD", "s3cret")
    with pytest.raises(ConfigurationError) as caught:
        settings()
    assert "must be a reference" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_answers_byte_by_byte_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(email, "LIMIT_SECONDS_IN_ALL", 1)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        use(monkeypatch, server.getsockname()[1])

        def drip() -> None:
            link, _ = server.accept()
            with link, suppress(OSError):
                for _ in range(12):
                    link.sendall(b"2")
                    time.sleep(0.2)

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        assert send(letter(TO)) == "the mail was not taken within 1 s"
        assert time.monotonic() - began < 4
        thread.join(10)


def test_no_word_of_a_title_becomes_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    with taking_mail() as server:
        use(monkeypatch, server.port)
        title = "Maintenance of a\r\nBcc: evil@company.example\n\nbody"
        assert send(letter(TO, title=title)) == ""
        told = send(letter("a@b.example\r\nBcc: evil@company.example"))
    mail = message_from_string(server.mails[0], policy=default)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Maintenance of a Bcc: evil@company.example body"
    assert told.startswith("the mail was not taken: ")
    assert len(server.recipients) == 1
