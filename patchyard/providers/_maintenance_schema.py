"""The JSON schema of maintenance files, for completion and checks in editors."""

from __future__ import annotations

import json

from patchyard.providers._check_options import kinds
from patchyard.providers._maintenance_format import MaintenanceFile
from patchyard.providers._schema import described_check


def maintenance_schema() -> str:
    """Return the JSON schema of a maintenance file, kinds of checks included."""
    schema = MaintenanceFile.model_json_schema(mode="validation")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    defined = schema["$defs"]
    defined["CheckSpec"] = described_check(kinds(), defined)
    for name in ("freezes", "configurations"):
        field = schema["properties"][name]
        inner = {key: field.pop(key) for key in ("type", "additionalProperties")}
        field["anyOf"] = [inner, {"type": "null"}]
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
