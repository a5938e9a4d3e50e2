"""Keeps one machine booted: a process of its own, so that machines outlive whoever started them.

nspawn ends with status 133 when the machine reboots itself. The supervisor starts it again, unless
the machine shall stay down, which is how a machine that never comes back is made. When the
machine's owner dies without ending it, the supervisor takes the machine away by itself.
"""

import os
import select
import subprocess
import sys
from pathlib import Path

from tests.yard.machine import Machine
from tests.yard.processes import Process

REBOOTED = 133
DISTURBING = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "INVOCATION_ID")


def boot(machine: Machine) -> int | None:
    """Run the machine until it ends; None when its owner ended first."""
    environment = {key: value for key, value in os.environ.items() if key not in DISTURBING}
    environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
    machine.cgroup.make()
    with (machine.home / "console.log").open("ab") as console:
        nspawn = subprocess.Popen(
            ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', _procs(machine), *command(machine)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=environment,
        )
    process = Process.of(nspawn.pid)
    if process is not None:
        process.record(machine.home / "nspawn.pid")
    return nspawn.wait() if owner_outlives(machine, os.pidfd_open(nspawn.pid)) else None


def _procs(machine: Machine) -> str:
    return str(machine.cgroup.path / "cgroup.procs")


def command(machine: Machine) -> list[str]:
    """The line that boots the machine."""
    name = machine.spec.name
    words = ["systemd-nspawn", "-q", "-D", str(machine.root), "--boot"]
    words += ["--register=no", "--keep-unit", "--settings=no", "--console=read-only"]
    words += [f"--hostname={name}", f"--machine={machine.cgroup.path.name}"]
    words += ["--resolv-conf=off", "--timezone=off", "--link-journal=no"]
    words += [f"--bind={machine.tunnel}:/run/tunnel"]
    if machine.place.network is not None:
        words.append(f"--network-namespace-path=/run/netns/{machine.place.network}")
    return words


def owner_outlives(machine: Machine, ending: int) -> bool:
    """Wait for a process to end; False when the machine's owner ended first."""
    watched = select.poll()
    watched.register(ending, select.POLLIN)
    owner = None
    if machine.place.owner is not None:
        try:
            owner = os.pidfd_open(machine.place.owner)
        except ProcessLookupError:
            return False
        watched.register(owner, select.POLLIN)
    ended = {number for number, _ in watched.poll()}
    for number in {ending, owner} - {None}:
        os.close(int(number or 0))
    return ending in ended


def main() -> None:
    """Supervise the machine whose folder is named."""
    machine = Machine.load(Path(sys.argv[1]))
    me = Process.of(os.getpid())
    if me is None:
        raise SystemExit("/proc does not show this process")
    me.record(machine.home / "supervisor.pid")
    status: int | None = REBOOTED
    while status == REBOOTED:
        machine.wait_wanted()
        status = boot(machine)
    if status is None:
        machine.remove()


if __name__ == "__main__":
    main()
