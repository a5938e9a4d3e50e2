"""Programs and libraries that a test cannot do without."""

from __future__ import annotations

import os

import pytest


def need(missing: tuple[str, ...] | list[str], package: str) -> None:
    """Skip where programs are missing; where CI is set, that is a failure: it must have them."""
    if not missing:
        return
    said = f"{', '.join(missing)} not installed; apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)
