"""What apt says, made fit to show: without passwords, in few words."""

from __future__ import annotations

import re

LONGEST = 400
"""Characters of one message that are kept."""

_LOGIN = re.compile(r"://[^/@\s]*@")


def masked(text: str) -> str:
    """Return text without the login names and passwords that repository addresses can carry."""
    return _LOGIN.sub("://", text) if "@" in text else text


def shortened(text: str) -> str:
    """Return text on one line and not over-long, without passwords."""
    return masked(" ".join(text.split()))[:LONGEST]
