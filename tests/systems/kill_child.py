"""Runs of a Windows computer whose controller is killed, and gone on with by another one.

    python -m tests.systems.kill_child FOLDER < orders > results

Each order is a line of JSON: the kind of run, and the steps and points at which a controller is to
be killed. This process has imported everything and has no threads. It forks the computer with its
WinRM server, the controllers that are killed one after the other, and the one that ends the run.
Orders and results are of `test_windows_kills.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from patchyard.domain.inventory import CheckSpec
from patchyard.jobs import BUSY
from patchyard.store import open_store
from patchyard.templates import render
from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.host.catalogue import DEFENDER, DOTNET, HOTPATCH_2022, LCU_2022
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.profiles import AZURE_2022, SERVER_2022
from patchyard.testing.windows.powershell.lint import shipped
from patchyard.testing.windows.powershell.statements import parse
from tests.systems import served
from tests.systems.kill_controller import FACTOR, Asked, Point, Points, control

LONGEST = 240
"""Seconds after which any process here ends that has not ended."""

NOT_5499 = CheckSpec(
    kind="powershell",
    options={
        "expression": "(Get-ItemProperty -LiteralPath "
        "'HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion').UBR -ne 5499"
    },
)
"""Something of the operator's own, which does not get on with the newest build."""


PLAIN = Asked()


@dataclass(frozen=True)
class Kind:
    """A kind of run: what the computer is, and what is asked of it."""

    computer: Callable[[], SimulatedComputer]
    asked: Asked = PLAIN


def _plain() -> SimulatedComputer:
    return served.computer(SERVER_2022, LCU_2022, DEFENDER, factor=FACTOR)


def _hotpatch() -> SimulatedComputer:
    return served.computer(AZURE_2022, HOTPATCH_2022, factor=FACTOR)


def _rounds() -> SimulatedComputer:
    return served.computer(SERVER_2022, LCU_2022, DOTNET, factor=FACTOR, kind=served.OneAtATime)


def _failing() -> SimulatedComputer:
    made = served.computer(SERVER_2022, DEFENDER, DOTNET, factor=FACTOR)
    made.cause(Fault.INSTALL_FAILS, update=DOTNET, hresult=0x80070643)
    return made


def _damaged() -> SimulatedComputer:
    made = served.computer(SERVER_2022, LCU_2022, factor=FACTOR)
    made.cause(Fault.STORE_CORRUPT)
    made.owe_reboot()
    return made


KINDS: Mapping[str, Kind] = {
    "plain": Kind(_plain),
    "hotpatch": Kind(
        _hotpatch, Asked(served.EVERYTHING.model_copy(update={"hotpatch_only": True}))
    ),
    "undo": Kind(_plain, Asked(checks=(served.SERVICES, NOT_5499))),
    "rounds": Kind(_rounds),
    "failing": Kind(_failing),
    "damaged": Kind(_damaged),
}


# --- the computer -----------------------------------------------------------------------------


def be_computer(kind: Kind, tell: int, end: int) -> None:
    """Serve a computer until `end` is closed, and then tell what was done to it."""
    computer = kind.computer()
    with served.serve(computer) as server:
        facts = {
            "port": server.http_port,
            "start": computer.clock.time(),
            "origin": time.monotonic(),
        }
        os.write(tell, (json.dumps(facts) + "\n").encode())
        os.read(end, 1)
        computer.tasks.wait(5)
        updates, tasks = computer.updates, computer.tasks
        # A start that was refused, for another change was at work, has begun nothing.
        starts = [n - tasks.exits[name, int(BUSY)] for name, n in tasks.launched.items()]
        told = {
            "installed": {kb: n for (what, kb), n in updates.begun.items() if what == "install"},
            "removed": dict(computer.store.removals),
            "build": computer.store.version,
            "boots": computer.boot,
            "starts": max(starts),
            "refused": [*computer.refused, *server.counts.refusals],
            "log_ins_refused": server.counts.refused,
        }
        os.write(tell, (json.dumps(told) + "\n").encode())


# --- one order --------------------------------------------------------------------------------


def fork(work: Callable[[], None], errors: Path) -> int:
    """Do something in a process of its own; returns its number."""
    child = os.fork()
    if child:
        return child
    signal.alarm(LONGEST)
    code = 1
    try:
        work()
        (errors.parent / f"modules-{os.getpid()}").write_text("\n".join(sys.modules))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
        with errors.open("a") as file:
            traceback.print_exc(file=file)
    os._exit(code)


def ended(child: int) -> int:
    """Wait for a process; returns its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def carry_out(folder: Path, order: Mapping[str, Any]) -> dict[str, Any]:
    """Do one order; returns what came of it."""
    kind = KINDS[order["kind"]]
    errors = folder / "errors"
    told_r, told_w = os.pipe()
    end_r, end_w = os.pipe()

    def host() -> None:
        os.close(end_w)
        be_computer(kind, told_w, end_r)

    computer = fork(host, errors)
    os.close(told_w)
    os.close(end_r)
    with os.fdopen(told_r) as told:
        facts = json.loads(told.readline())

        def controller(deadly: Point | None) -> int:
            return ended(
                fork(
                    lambda: control(folder, facts, kind.asked, Points(folder / "points", deadly)),
                    errors,
                )
            )

        codes = [controller((step, point)) for step, point in order.get("deadly", [])]
        codes.append(controller(None))
        os.close(end_w)
        host_told = json.loads(told.readline() or "{}")
    ended(computer)
    return {**order, "codes": codes, "host": host_told, **record(folder)}


def record(folder: Path) -> dict[str, Any]:
    """Return what the store says of the run, and what the controllers have left."""
    with open_store(f"sqlite:///{folder / 'patchyard.db'}") as store:
        (machine,) = store.machines(served.RUN)
        steps = store.steps(served.RUN, served.NAME)
    errors = folder / "errors"
    return {
        "status": machine.status,
        "reason": machine.reason,
        "steps": [step.key for step in steps],
        "open": [step.key for step in steps if step.open],
        "points": [json.loads(line) for line in (folder / "points").read_text().splitlines()],
        "errors": errors.read_text() if errors.exists() else "",
    }


def warm_up(folder: Path) -> None:
    """Do here what each fork would do anew: import, read the scripts, lay out a database."""
    for name in shipped():
        with contextlib.suppress(NotSimulated, jinja2.TemplateError):
            parse(render(name))
    open_store(f"sqlite:///{folder / 'empty.db'}").close()


def import_what_was_used(folder: Path) -> None:
    """Import what the processes of the first order have imported, once for all that follow."""
    for path in folder.glob("modules-*"):
        for name in path.read_text().split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def main(folder: Path) -> None:
    os.environ["PATCHYARD_HOME"] = str(folder / "home")
    warm_up(folder)
    for number, line in enumerate(sys.stdin):
        place = folder / str(number)
        place.mkdir(parents=True)
        shutil.copy(folder / "empty.db", place / "patchyard.db")
        print(json.dumps(carry_out(place, json.loads(line))), flush=True)
        if number == 0:
            import_what_was_used(place)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
