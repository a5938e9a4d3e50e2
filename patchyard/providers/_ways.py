"""The ways to machines: whether each connection, and each host it goes through, fits together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from patchyard.domain.inventory import Machine
from patchyard.domain.spelling import suggestion
from patchyard.errors import Problem
from patchyard.providers._inheritance import Heritage, circles
from patchyard.providers._sections import Section, Sections
from patchyard.yaml_text import dotted


def unknown_jump_hosts(sections: Sections) -> Iterator[Problem]:
    """Tell jump hosts that are named and in no file, in the section that names them."""
    first = [sections.defaults] if sections.defaults else []
    for section in (*first, *sections.groups.values(), *sections.machines.values()):
        for index, name in _named_jumps(section):
            if name not in sections.machines:
                yield section.problem(
                    ("connection", "jump", index),
                    f"there is no machine {name} in this inventory "
                    f"({suggestion(name, sections.machines)}); "
                    "a host that is in no inventory is written {address: HOST, user: USER}",
                )


def _named_jumps(section: Section) -> Iterator[tuple[int, str]]:
    connection = section.written.get("connection")
    jumps = connection.get("jump") if isinstance(connection, dict) else None
    for index, jump in enumerate(jumps if isinstance(jumps, list) else ()):
        name = jump.get("machine") if isinstance(jump, dict) else jump
        if isinstance(name, str):
            yield index, name


def circular_jumps(sections: Sections, machines: Mapping[str, Machine]) -> Iterator[Problem]:
    """Tell machines that are reached through themselves."""
    leading = {
        name: [jump.machine for jump in machine.connection.jump if jump.machine]
        for name, machine in machines.items()
    }
    for circle in circles(leading):
        yield sections.machines[circle[0]].problem(
            ("connection", "jump"),
            f"is reached through itself: {' -> '.join(circle)}; "
            "write jump: [] for the machine that is reached directly",
        )


def contradictions(heritage: Heritage, machines: Mapping[str, Machine]) -> Iterator[Problem]:
    """Tell what does not fit together, once for each section that makes it so."""
    concerned: dict[Problem, list[str]] = {}
    for name, machine in machines.items():
        for cause, field, message in _contradictions(machine, machines):
            problem = _of_writer(heritage.line(name), cause, field, message)
            concerned.setdefault(problem, []).append(name)
    for problem, names in concerned.items():
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        yield replace(problem, message=f"{problem.message} (concerns {names[0]}{more})")


def nameless_users(heritage: Heritage, machines: Mapping[str, Machine]) -> Iterator[Problem]:
    """Tell machines whose checks ask for {user} where none is written."""
    for name, machine in machines.items():
        if machine.connection.user is None and _asks_for_user(heritage.line(name)):
            yield heritage.line(name)[-1].problem(
                ("connection", "user"), "is missing, for the options of a check ask for {user}"
            )


def _asks_for_user(line: Iterable[Section]) -> bool:
    checks = (check for section in line if section.entry for check in section.entry.checks)
    return any("{user}" in str(check.options) for check in checks)


def _contradictions(
    machine: Machine, machines: Mapping[str, Machine]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for found in machine.connection.contradictions():
        yield found.causes, found.field, found.message
    for index, jump in enumerate(machine.connection.jump):
        through = machines.get(jump.machine or "")
        if through is None:
            continue
        if through.connection.transport != "ssh":
            yield ("jump",), "jump", f"goes through {through.name}, which is not reached by ssh"
        if index and through.connection.proxy_command is not None:
            said = f"goes on to {through.name}, which has a proxy_command; let it stand first"
            yield ("jump",), "jump", said


def _of_writer(
    line: Iterable[Section], causes: tuple[str, ...], field: str, message: str
) -> Problem:
    """Make the problem of the strongest section that writes a cause, on the cause's line."""
    sections = tuple(line)
    for section in reversed(sections):
        for cause in causes:
            if section.writes(("connection", cause)):
                place = section.problem(("connection", cause), message)
                return replace(place, field=dotted((*section.way, "connection", field)))
    return sections[-1].problem(("connection", field), message)
