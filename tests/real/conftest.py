"""Everything here boots real machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.real.driving import machine, make_yard, store

__all__ = ["machine", "make_yard", "store"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without root what lies here is skipped, by name; as root it must work."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.yard)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="real machines need root"))


@pytest.fixture(autouse=True)
def _each_its_own(own_memory: None) -> None:
    """What is found here was left by this test."""
