from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are not installed
import pytest
import yaml

from patchyard.domain.inventory import CheckSpec, Inventory, JumpHost, Platform
from patchyard.errors import ConfigurationError
from patchyard.providers import inventory_schema, load_inventory
from patchyard.providers.base import Provider
from patchyard.registry import load as load_additions

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ("cloud", "on-prem", "hybrid")
SCHEMA = ROOT / "schemas" / "inventory.schema.json"


def write(folder: Path, text: str, *, name: str = "inventory.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def load(folder: Path, text: str) -> Inventory:
    return load_inventory(write(folder, text))


def problems(folder: Path, text: str) -> list[str]:
    """Return what is wrong, each as `line: field: message`."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    return [f"{each.line}: {each.field}: {each.message}" for each in caught.value.problems]


# What is read


INHERITED = """
defaults:
  platform: azure
  region: west
  connection: {user: patch, key: "env:KEY", timeouts: {connect: 5, auth: 6}}
  policy: {undo: required, stable_seconds: 7}
  tags: {a: defaults, b: defaults, c: defaults, d: defaults}
  facts: {deep: {x: 1, y: 1}}
groups:
  base:
    tags: {b: base, c: base}
  web:
    parents: [base]
    region: north
    connection: {port: 2222, timeouts: {connect: 9}}
    tags: {c: web, d: web}
  east:
    region: east
    connection: {user: east}
    policy: {stable_seconds: 8}
machines:
  web-1:
    address: web-1.example
    groups: [web, east]
    connection: {port: 22}
    tags: {d: web-1}
    facts: {deep: {y: 2}}
  plain:
    address: plain.example
    region: null
"""


def test_settings_are_inherited_field_by_field_and_the_nearest_wins(tmp_path: Path) -> None:
    inventory = load(tmp_path, INHERITED)
    web = inventory.machine("web-1")
    assert web is not None
    assert web.groups == ("base", "web", "east")
    assert web.platform == Platform.AZURE
    assert web.region == "east"
    assert web.tags == {"a": "defaults", "b": "base", "c": "web", "d": "web-1"}
    assert web.facts == {"deep": {"x": 1, "y": 2}}
    assert (web.connection.user, web.connection.port) == ("east", 22)
    assert web.connection.key == "env:KEY"
    assert (web.connection.timeouts.connect, web.connection.timeouts.auth) == (9, 6)
    assert (web.policy.undo, web.policy.stable_seconds) == ("required", 8)


def test_null_takes_an_inherited_value_away(tmp_path: Path) -> None:
    plain = load(tmp_path, INHERITED).machine("plain")
    assert plain is not None
    assert plain.region is None
    assert plain.connection.user == "patch"


def test_checks_add_up_without_doubles_and_get_the_machines_values(tmp_path: Path) -> None:
    text = """
defaults: {checks: [default_route]}
groups:
  web:
    checks:
      - systemd_unit: {unit: "{name}.service"}
      - default_route
machines:
  web-1: {address: h.example, groups: [web], checks: [{systemd_unit: {unit: web-1.service}}]}
"""
    (machine,) = load(tmp_path, text).machines
    assert machine.checks == (
        CheckSpec(kind="default_route"),
        CheckSpec(kind="systemd_unit", options={"unit": "web-1.service"}),
    )


def test_files_of_a_folder_are_one_inventory(tmp_path: Path) -> None:
    write(tmp_path, "groups: {web: {tags: {role: web}}}", name="groups.yaml")
    write(tmp_path, "machines: {a: {address: a.example, groups: [web]}}", name="a.yaml")
    write(tmp_path, "machines: {b: {address: b.example}}", name="b.yaml")
    write(tmp_path, "nonsense: [", name=".b.yaml.swp.yaml")
    (tmp_path / "below").mkdir()
    write(tmp_path / "below", "nonsense: [")
    write(tmp_path, "", name="empty.yaml")
    inventory = load_inventory(tmp_path)
    assert [machine.name for machine in inventory.machines] == ["a", "b"]
    assert inventory.name == tmp_path.name
    assert inventory.folder == str(tmp_path)


def test_a_jump_host_is_a_bare_name_or_an_address(tmp_path: Path) -> None:
    text = """
machines:
  gate: {address: gate.example}
  far:
    address: far.example
    connection: {jump: [gate, {address: deep.example, user: x, key: "file:k"}]}
"""
    far = load(tmp_path, text).machine("far")
    assert far is not None
    assert far.connection.jump == (
        JumpHost(machine="gate"),
        JumpHost(address="deep.example", user="x", key="file:k"),
    )


def test_sections_may_be_left_empty(tmp_path: Path) -> None:
    text = "defaults:\ngroups:\nmachines:\n  a: {address: a, tags: , checks: , connection: }\n"
    assert load(tmp_path, text).machine("a") is not None


# What is refused

NO_SUDO_PASSWORD = "is missing, for sudo is password; write a reference, such as env:SUDO_PASSWORD"
A_LIST = "must be a list: lines that begin with a dash, indented below it"
A_MAPPING = "must be a mapping: lines of `key: value`, indented below it"
A_NUMBER = (
    "would be read as another number than is written; put it in quotes where it is "
    "text, or write the number plainly, such as 22 or 1.5"
)
A_TRUTH_VALUE = (
    "would be read as a truth value; write true or false, or put the word in quotes "
    "where it is text"
)
A_CHECK = (
    "a check is written as its kind (- default_route), or as its kind with options (-"
    " systemd_unit: {unit: nginx.service})"
)
NO_MACHINE = (
    "there is no machine w in this inventory (known are: m); a host that is in no "
    "inventory is written {address: HOST, user: USER}"
)
ITSELF = (
    "is reached through itself: m -> m; write jump: [] for the machine that is reached directly"
)
PLATFORMS = "must be one of azure, aws, gcp, on_prem, arc, other"
PLAINLY = "must be a whole number, written plainly and without quotes, such as 22"


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ("{}", "address: is missing; write the host name or the IP address of the machine"),
        ("", "address: is missing; write the host name or the IP address of the machine"),
        ("{address: }", "address: is empty; write a value, or leave the line out"),
        ("{address: x, adress: y}", "adress: is not known here; did you mean address?"),
        ("{address: x, sudo: none}", "sudo: is not known here; write it below connection"),
        ("{address: x, platform: azur}", "platform: " + PLATFORMS + "; did you mean azure?"),
        ("{address: x, zone: true}", "zone: must be text; put the word in quotes"),
        ("{address: x, zone: no}", "zone: " + A_TRUTH_VALUE),
        ("{address: x, zone: 01}", "zone: " + A_NUMBER),
        ("{address: x, groups: web}", "groups: " + A_LIST),
        ("{address: x, groups: [web]}", "groups.0: there is no group web; none is known"),
        ("{address: x, tags: [a]}", "tags: " + A_MAPPING),
        (
            "{address: x, tags: {a: [b]}}",
            "tags.a: must be text or a whole number or a number or true or false",
        ),
        (
            "{address: x, connection: {prot: 22}}",
            "connection.prot: is not known here; did you mean port?",
        ),
        ('{address: x, connection: {port: "22"}}', "connection.port: " + PLAINLY),
        ("{address: x, connection: {port: 0}}", "connection.port: must be at least 1"),
        (
            "{address: x, connection: {agent: yes}}",
            "connection.agent: must be true or false, without quotes",
        ),
        (
            "{address: x, connection: {timeouts: {command: 9999}}}",
            "connection.timeouts.command: must be at most 7200",
        ),
        ("{address: x, connection: {jump: [w]}}", "connection.jump.0: " + NO_MACHINE),
        ("{address: x, connection: {jump: [m]}}", "connection.jump: " + ITSELF),
        (
            "{address: x, connection: {sudo: password}}",
            "connection.sudo_password: " + NO_SUDO_PASSWORD + " (concerns m)",
        ),
        (
            "{address: x, policy: {undo: maybe}}",
            "policy.undo: must be one of required, preferred, never",
        ),
        ("{address: x, checks: default_route}", "checks: " + A_LIST),
        ("{address: x, checks: [{a: {}, b: {}}]}", "checks.0: " + A_CHECK),
        ("[x]", ": " + A_MAPPING),
        ("x", ": " + A_MAPPING),
    ],
)
def test_a_wrong_field_is_told_with_what_to_write(tmp_path: Path, machine: str, said: str) -> None:
    field, _, message = said.partition(": ")
    place = "machines.m" + (f".{field}" if field else "")
    assert problems(tmp_path, f"machines:\n  m: {machine}") == [f"2: {place}: {message}"]


SECRET = "hunter2"
SECRETS = """
defaults: {connection: {password: hunter2}}
groups:
  a: {connection: {key: ["hunter2"], passphrase: {hunter2: 1}}}
  b: {connection: {jump: [{address: x, key: hunter2}], sudo: hunter2}}
machines:
  c: {address: x, connection: {sudo_password: 01234567, pasword: hunter2, port: hunter2}}
  d: {address: "hunter2 ;", connection: {user: "-hunter2", key: "ssh hunter2"}}
  e: hunter2
  f: [hunter2]
  g: {address: x, policy: hunter2, tags: {a: [hunter2]}, connection: {password: no}}
"""


def test_no_message_repeats_a_value_wherever_it_stands(tmp_path: Path) -> None:
    write(tmp_path, SECRETS)
    write(tmp_path, "a: *hunter2", name="more.yaml")
    with pytest.raises(ConfigurationError) as caught:
        load_inventory(tmp_path)
    error = caught.value
    assert SECRET not in str(error) + repr(error) + repr(error.problems)
    assert "1234567" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    credentials = [each for each in error.problems if "write a reference" in each.message]
    assert [each.field for each in credentials] == [
        "defaults.connection.password",
        "groups.a.connection.key",
        "groups.a.connection.passphrase",
        "groups.b.connection.jump.0.key",
        "machines.c.connection.sudo_password",
        "machines.d.connection.key",
        "machines.g.connection.password",
    ]


def test_all_problems_of_all_files_are_told_at_once_in_order(tmp_path: Path) -> None:
    write(tmp_path, "machines:\n  a: {}\n  b: {address: x}\nmachins: {}\n", name="a.yaml")
    write(tmp_path, "defaults: {}\nmachines:\n  b: {address: x, zoen: 1}\n", name="b.yaml")
    write(tmp_path, "defaults: {}\nb: c: d", name="c.yaml")
    write(tmp_path, "defaults: {}", name="d.yaml")
    write(tmp_path, "", name="e.yml")
    (tmp_path / "f.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError) as caught:
        load_inventory(tmp_path)
    told = [str(each).removeprefix(f"{tmp_path}/") for each in caught.value.problems]
    assert [text.split(" ")[0] + " " + text.split(" ")[1] for text in told] == [
        "a.yaml:2: machines.a.address:",
        "a.yaml:4: machins:",
        "b.yaml:3: machines.b:",
        "b.yaml:3: machines.b.zoen:",
        "c.yaml:2: text",
        "d.yaml:1: defaults:",
        "e.yml: is",
        "f.yaml: is",
    ]
    assert f"is already in {tmp_path}/a.yaml:3" in told[2]
    assert f"stand already in {tmp_path}/b.yaml:1" in told[5]


def test_a_machine_that_stands_twice_in_a_file_is_told(tmp_path: Path) -> None:
    text = "machines:\n  a: {address: x}\n  a: {address: y}\n"
    assert problems(tmp_path, text) == ["3: machines.a: stands twice; it is already in line 2"]


def test_a_problem_of_a_group_is_told_once_and_where_it_is_written(tmp_path: Path) -> None:
    machines = "\n".join(f"  m{n}: {{address: x, groups: [g]}}" for n in range(5))
    text = f"groups:\n  g:\n    connection:\n      sudo: password\nmachines:\n{machines}"
    assert problems(tmp_path, text) == [
        "4: groups.g.connection.sudo_password: " + NO_SUDO_PASSWORD + " (concerns m0 and 4 more)"
    ]


def test_groups_in_a_circle_are_told(tmp_path: Path) -> None:
    text = "groups:\n  a: {parents: [b]}\n  b: {parents: [a]}\nmachines: {m: {address: x}}"
    (problem,) = problems(tmp_path, text)
    assert "groups are their own parents: " in problem
    assert "a -> b" in problem


def test_jump_hosts_in_a_circle_are_told_with_the_circle(tmp_path: Path) -> None:
    text = """
machines:
  a: {address: x, connection: {jump: [b]}}
  b: {address: x, connection: {jump: [c]}}
  c: {address: x, connection: {jump: [a]}}
"""
    (problem,) = problems(tmp_path, text)
    assert any(way in problem for way in ("a -> b -> c", "b -> c -> a", "c -> a -> b"))


def test_two_ways_at_once_are_refused_even_where_one_is_inherited(tmp_path: Path) -> None:
    text = """
defaults: {connection: {jump: [{address: gate.example}]}}
machines:
  a: {address: x, connection: {proxy_command: nc x}}
"""
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("4: machines.a.connection.proxy_command: cannot stand together")


@pytest.mark.parametrize("jump", ["[gate, tunnel]", "[gate, windows]"])
def test_a_jump_host_that_cannot_be_one_is_refused(tmp_path: Path, jump: str) -> None:
    text = f"""
machines:
  gate: {{address: x}}
  tunnel: {{address: x, connection: {{proxy_command: nc x}}}}
  windows: {{address: x, connection: {{transport: winrm}}}}
  a: {{address: x, connection: {{jump: {jump}}}}}
"""
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("6: machines.a.connection.jump: goes")


def test_the_first_jump_host_may_have_a_proxy_command(tmp_path: Path) -> None:
    text = """
machines:
  tunnel: {address: x, connection: {proxy_command: nc x}}
  a: {address: x, connection: {jump: [tunnel]}}
"""
    assert load(tmp_path, text).machine("a") is not None


def test_an_inventory_without_machines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no machines"):
        load_inventory(tmp_path)
    with pytest.raises(ConfigurationError, match="has no machines"):
        load(tmp_path, "groups: {a: {}}")


# How it is found


def test_an_inventory_is_found_by_folder_or_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "inventories" / "mine"
    folder.mkdir(parents=True)
    write(folder, "machines: {a: {address: x}}")
    monkeypatch.chdir(tmp_path)
    for reference in ("mine", "inventories/mine", folder, "./inventories/../inventories/mine"):
        assert load_inventory(reference).name == "mine"
    assert load_inventory("cloud").folder == str(ROOT / "inventories" / "cloud")
    assert load_inventory("inventories/cloud").folder == str(ROOT / "inventories" / "cloud")
    monkeypatch.chdir(folder)
    assert load_inventory(".").name == "mine"


def test_an_inventory_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean cloud\?"):
        load_inventory("clowd")
    with pytest.raises(ConfigurationError, match="there is no inventory"):
        load_inventory("/no/such/folder")


def test_the_provider_is_registered() -> None:
    assert "yaml_files" in load_additions("patchyard.providers", "PROVIDER", Provider)


# The examples and the schema


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_load(name: str) -> None:
    inventory = load_inventory(ROOT / "inventories" / name)
    assert 6 <= len(inventory.machines) <= 12
    assert all(machine.address.endswith(".example") for machine in inventory.machines)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_name_the_schema_and_meet_it(name: str) -> None:
    schema = json.loads(SCHEMA.read_text())
    files = set((ROOT / "inventories" / name).glob("*.yaml"))
    for path in files - {ROOT / "inventories" / name / "maintenance.yaml"}:
        first = path.read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=../../schemas/inventory.schema.json"
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_the_published_schema_is_in_step() -> None:
    command = "python -m patchyard inventory schema > schemas/inventory.schema.json"
    assert SCHEMA.read_text() == inventory_schema(), f"run: {command}"


@pytest.mark.parametrize(
    "machine",
    [
        {},
        {"address": "x", "zoen": 1},
        {"address": "x", "connection": {"password": "hunter2"}},
        {"address": "x", "connection": {"port": "22"}},
        {"address": "x", "platform": "azur"},
        {"address": "x", "checks": [{"a": {}, "b": {}}]},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(machine: dict[str, Any]) -> None:
    schema = json.loads(inventory_schema())
    jsonschema.validate({"machines": {"m": {"address": "x", "zone": 1}}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"machines": {"m": machine}}, schema)


def test_ten_thousand_machines_load_in_seconds(tmp_path: Path) -> None:
    entry = "  m{n}: {{address: m{n}.example, groups: [web], zone: {z}, tags: {{n: {n}}}}}\n"
    lines = "".join(entry.format(n=n, z=n % 3) for n in range(10_000))
    text = "groups: {web: {connection: {user: x}, tags: {role: web}}}\nmachines:\n" + lines
    begun = time.process_time()
    inventory = load(tmp_path, text)
    assert len(inventory.machines) == 10_000
    assert time.process_time() - begun < 30
