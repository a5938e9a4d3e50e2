"""The published pairs of regions, from the data file beside the library."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from patchyard.domain.regions import RegionPairs

PUBLISHED = Path(__file__).parent / "data" / "azure_region_pairs.yaml"
"""Which regions Microsoft pairs; the file names its source."""


@cache
def published_pairs() -> RegionPairs:
    """Return the pairs of regions that their cloud publishes."""
    told = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
    return RegionPairs.of(told["pairs"])
