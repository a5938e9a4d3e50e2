"""The power of machines, held against the providers that there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import ValidationError

from patchyard.domain.filling import filled
from patchyard.domain.inventory import Machine
from patchyard.domain.spelling import suggestion
from patchyard.errors import Problem
from patchyard.power.base import known_providers
from patchyard.providers._inheritance import Heritage
from patchyard.wording import Path, sentences


def wrong_power(heritage: Heritage, machines: Mapping[str, Machine]) -> Iterator[Problem]:
    """Tell what is wrong with the power of machines, once for each section that writes it.

    A section may write a part of it, so only what a machine has in the end is judged.
    """
    concerned: dict[Problem, list[str]] = {}
    for name, machine in machines.items():
        line = heritage.line(name)
        writer = next((each for each in reversed(line) if each.writes(("power",))), line[-1])
        for way, said in _wrong(machine):
            concerned.setdefault(writer.problem(("power", *way), said), []).append(name)
    for problem, names in concerned.items():
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        yield replace(problem, message=f"{problem.message} (concerns {names[0]}{more})")


def _wrong(machine: Machine) -> Iterator[tuple[Path, str]]:
    power = machine.power
    if power is None:
        return
    provider = known_providers().get(power.kind)
    if provider is None:
        yield (), f"{power.kind} is no kind of power; {suggestion(power.kind, known_providers())}"
        return
    try:
        provider.options.model_validate(filled(power.options, machine))
    except ValidationError as error:
        for path, said in sentences(error, provider.options, written=lambda _path: True):
            yield (power.kind, *path), said
