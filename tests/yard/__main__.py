"""Boot, show, enter and end the demo's yard: python -m tests.yard up|status|exec|down."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.yard import demo, legacy
from tests.yard.box import YardError
from tests.yard.machine import Machine
from tests.yard.yard import Yard


def up(home: Path) -> None:
    """Boot the six machines, or those of them that are not up."""
    began = time.monotonic()
    yard = Yard(home, demo.SPECS, groups=demo.GROUPS, owned=False)
    yard.up()
    legacy.install(yard[demo.LEGACY])
    show(yard)
    print(f"up in {time.monotonic() - began:.1f} s; inventory: {yard.folder}")


def show(yard: Yard) -> None:
    """Print one line a machine."""
    for machine in yard.machines.values():
        print(f"{machine.name:10} {machine.address:14} {machine.spec.reach:14} {state(machine)}")


def state(machine: Machine) -> str:
    """Say in one word how a machine is."""
    if machine.leader is None:
        return "off" if machine.supervisor is None else "down"
    return machine.exec(["systemctl", "is-system-running"], check=False).strip()


def enter(yard: Yard, name: str, words: list[str]) -> int:
    """Become a program inside a machine, past SSH."""
    if name not in yard.machines:
        raise YardError(f"no machine {name}; there are {', '.join(yard.machines) or 'none'}")
    given = words[1:] if words[:1] == ["--"] else words
    line = yard[name].inside(given or ["bash", "-l"])
    return os.spawnvp(os.P_WAIT, line[0], line)


def main(argv: list[str]) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.yard", description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path(".yard"), help="where the yard lives")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="boot the yard, or what of it is not up")
    verbs.add_parser("status", help="one line a machine")
    verbs.add_parser("down", help="end the yard and take it away")
    entry = verbs.add_parser("exec", help="run a program in a machine as root, without SSH")
    entry.add_argument("machine")
    entry.add_argument("words", nargs=argparse.REMAINDER)
    said = parser.parse_args(argv)
    if said.verb == "up":
        up(said.dir)
        return 0
    yard = Yard.found(said.dir)
    if said.verb == "exec":
        return enter(yard, said.machine, said.words)
    if said.verb == "status":
        show(yard)
        return 0 if yard.machines else 3
    yard.down()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except YardError as error:
        sys.exit(f"yard: {error}")
