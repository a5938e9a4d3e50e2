from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # its types are not installed
import pytest
from pydantic import BaseModel, ConfigDict

from patchyard.domain.inventory import CheckSpec
from patchyard.errors import ConfigurationError
from patchyard.providers import _check_options, _schema, inventory_schema, load_inventory


class Listening(BaseModel):
    model_config = ConfigDict(extra="forbid")

    port: int
    host: str = "localhost"


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


KINDS: Mapping[str, type[BaseModel]] = {"listening": Listening, "default_route": Nothing}


@pytest.fixture(autouse=True)
def _two_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_check_options, "kinds", lambda: KINDS)
    monkeypatch.setattr(_schema, "kinds", lambda: KINDS)


def told(folder: Path, checks: str) -> list[str]:
    (folder / "a.yaml").write_text(f"machines:\n  a:\n    address: x\n    checks:\n{checks}")
    with pytest.raises(ConfigurationError) as caught:
        load_inventory(folder)
    return [f"{each.line}: {each.field}: {each.message}" for each in caught.value.problems]


def test_a_kind_that_does_not_exist_is_told_with_the_nearest(tmp_path: Path) -> None:
    assert told(tmp_path, "      - default_rout\n      - listenin: {port: 1}\n") == [
        "5: machines.a.checks.0: default_rout is no kind of check; did you mean default_route?",
        "6: machines.a.checks.1: listenin is no kind of check; did you mean listening?",
    ]


def test_an_option_that_is_wrong_is_told_in_its_line(tmp_path: Path) -> None:
    checks = "      - listening:\n          port: x\n          hots: y\n      - listening\n"
    assert told(tmp_path, checks) == [
        "6: machines.a.checks.0.listening.port: must be a whole number, such as 22",
        "7: machines.a.checks.0.listening.hots: is not known here; did you mean host?",
        "8: machines.a.checks.1.listening.port: is missing",
    ]


def test_the_machines_values_may_stand_in_options(tmp_path: Path) -> None:
    text = (
        "machines:\n  a: {address: x, connection: {port: 2222}, "
        'checks: [{listening: {port: "{port}", host: "{address}"}}]}'
    )
    (tmp_path / "a.yaml").write_text(text)
    (machine,) = load_inventory(tmp_path).machines
    assert machine.checks == (CheckSpec(kind="listening", options={"port": "2222", "host": "x"}),)


def test_a_user_that_is_asked_for_must_be_known(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, '      - listening: {port: 1, host: "{user}"}\n')
    assert problem.startswith("2: machines.a.connection.user: is missing")


@pytest.mark.parametrize(
    ("check", "good"),
    [
        ("default_route", True),
        ({"default_route": None}, True),
        ({"listening": {"port": 1}}, True),
        ("listening", False),
        ("other", False),
        ({"listening": {"port": 1, "x": 2}}, False),
        ({"other": {}}, False),
        ({"listening": {"port": 1}, "default_route": None}, False),
    ],
)
def test_editors_are_told_of_the_kinds_and_their_options(check: object, good: bool) -> None:
    document = {"machines": {"a": {"address": "x", "checks": [check]}}}
    validator = jsonschema.Draft202012Validator(json.loads(inventory_schema()))
    assert validator.is_valid(document) == good
