"""A notice as a CloudEvent 1.0, in the structured JSON form, posted to a URL."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import quote

from patchyard.domain.noticing import Message
from patchyard.hooks.webhook import post
from patchyard.notifiers.base import Letter, Notifier

LIMIT = timedelta(seconds=30)
"""How long the receiver may take to answer."""


def cloud_event(message: Message) -> dict[str, Any]:
    """Return a message with the attributes that CloudEvents 1.0 names."""
    return {
        "specversion": "1.0",
        "id": message.id,
        "source": f"/patchyard/{quote(message.inventory)}",
        "type": message.type,
        "subject": message.subject,
        "time": message.at.astimezone(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {"title": message.title, "text": message.text, **message.data},
    }


def send(letter: Letter) -> str:
    """Post a letter's message."""
    headers = {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "Idempotency-Key": letter.message.id,
    }
    body = json.dumps(cloud_event(letter.message), ensure_ascii=False)
    ended = post(letter.address, letter.inventory.folder, body, headers=headers, timeout=LIMIT)
    return ended.detail if ended.code else ""


NOTIFIER = Notifier(name="webhook", send=send)
