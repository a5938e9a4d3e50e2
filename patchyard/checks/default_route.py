"""The machine has a default route, and keeps those of IPv4 and IPv6 that it had."""

from __future__ import annotations

from patchyard.checks.base import Check, Options
from patchyard.domain.health import Finding, Outcome, failed
from patchyard.errors import MalformedOutput
from patchyard.transcript import Section

_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
_DEAD = frozenset({"linkdown", "dead"})


class DefaultRoute(Options):
    """Options of the check `default_route`."""


def judge(_options: DefaultRoute, section: Section) -> Finding:
    """Name the families of addresses that have a default route in use.

    Raises:
        ScriptFailed: the machine could not be asked.
        MalformedOutput: the output has another shape.
    """
    family, seen, found = "", set(), dict[str, None]()
    for line in section.require().splitlines():
        words = line.split()
        if len(words) == 1 and words[0] in _FAMILIES:
            family = _FAMILIES[words[0]]
            seen.add(family)
        elif words[:1] == ["default"] and family and _DEAD.isdisjoint(words):
            found[family] = None
    if len(seen) != len(_FAMILIES):
        raise MalformedOutput("the routes of IPv4 and IPv6 are not both told")
    if not found:
        return failed("there is no default route")
    present = tuple(found)
    return Finding(outcome=Outcome.PASSED, detail=" and ".join(present), present=present)


CHECK = Check(name="default_route", options=DefaultRoute, script="default_route.sh.j2", judge=judge)
