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

    It is NO only where all that it fixes is told, and nothing of it is wanted.
    """
    ids = {each.upper() for each in wanted}
    told = {each.upper() for each in (*(update.advisories or ()), *(update.cves or ()))}
    if ids & told:
        return Known.YES
    untold = (
        update.cves is None if each.startswith(CVE) else update.advisories is None for each in ids
    )
    return Known.UNKNOWN if any(untold) else Known.NO
