#!/usr/bin/env python3
"""Take a machine out of HAProxy before it is patched, and back in after it.

    hooks:
      - name: drain
        when: before
        of: machine
        command: [../../examples/hooks/haproxy.py, "127.0.0.1:9999", "web/{name}"]
        timeout: 10m
        on_failure: skip_machine
      - name: undrain
        when: after
        of: machine
        command: [../../examples/hooks/haproxy.py, "127.0.0.1:9999", "web/{name}"]

Arguments: HAProxy's admin socket (a path, or host:port; `stats socket ... level admin`), and
BACKEND/SERVER. Before, the server is set to `drain` and its sessions are waited for; the hook's
timeout is the limit. After, it is set to `ready`, however the machine ended: health checks of
HAProxy's own decide whether it gets requests. As a test it only looks whether the server is known.
"""

from __future__ import annotations

import csv
import io
import json
import socket
import sys
import time

POLL_SECONDS = 1.0
ANSWER_SECONDS = 10.0


class Refused(Exception):
    """HAProxy does not do, or does not know, what it was asked."""


def ask(where: str, command: str) -> str:
    """Send one command to the admin socket and return the answer."""
    host, _, port = where.rpartition(":")
    if port.isdigit():
        link = socket.create_connection((host, int(port)), ANSWER_SECONDS)
    else:
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(ANSWER_SECONDS)
        link.connect(where)
    with link:
        link.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: link.recv(65536), b"")).decode()


def sessions(where: str, backend: str, server: str) -> int:
    """Return how many sessions a server has now."""
    table = ask(where, "show stat").removeprefix("# ")
    for row in csv.DictReader(io.StringIO(table)):
        if (row["pxname"], row["svname"]) == (backend, server):
            return int(row["scur"])
    raise Refused(f"HAProxy at {where} knows no server {backend}/{server}")


def set_state(where: str, name: str, state: str) -> None:
    """Set a server's state. HAProxy says nothing where it has done so."""
    said = ask(where, f"set server {name} state {state}").strip()
    if said:
        raise Refused(f"{name} was not set to {state}: {said}")


def drain(where: str, name: str) -> None:
    """Give a server no new sessions, and wait for those that it has."""
    backend, _, server = name.partition("/")
    set_state(where, name, "drain")
    while count := sessions(where, backend, server):
        print(f"{name}: {count} sessions left", flush=True)
        time.sleep(POLL_SECONDS)


def main() -> int:
    """Do what the moment asks for."""
    where, name = sys.argv[1:]
    told = json.load(sys.stdin)
    try:
        if told["test"]:
            backend, _, server = name.partition("/")
            print(f"a test: {name} has {sessions(where, backend, server)} sessions")
        elif told["when"] == "before":
            drain(where, name)
            print(f"{name} is drained")
        else:
            set_state(where, name, "ready")
            print(f"{name} is ready")
    except (OSError, Refused) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
