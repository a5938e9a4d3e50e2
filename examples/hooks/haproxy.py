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
BACKEND/SERVER. The hook's timeout is the limit of all that is waited for.

Before, the server gets no new sessions (`drain`), those that it has are waited for, and then it is
taken out (`maint`): a server that only drains is still sent the clients that a cookie or a stick
table binds to it. After, it is `ready`, however the machine ended, also where a person had taken it
out before. Where HAProxy checks it, it gets requests once it passes as many checks as `rise` says;
that is waited for where the machine came to a good end or was left alone, so that the next one is
not drained while this one is still out. As a test it only looks whether the server is known.
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
GOOD_ENDS = {"Succeeded", "CompletedWithWarnings", "rolled_back", "refused"}


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


def stats(where: str, name: str) -> dict[str, str]:
    """Return what HAProxy tells of a server."""
    backend, _, server = name.partition("/")
    table = ask(where, "show stat").removeprefix("# ")
    for row in csv.DictReader(io.StringIO(table)):
        if (row["pxname"], row["svname"]) == (backend, server):
            return row
    raise Refused(f"HAProxy at {where} knows no server {name}")


def order(where: str, name: str, what: str) -> None:
    """Change a server. HAProxy says nothing where it has done so."""
    said = ask(where, f"set server {name} {what}").strip()
    if said:
        raise Refused(f"{name} was not set to {what}: {said}")


def wait_for_sessions(where: str, name: str) -> None:
    """Wait until a server has no sessions."""
    while count := int(stats(where, name)["scur"]):
        print(f"{name}: {count} sessions left", flush=True)
        time.sleep(POLL_SECONDS)


def drain(where: str, name: str) -> str:
    """Give a server no new sessions, wait for those that it has, and take it out."""
    order(where, name, "state drain")
    wait_for_sessions(where, name)
    order(where, name, "state maint")
    # One may have come between the last look and the order.
    wait_for_sessions(where, name)
    return f"{name} is drained"


def let_in(where: str, name: str, ended: str) -> str:
    """Take a server back in, and wait until it passes its checks where it should."""
    was_out = stats(where, name)["status"].startswith("MAINT")
    order(where, name, "state drain")
    # HAProxy does not check what is out, and takes it for well when it comes back until a check
    # fails. Taken for down it must first pass its checks; without any it would be down for good.
    if was_out and stats(where, name)["check_status"]:
        order(where, name, "health down")
    order(where, name, "state ready")
    while ended in GOOD_ENDS and stats(where, name)["status"].startswith("DOWN"):
        print(f"{name} is ready, and does not pass its checks yet", flush=True)
        time.sleep(POLL_SECONDS)
    return f"{name} is ready"


def main() -> int:
    """Do what the moment asks for."""
    where, name = sys.argv[1:]
    told = json.load(sys.stdin)
    try:
        if told["test"]:
            print(f"a test: {name} has {stats(where, name)['scur']} sessions")
        elif told["when"] == "before":
            print(drain(where, name))
        else:
            print(let_in(where, name, told["outcome"]["status"]))
    except (OSError, Refused) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
