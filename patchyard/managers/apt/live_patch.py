"""Canonical Livepatch: whether patches in the running kernel stand in for a newer kernel.

Its client says so as JSON. A patch counts only where it is applied, was checked, and the running
kernel still gets patches; Ubuntu's own `pro system reboot-required` asks for the same.
"""

from __future__ import annotations

import json
import re
from typing import Any

from patchyard.domain.updates import LivePatch
from patchyard.transcript import Transcript

KERNEL_PACKAGE = re.compile(r"^linux-(image|modules|headers|base|generic|signed|azure|aws|gcp|kvm)")
"""Packages that ask for a reboot only so that a newer kernel runs."""


def live_patch(transcript: Transcript, running: str) -> LivePatch | None:
    """Return how the running kernel is patched; None where nothing on the machine does that.

    Args:
        transcript: the answers.
        running: release of the running kernel, as `uname -r` prints it.
    """
    section = transcript.get("live_patch")
    if section is None or section.status != 0:
        return None
    return LivePatch(state=_state(_of_kernel(section.stdout, running)))


def _of_kernel(text: str, running: str) -> dict[str, Any]:
    try:
        listed = json.loads(text).get("Status") or []
    except (ValueError, AttributeError):
        return {}
    fitting = (each for each in listed if isinstance(each, dict) and _same(each, running))
    return next(fitting, {})


def _same(entry: dict[str, Any], running: str) -> bool:
    """The client writes the upload number too: 5.15.0-100.110-generic is 5.15.0-100-generic."""
    kernel = str(entry.get("Kernel", ""))
    base, _, flavour = running.rpartition("-")
    return kernel.startswith((f"{base}.", running)) and kernel.endswith(flavour)


def _state(entry: dict[str, Any]) -> str:
    patch = entry.get("Livepatch")
    if not isinstance(patch, dict):
        return "unknown"
    if entry.get("Supported") != "supported":
        return f"not covered: the kernel is {entry.get('Supported') or 'of unknown support'}"
    if patch.get("CheckState") not in {None, "checked"}:
        return f"not covered: the last check says {patch.get('CheckState')}"
    # Old clients write the fixes as one text, which says nothing about single ones.
    fixes = patch.get("Fixes")
    listed = [fix for fix in fixes if isinstance(fix, dict)] if isinstance(fixes, list) else []
    missing = [fix for fix in listed if not fix.get("Patched", False)]
    if missing:
        return f"not covered: {len(missing)} fixes are not patched in"
    return str(patch.get("State") or "unknown")
