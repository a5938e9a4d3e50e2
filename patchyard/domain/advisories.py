"""Advisories: whether an update fixes what a person has named, as far as anybody tells."""

from __future__ import annotations

import re
from collections.abc import Iterable

from patchyard.domain.updates import Update
from patchyard.domain.value import Known

CVE = "CVE-"
"""How the id of a vulnerability begins; all others are ids of advisories, such as KB5041160."""

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{1,99}")


def wrong_with_identifier(text: str) -> str:
    """Say what is wrong with the id of a vulnerability or an advisory; empty where nothing is."""
    if IDENTIFIER.fullmatch(text):
        return ""
    return (
        f"{text!r} is no id of an advisory; write such as CVE-2026-12345, KB5041160 or DSA-5801-1"
    )


def fixes(update: Update, wanted: Iterable[str]) -> Known:
    """Say whether an update fixes one of what is named.

    It is NO only where all that it fixes is told, or that it does not fix it, and nothing that it
    fixes is wanted.
    """
    ids = {each.upper() for each in wanted}
    if ids & {each.upper() for each in fixed_by(update)}:
        return Known.YES
    asked = ids - {each.upper() for each in update.told_no_fixes}
    untold = (
        update.cves is None if each.startswith(CVE) else update.advisories is None for each in asked
    )
    return Known.UNKNOWN if any(untold) else Known.NO


def fixed_by(update: Update) -> tuple[str, ...]:
    """Return all that an update is known to fix."""
    return (*(update.advisories or ()), *(update.cves or ()), *update.told_fixes)


def cves_of(update: Update) -> tuple[str, ...] | None:
    """Return the vulnerabilities that an update is known to fix; None where nobody tells them."""
    told = tuple(each for each in update.told_fixes if each.startswith(CVE))
    return (*(update.cves or ()), *told) if told else update.cves


def advisories_of(update: Update) -> tuple[str, ...] | None:
    """Return the advisories that an update is known to fix; None where nobody tells them."""
    told = tuple(each for each in update.told_fixes if not each.startswith(CVE))
    return (*(update.advisories or ()), *told) if told else update.advisories
