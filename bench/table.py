"""What was measured, as ratios: the table, the two targets, the record for programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.counting import Cost

ROWS = {
    "true": "paramiko: log in, run `true`",
    "floor": "bare SSH: the same script and answer",
    "library": "Patchyard, without Prefect",
    "flow": "Patchyard, whole flows",
    "server": "  the Prefect server meanwhile",
    "command": "Ansible, command, pipelining",
    "default": "Ansible, command, as installed",
    "raw": "Ansible, raw, pipelining",
}
"""The rows, and what stands at their head. `server` is a part of no other row."""

OURS = ("library", "flow")
THEIRS = ("command", "default", "raw")

FLOOR_LIMIT = 2.0
"""An assessment may cost so many times what bare SSH costs that carries the same texts."""

ANSIBLE_LIMIT = 20.0
"""A patch must be so many times cheaper than Ansible's."""

_HEAD = (
    "controller",
    "CPU ms",
    "wall ms",
    "x bare SSH",
    "CPU ms",
    "wall ms",
    *("of command", "of as inst.", "of raw"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One run of the benchmark.

    `assess` and `patch` hold what each row cost for the whole fleet. A patch holds its own
    assessment, on both sides. `start` is what the program costs that is only imported; it is
    in the others. What could not be measured is missing.
    """

    machines: int
    slots: int
    assess: Mapping[str, Cost]
    patch: Mapping[str, Cost]
    start: Mapping[str, Cost] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """One target, and whether it is met. `found` is None where it was not measured."""

    text: str
    limit: float
    found: float | None
    at_most: bool

    @property
    def met(self) -> bool:
        """Say whether the target is met. What is not measured is not met."""
        if self.found is None:
            return False
        return self.found <= self.limit if self.at_most else self.found >= self.limit

    def line(self) -> str:
        """Return the plain line about it."""
        if self.found is None:
            return f"not measured: {re.sub('{[^}]*}', '?', self.text)}"
        return f"{'met' if self.met else 'NOT met'}: {self.text.format(self.found)}"


def ratio(costs: Mapping[str, Cost], over: str, under: str) -> float | None:
    """Return how many times as much CPU one row took as another; None where one is missing."""
    if over not in costs or under not in costs:
        return None
    return costs[over].cpu / costs[under].cpu


def targets(result: Result) -> tuple[Target, ...]:
    """Return the targets, for the library and for flows, against both kinds of command playbooks.

    Raw playbooks are in the table only: a twentieth of them is less than one connection costs.
    """
    return tuple(
        target
        for ours in OURS
        for target in (
            _over_bare(result, ours),
            *(_of_ansible(result, ours, theirs) for theirs in THEIRS if theirs != "raw"),
        )
    )


def _over_bare(result: Result, ours: str) -> Target:
    text = f"assess, {ours}: {{:.2f}} times bare SSH (at most {FLOOR_LIMIT:g} wanted)"
    return Target(text, FLOOR_LIMIT, ratio(result.assess, ours, "floor"), at_most=True)


def _of_ansible(result: Result, ours: str, theirs: str) -> Target:
    text = f"patch, {ours}: 1/{{:.1f}} of {ROWS[theirs]} (at most 1/{ANSIBLE_LIMIT:g} wanted)"
    return Target(text, ANSIBLE_LIMIT, ratio(result.patch, theirs, ours), at_most=False)


def table(result: Result) -> str:
    """Return the table and the targets as lines of text."""
    rows = [_HEAD, *(_row(result, key) for key in ROWS if key in result.assess)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        [
            f"{result.machines} machines, {result.slots} at a time; what each machine costs",
            "",
            f"{'':{widths[0]}}  {'assess':^{sum(widths[1:4]) + 4}}  | "
            f"{'patch: assess, install, verify':^{sum(widths[4:]) + 8}}".rstrip(),
            *(_line(row, widths) for row in rows),
            "",
            *([_starting(result), ""] if result.start else []),
            *(target.line() for target in targets(result)),
        ]
    )


def _starting(result: Result) -> str:
    told = (f"{key} {_costs(cost, result.machines)[0]}" for key, cost in result.start.items())
    return f"CPU ms of these for starting the program: {', '.join(told)}"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = [
        cells[0].ljust(widths[0]),
        *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)),
    ]
    return f"{'  '.join(padded[:4])}  | {'  '.join(padded[4:])}".rstrip()


def _row(result: Result, key: str) -> tuple[str, ...]:
    times = ratio(result.assess, key, "floor") if key != "server" else None
    shares = [ratio(result.patch, theirs, key) if key in OURS else None for theirs in THEIRS]
    return (
        ROWS[key],
        *_costs(result.assess.get(key), result.machines),
        "" if times is None else f"{times:.2f}",
        *_costs(result.patch.get(key), result.machines),
        *("" if share is None else f"1/{share:.1f}" for share in shares),
    )


def _costs(cost: Cost | None, machines: int) -> tuple[str, str]:
    if cost is None:
        return "", ""
    each = cost / machines
    return f"{each.cpu * 1000:.1f}", f"{each.wall * 1000:.1f}"


def record(result: Result) -> dict[str, Any]:
    """Return all that was measured and what follows from it, ready for JSON."""
    return {
        **asdict(result),
        "unit": "seconds for the whole fleet",
        "targets": [
            {**asdict(target), "text": target.line(), "met": target.met}
            for target in targets(result)
        ],
    }
