#!/usr/bin/env python3
"""Silence Alertmanager for the machines of a run, and end the silence after it.

    hooks:
      - name: silence
        when: before
        of: run
        command: [../../examples/hooks/alertmanager.py, "http://127.0.0.1:9093", instance]
        on_failure: warn
      - name: speak
        when: after
        of: run
        command: [../../examples/hooks/alertmanager.py, "http://127.0.0.1:9093", instance]
        on_failure: warn

Arguments: the address of Alertmanager, and the label that holds a machine's name, alone or with a
port. The silence names the run in its comment, so that it is made once and found again; it ends by
itself an hour after the window, or after twelve hours, should nobody end it before.
`ALERTMANAGER_TOKEN` in the environment is sent as a bearer token. As a test it only asks for the
status.
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

ANSWER_SECONDS = 20
AFTER_WINDOW = timedelta(hours=1)
WITHOUT_WINDOW = timedelta(hours=12)


def ask(base: str, method: str, path: str, body: object = None) -> Any:
    """Ask Alertmanager's API, version 2, and return the answer."""
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("ALERTMANAGER_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base}/api/v2/{path}", data, headers, method=method)  # noqa: S310 - the operator's own
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - as above
        text = answer.read()
    return json.loads(text) if text.strip() else None


def comment(told: dict[str, Any]) -> str:
    """Return what the silence of a run says, and is found by."""
    return f"patchyard run {told['run']['id']}"


def ours(base: str, told: dict[str, Any]) -> list[str]:
    """Return the ids of a run's silences that have not ended."""
    found = ask(base, "GET", "silences")
    return [
        each["id"]
        for each in found
        if each["comment"] == comment(told) and each["status"]["state"] != "expired"
    ]


def silence(base: str, label: str, told: dict[str, Any]) -> str:
    """Make the run's silence, unless it is there."""
    if there := ours(base, told):
        return f"silence {there[0]} is there already"
    now, window = datetime.now(UTC), told["run"]["window"]
    end = datetime.fromisoformat(window["end"]) + AFTER_WINDOW if window else now + WITHOUT_WINDOW
    names = "|".join(re.escape(machine["name"]) for machine in told["machines"])
    matcher = {"name": label, "value": f"({names})(:[0-9]+)?", "isRegex": True, "isEqual": True}
    body = {
        "matchers": [matcher],
        "startsAt": now.isoformat(),
        "endsAt": max(end, now + AFTER_WINDOW).isoformat(),
        "createdBy": "patchyard",
        "comment": comment(told),
    }
    made = ask(base, "POST", "silences", body)
    return f"silence {made['silenceID']} until {body['endsAt']}"


def speak(base: str, told: dict[str, Any]) -> str:
    """End the run's silences."""
    there = ours(base, told)
    for each in there:
        ask(base, "DELETE", f"silence/{each}")
    return f"ended {', '.join(there) or 'no silence: there is none'}"


def main() -> int:
    """Do what the moment asks for."""
    base, label = sys.argv[1].rstrip("/"), sys.argv[2]
    told = json.load(sys.stdin)
    try:
        if told["test"]:
            version = ask(base, "GET", "status")["versionInfo"]["version"]
            print(f"a test: Alertmanager {version} answers")
        elif told["when"] == "before":
            print(silence(base, label, told))
        else:
            print(speak(base, told))
    except urllib.error.HTTPError as error:
        print(f"Alertmanager at {base}: {error}: {error.read(300).decode(errors='replace')}")
        return 1
    except (OSError, ValueError, KeyError) as error:
        print(f"Alertmanager at {base}: {error!r}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
