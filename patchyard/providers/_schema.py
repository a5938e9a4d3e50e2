"""The JSON schema of inventory files, for completion and checks in editors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from patchyard.domain.inventory import Described
from patchyard.power.base import known_providers
from patchyard.providers._check_options import kinds
from patchyard.providers._file_format import InventoryFile

_DEFINED = "#/$defs/"


def inventory_schema() -> str:
    """Return the JSON schema of an inventory file, kinds of checks included."""
    schema = InventoryFile.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    defined = schema["$defs"]
    # What is read from a shorter form is described in that form.
    defined["CheckSpec"] = described_check(kinds(), defined)
    defined["PowerSpec"] = _described_power(defined)
    jump = defined["Connection"]["properties"]["jump"]
    jump["items"] = {"anyOf": [{"type": "string"}, jump["items"]]}
    for name in ("Settings", "GroupEntry", "MachineEntry"):
        _admit_numbers(defined[name]["properties"])
    return json.dumps(_with_empty(schema), indent=2, sort_keys=True) + "\n"


def _admit_numbers(properties: dict[str, Any]) -> None:
    """Let numbers stand where text is meant, such as zone: 1."""
    for name, field in Described.model_fields.items():
        if field.annotation == str | None:
            properties[name]["anyOf"].append({"type": "number"})


def _with_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """Let whole sections be left empty."""
    for name in ("defaults", "groups", "machines"):
        field = schema["properties"][name]
        inner = {
            key: field.pop(key) for key in ("$ref", "type", "additionalProperties") & field.keys()
        }
        field["anyOf"] = [inner, {"type": "null"}]
    return schema


def described_check(
    known: Mapping[str, type[BaseModel]], defined: dict[str, Any]
) -> dict[str, Any]:
    """Describe a check: a kind that needs no options, or one kind with its options."""
    plain: dict[str, Any] = {"type": "string"}
    detailed: dict[str, Any] = {"type": "object", "minProperties": 1, "maxProperties": 1}
    if known:
        bare = [name for name, model in known.items() if not _required(model)]
        plain = {"enum": sorted(bare)}
        detailed["additionalProperties"] = False
        detailed["properties"] = {name: _options(known[name], defined) for name in sorted(known)}
    return {"description": "A health question.", "anyOf": [plain, detailed]}


def _described_power(defined: dict[str, Any]) -> dict[str, Any]:
    """Describe power: one kind with its options, of which others may be inherited."""
    kinds_of_power = {}
    for name, provider in sorted(known_providers().items()):
        kinds_of_power[name] = _options(provider.options, defined)
        for each in (kinds_of_power[name], *kinds_of_power[name].get("anyOf", ())):
            each.pop("required", None)
    return {
        "description": "How a machine is started and stopped.",
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": kinds_of_power,
    }


def _required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _options(model: type[BaseModel], defined: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=f"{_DEFINED}{model.__name__}.{{model}}")
    for name, inner in schema.pop("$defs", {}).items():
        defined[f"{model.__name__}.{name}"] = inner
    return schema if _required(model) else {"anyOf": [schema, {"type": "null"}]}
