"""What several commands take on their line."""

from __future__ import annotations

import argparse
from datetime import timedelta

from patchyard.domain.durations import parse_duration

LONGEST = timedelta(days=3660)
"""No calendar is looked at further ahead."""


def duration(text: str) -> timedelta:
    """Read a duration such as 90d.

    Raises:
        argparse.ArgumentTypeError: it is none, or is longer than ten years.
    """
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found > LONGEST:
        raise argparse.ArgumentTypeError("must be at most ten years")
    return found
