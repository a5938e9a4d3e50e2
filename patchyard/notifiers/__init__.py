"""Notifiers: who is told, one module for each way."""

from __future__ import annotations

from collections.abc import Mapping

from patchyard.notifiers.base import Letter, Notifier
from patchyard.registry import load


def notifiers() -> Mapping[str, Notifier]:
    """Return the ways to tell somebody, by name; events are given by whoever can."""
    return load("patchyard.notifiers", "NOTIFIER", Notifier)


__all__ = ["Letter", "Notifier", "notifiers"]
