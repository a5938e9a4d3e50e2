"""A notice as an electronic mail, handed to the server that the settings name."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from patchyard.checks.base import excerpt
from patchyard.domain.noticing import Message
from patchyard.errors import ConfigurationError
from patchyard.notifiers.base import Letter, Notifier
from patchyard.secrets import resolve
from patchyard.settings import Settings, settings
from patchyard.within import within

LIMIT_SECONDS = 30
"""How long the server may take for each answer."""

LIMIT_SECONDS_IN_ALL = 120
"""How long it may take for the whole of a mail: an answer may come byte by byte."""


def mail(message: Message, sender: str, to: str) -> EmailMessage:
    """Return a message as a mail. Its id is the same however often it is sent."""
    made = EmailMessage()
    made["From"], made["To"] = sender, to
    made["Subject"] = " ".join(message.title.split())
    made["Date"] = format_datetime(message.at)
    digest = hashlib.sha256(message.id.encode()).hexdigest()[:32]
    made["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.text)
    return made


def send(letter: Letter) -> str:
    """Hand a letter's message to the mail server."""
    seconds = LIMIT_SECONDS_IN_ALL
    try:
        given = within(seconds, lambda: _hand_over(letter, settings()))
    except (OSError, smtplib.SMTPException, ConfigurationError, ValueError) as error:
        return excerpt(f"the mail was not taken: {str(error) or type(error).__name__}")
    return "" if given else f"the mail was not taken within {seconds} s"


def _hand_over(letter: Letter, found: Settings) -> bool:
    _check(found)
    with _server(found) as server:
        if found.smtp_user:
            server.login(found.smtp_user, _password(found, letter.inventory.folder))
        server.send_message(mail(letter.message, found.mail_from, letter.address))
    return True


def _check(found: Settings) -> None:
    missing = [name for name in ("smtp_host", "mail_from") if not getattr(found, name)]
    if missing:
        names = " and ".join(f"PATCHYARD_{name.upper()}" for name in missing)
        raise ConfigurationError.of(f"{names} must be set where runs are carried out")
    if found.smtp_user and found.smtp_security == "none":
        raise ConfigurationError.of(
            "a password is not sent in the clear; set PATCHYARD_SMTP_SECURITY to starttls or tls"
        )


def _server(found: Settings) -> smtplib.SMTP:
    context = ssl.create_default_context()
    host, port = found.smtp_host, found.smtp_port
    if found.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=LIMIT_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=LIMIT_SECONDS)
    if found.smtp_security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _password(found: Settings, folder: str) -> str:
    return resolve(found.smtp_password, Path(folder)).get_secret_value()


NOTIFIER = Notifier(name="email", send=send)
