"""CloudEvents 1.0, posted to a real socket."""

from __future__ import annotations

import json
from datetime import datetime

from patchyard.notifiers.webhook import cloud_event, send
from tests.checks.servers import closed_port
from tests.hooks.receiver import receiving
from tests.notifiers.letters import AT, letter


def test_a_notice_is_a_cloud_event_in_its_structured_form() -> None:
    with receiving() as receiver:
        assert send(letter(receiver.url)) == ""
    (posted,) = receiver.posted
    assert posted.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    event = json.loads(posted.body)
    required = {name: event[name] for name in ("specversion", "id", "source", "type")}
    assert required == {
        "specversion": "1.0",
        "id": "fleet/web@2026-03-14/1h/email",
        "source": "/patchyard/fleet",
        "type": "patchyard.window.announced",
    }
    assert datetime.fromisoformat(event["time"]) == AT
    assert event["datacontenttype"] == "application/json"
    assert event["data"]["machines"] == ["web-1", "web-2"]
    # Names of attributes: lower-case letters and digits only (CloudEvents 1.0, section 3.1).
    assert all(name.isalnum() and name.islower() for name in event)


def test_the_source_is_a_uri_reference_whatever_the_inventory_is_called() -> None:
    event = cloud_event(letter(inventory="my fleet").message)
    assert event["source"] == "/patchyard/my%20fleet"


def test_what_is_not_taken_is_told() -> None:
    with receiving() as receiver:
        receiver.status = 500
        assert send(letter(receiver.url)) == "answered 500"
    assert "could not be called" in send(letter(f"http://127.0.0.1:{closed_port()}/"))
