"""The power of machines in inventory files: inherited in parts, judged as a whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patchyard.errors import ConfigurationError
from patchyard.providers import load_inventory

COMMAND = "power: {command: {state: [p, state], start: [p, start], stop: [p, stop]}}"


def load(tmp_path: Path, text: str) -> dict[str, tuple[str, dict[str, object]] | None]:
    (tmp_path / "machines.yaml").write_text(text)
    machines = load_inventory(tmp_path).machines
    return {m.name: (m.power.kind, m.power.options) if m.power else None for m in machines}


def wrong(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as told:
        load(tmp_path, text)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in told.value.problems]


def test_parts_are_inherited_another_kind_replaces_and_null_takes_away(tmp_path: Path) -> None:
    text = f"""
defaults:
  power: {{libvirt: {{uri: "qemu+ssh://kvm-1.example/system", seconds: 20}}}}
machines:
  a: {{address: a.example}}
  b: {{address: b.example, power: {{libvirt: {{domain: other}}}}}}
  c: {{address: c.example, {COMMAND}}}
  d: {{address: d.example, power: null}}
"""
    found = load(tmp_path, text)
    uri = {"uri": "qemu+ssh://kvm-1.example/system", "seconds": 20}
    assert found["a"] == ("libvirt", uri)
    assert found["b"] == ("libvirt", {**uri, "domain": "other"})
    assert found["c"] is not None
    assert found["c"][0] == "command"
    assert found["c"][1].keys() == {"state", "start", "stop"}
    assert found["d"] is None


def test_a_fact_named_power_is_merged_as_any_fact(tmp_path: Path) -> None:
    text = """
defaults: {facts: {power: {feed: a}}}
machines:
  a: {address: a.example, facts: {power: {ups: b}}}
"""
    (tmp_path / "machines.yaml").write_text(text)
    (machine,) = load_inventory(tmp_path).machines
    assert machine.facts == {"power": {"feed": "a", "ups": "b"}}


@pytest.mark.parametrize(
    ("power", "said"),
    [
        ("{libvrt: {}}", "power: libvrt is no kind of power; did you mean libvirt?"),
        ("{libvirt: {}, command: {}}", "power: is written as one kind with its options"),
        ("{libvirt: {url: x}}", "power.libvirt.url: is not known here; did you mean uri?"),
        ("{libvirt: {domain: -x}}", "power.libvirt.domain: holds characters that may not"),
        ("{command: {state: [p]}}", "power.command.start: is missing"),
        ("{command: {state: [p], start: [], stop: [p]}}", "power.command.start: "),
        ("{command: {state: [p], start: p up, stop: [p]}}", "power.command.start: must be a list"),
        (
            "{command: {state: [p], start: [p], stop: [p, off]}}",
            "power.command.stop.1: would be read as a truth",
        ),
    ],
)
def test_what_is_wrong_is_told_with_line_and_field(tmp_path: Path, power: str, said: str) -> None:
    text = f"machines:\n  a:\n    address: a.example\n    power: {power}\n"
    problems = wrong(tmp_path, text)
    assert any(each.startswith(f"machines.yaml:4: machines.a.{said}") for each in problems), (
        problems
    )


def test_what_a_group_writes_wrong_is_told_once_and_where_it_stands(tmp_path: Path) -> None:
    text = """
groups:
  vms: {power: {libvirt: {seconds: 0}}}
machines:
  a: {address: a.example, groups: [vms]}
  b: {address: b.example, groups: [vms]}
"""
    (said,) = wrong(tmp_path, text)
    assert said == (
        "machines.yaml:3: groups.vms.power.libvirt.seconds: must be greater than 0 "
        "(concerns a and 1 more)"
    )


def test_the_inventory_of_the_page_loads(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "power.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    machines = "machines:\n  a: {address: a.example, groups: [vms]}\n"
    found = load(tmp_path, f"{text}{machines}  b: {{address: b.example, groups: [racks]}}\n")
    assert {name: power[0] for name, power in found.items() if power} == {
        "a": "libvirt",
        "b": "command",
    }
