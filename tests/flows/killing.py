"""Processes that are killed without a word, as the kernel or a power cut ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from flows import server
from patchyard.settings import settings
from tests.flows.conftest import Api

DISPATCHER = """
import os, signal, sys
from flows.booked import Desk
from flows.dispatch import dispatch

inventory, verb, last, when = sys.argv[1:]
done = 0

def deadly(act):
    def acting(*given):
        global done
        done += 1
        if done == int(last) and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = act(*given)
        if done == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return acting

setattr(Desk, verb, deadly(getattr(Desk, verb)))
dispatch(inventory=inventory, dry_run=False, ahead_hours=30)
"""
"""A dispatcher that is killed before or after its so-many-th call of one verb of its desk."""


def killed_dispatcher(url: str, inventory: Path, verb: str, last: int, when: str = "after") -> None:
    """Let a dispatcher work until it is killed."""
    ended = subprocess.run(
        [sys.executable, "-c", DISPATCHER, str(inventory), verb, str(last), when],
        env={**os.environ, "PREFECT_API_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def kill_tree(root: int) -> list[int]:
    """Kill a process and all that it has started, at once. Answers their ids."""
    family = [root, *_below(root)]
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    return family


def _below(pid: int) -> Iterator[int]:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield int(child)
        yield from _below(int(child))


def kill_server(url: str) -> None:
    """Kill the session's Prefect server, and wait until its port is free."""
    kill_tree(int((settings().home / "prefect-server.pid").read_text()))
    deadline = time.monotonic() + 20
    while server.answers(url):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def revive(api: Api, url: str) -> None:
    """Start the server again, with its port and its database."""
    assert server.start() == url
    api.until(lambda: server.answers(url), 60)
