"""The page about checks tells all kinds, and its examples can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patchyard.checks.base import Options, kinds, question
from patchyard.providers import load_inventory
from patchyard.systems import system_for

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "checks.md").read_text()


@pytest.mark.parametrize("name", sorted(kinds()))
def test_every_kind_and_each_of_its_options_is_told(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}` \|.*$", PAGE, re.MULTILINE)
    own = set(kinds()[name].options.model_fields) - set(Options.model_fields)
    assert [option for option in sorted(own) if f"`{option}`" not in row] == []


def test_the_example_loads(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "page.yaml").write_text(text)
    machines = load_inventory(tmp_path).machines
    assert {check.kind for machine in machines for check in machine.checks} == set(kinds())
    for machine in machines:
        language = system_for(machine).language
        asked = [question(check, machine) for check in machine.checks]
        assert all(each.check.template(language) for each in asked if each.on_machine)
