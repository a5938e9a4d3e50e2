"""Filling: a machine's own values in what was written for many machines."""

from __future__ import annotations

from typing import Any

from patchyard.domain.inventory import Machine


def filled(options: Any, machine: Machine) -> Any:
    """Put a machine's values in place of the fields in braces, wherever text holds them."""
    if isinstance(options, str):
        return machine.fill(options)
    if isinstance(options, dict):
        return {key: filled(value, machine) for key, value in options.items()}
    if isinstance(options, list | tuple):
        return [filled(each, machine) for each in options]
    return options
