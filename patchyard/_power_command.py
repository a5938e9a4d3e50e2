"""`patchyard power INVENTORY`: asks whether machines are on. Nothing is started or stopped."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.scope import parse
from patchyard.errors import PowerFailed
from patchyard.power import open_switch
from patchyard.providers import load_inventory
from patchyard.untrusted import visible

AT_ONCE = 10
"""Machines that are asked at once."""


def add_power(commands: Any) -> None:
    """Add `power PATH [SCOPE]`."""
    parser = commands.add_parser("power", help="ask whether machines are on, and change nothing")
    parser.add_argument("path", metavar="PATH", help="folder or name of the inventory")
    parser.add_argument("scope", metavar="SCOPE", nargs="?", default="all", help="which (all)")
    parser.set_defaults(answer=_power)


def _power(chosen: argparse.Namespace) -> int:
    scope = parse(chosen.scope)
    inventory = load_inventory(chosen.path)
    asked = list(scope.select(inventory.machines))
    width = max((len(machine.name) for machine in asked), default=0)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(lambda machine: _answer(machine, inventory), asked)
        for machine, answer in zip(asked, answers, strict=True):
            sys.stdout.write(f"{visible(f'{machine.name:<{width}}  {answer}')}\n")
    return 0


def _answer(machine: Machine, inventory: Inventory) -> str:
    """Say whether a machine is on, and what a run does where it is off."""
    try:
        switch = open_switch(machine, inventory)
        if switch is None:
            return "unknown  nothing is written of its power"
        return f"{switch.state():<7}  {machine.policy.when_off} when off"
    except PowerFailed as error:
        return f"unknown  {error}"
