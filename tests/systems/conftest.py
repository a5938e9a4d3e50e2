from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systems import windows_runs


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Whatever a test has opened ends with it."""
    yield
    while windows_runs.OPEN:
        windows_runs.OPEN.pop().close()
