"""Temporary."""
from __future__ import annotations
from dataclasses import dataclass
from patchyard.domain.health import Answer, Difference
@dataclass
class Verdict:
    healthy: bool
    differences: tuple[Difference, ...] = ()
def ask(link, machine, *, nonce, timeout) -> tuple[Answer, ...]:
    return ()
def settle(again, before, **kw) -> Verdict:
    return Verdict(healthy=True)
