from __future__ import annotations

import pytest

from patchyard.testing.windows.winrm import durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT20S", 20),
        ("PT0.5S", 0.5),
        ("PT1M", 60),
        ("PT2H1M0.250S", 7260.25),
        ("P1DT1S", 86401),
        ("P0DT0H0M20S", 20),
        ("P0Y0M0DT0H1M0S", 60),
        ("P2D", 172800),
    ],
)
def test_a_duration_is_read_in_every_form(text: str, expected: float) -> None:
    assert durations.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "20", "PT20", "P1Y", "P1M", "T5S", "PT-1S"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|years"):
        durations.seconds(text)


def test_a_duration_is_written_as_windows_does() -> None:
    assert durations.written(7200) == "PT7200.000S"
    assert durations.seconds(durations.written(0.25)) == 0.25
