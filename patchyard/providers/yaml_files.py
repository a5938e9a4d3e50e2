"""Machines from YAML files: every `*.yaml` of a folder, put together into one inventory.

Everything that is wrong in any of the files is told at once, with file, line and field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from patchyard.domain.inventory import Inventory, Machine
from patchyard.errors import ConfigurationError, Problem
from patchyard.providers import _ways
from patchyard.providers._inheritance import Heritage, wrong_groups
from patchyard.providers._power_options import wrong_power
from patchyard.providers._sections import Sections, read_sections
from patchyard.providers.base import Provider


def load(folder: Path) -> Inventory:
    """Load the inventory of a folder.

    Raises:
        ConfigurationError: anything in it is wrong; all problems of all files are listed.
    """
    if not folder.is_dir():
        raise ConfigurationError([Problem("is no folder", str(folder))])
    sections = read_sections(folder)
    heritage = Heritage(sections)
    made = {name: heritage.machine(name) for name in sections.machines}
    machines = {name: machine for name, machine in made.items() if machine is not None}
    problems = _in_order([*_problems(sections, heritage, machines), *sections.problems])
    if not sections.machines and not problems:
        message = "has no machines; write them below `machines:` in a file that ends in .yaml"
        problems = (Problem(message, str(folder)),)
    if problems:
        raise ConfigurationError(problems)
    whole = folder.absolute()
    return Inventory(
        name=whole.absolute().name, folder=str(whole), machines=tuple(machines.values())
    )


def _problems(
    sections: Sections, heritage: Heritage, machines: dict[str, Machine]
) -> Iterator[Problem]:
    yield from wrong_groups(sections)
    yield from _ways.unknown_jump_hosts(sections)
    yield from _ways.circular_jumps(sections, machines)
    yield from _ways.contradictions(heritage, machines)
    yield from _ways.nameless_users(heritage, machines)
    yield from wrong_power(heritage, machines)


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort problems by place. Of several at one place the first found says it best."""
    best: dict[tuple[str, int | None, str], Problem] = {}
    for problem in problems:
        best.setdefault((problem.file, problem.line, problem.field), problem)
    return tuple(sorted(best.values(), key=lambda each: (each.file, each.line or 0, each.field)))


PROVIDER = Provider(name="yaml_files", load=load)
