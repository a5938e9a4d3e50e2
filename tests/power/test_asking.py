from __future__ import annotations

from pathlib import Path

import pytest

from patchyard.cli import main

INVENTORY = """
defaults:
  power: {command: {state: [cat, "{name}"], start: [touch, started], stop: [touch, stopped]}}
machines:
  up-1: {address: on.example}
  down-1: {address: off.example, policy: {when_off: start}}
  away: {address: away.example}
  plain: {address: plain.example, power: null}
"""

MISSING = "cat ended with 1: cat: away: No such file or directory"
NOTHING = "nothing is written of its power"


def test_power_is_asked_of_all_and_nothing_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "machines.yaml").write_text(INVENTORY)
    (tmp_path / "up-1").write_text("it is on\n")
    (tmp_path / "down-1").write_text("it is off\n")

    assert main(["power", str(tmp_path)]) == 0

    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["up-1", "on", "skip", "when", "off"],
        ["down-1", "off", "start", "when", "off"],
        ["away", "unknown", *MISSING.split()],
        ["plain", "unknown", *NOTHING.split()],
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["down-1", "machines.yaml", "up-1"]
    main(["power", str(tmp_path), "away"])
    assert capsys.readouterr().out.startswith("away  unknown")
