"""prefect.yaml and the flows fit together, and a run started without a word changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.flows import Flow
from prefect.utilities.callables import parameter_schema
from prefect.utilities.importtools import import_object
from pydantic import BaseModel

from patchyard.parameters import (
    AssessParameters,
    DispatchParameters,
    EmergencyParameters,
    PatchParameters,
    ResumeParameters,
    RollbackParameters,
)

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())[
    "deployments"
]
MODELS: dict[str, type[BaseModel]] = {
    "flows.assess.assess": AssessParameters,
    "flows.patch.patch": PatchParameters,
    "flows.emergency.emergency": EmergencyParameters,
    "flows.rollback.rollback": RollbackParameters,
    "flows.resume.resume": ResumeParameters,
    "flows.dispatch.dispatch": DispatchParameters,
}


def test_every_flow_has_a_deployment() -> None:
    assert {deployment["entrypoint"] for deployment in DEPLOYMENTS} == set(MODELS)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: str(each["entrypoint"]))
def test_a_deployment_names_a_flow_and_fits_its_parameters(deployment: dict[str, Any]) -> None:
    flow = import_object(deployment["entrypoint"])
    assert isinstance(flow, Flow)
    given = deployment["parameters"].get("parameters")
    if given is not None:
        MODELS[deployment["entrypoint"]].model_validate(given)


def test_schedules_say_their_time_zone() -> None:
    named = [d for d in DEPLOYMENTS if d["name"] == "fleet"]
    schedules = {d["entrypoint"]: d.get("schedules", []) for d in named}
    assert all(s["timezone"] for each in schedules.values() for s in each)
    assert len(schedules["flows.assess.assess"]) == 1
    assert len(schedules["flows.patch.patch"]) == 1
    assert len(schedules["flows.dispatch.dispatch"]) == 1
    assert schedules["flows.rollback.rollback"] == []


def test_runs_of_windows_have_a_deployment_without_a_schedule_or_a_limit_of_their_own() -> None:
    (window,) = [d for d in DEPLOYMENTS if d["name"] == "window"]
    # Two windows may begin at once; that one machine has one run is what leases are for.
    assert "schedules" not in window
    assert "concurrency_limit" not in window
    assert DispatchParameters().deployment == "patch/window"


def test_a_dispatcher_that_was_killed_shuts_out_no_other() -> None:
    (dispatcher,) = [d for d in DEPLOYMENTS if d["entrypoint"] == "flows.dispatch.dispatch"]
    assert "concurrency_limit" not in dispatcher


@pytest.mark.parametrize("entrypoint", MODELS)
def test_the_form_has_a_place_a_title_and_a_description_for_every_field(entrypoint: str) -> None:
    schema = parameter_schema(import_object(entrypoint).fn).model_dump_for_openapi()
    fields = schema["definitions"][MODELS[entrypoint].__name__]["properties"]
    places = [field["position"] for field in fields.values()]
    assert len(set(places)) == len(places)
    assert all(field["title"] and field["description"] for field in fields.values())


def test_what_windows_machines_get_has_a_form_of_its_own_and_is_absent_by_default() -> None:
    patching = parameter_schema(import_object("flows.patch.patch").fn).model_dump_for_openapi()
    field = patching["definitions"]["PatchParameters"]["properties"]["windows"]
    # A model or nothing is what the form can show; lists of words in it become choices.
    assert [each.get("$ref", each.get("type")) for each in field["anyOf"]] == [
        "#/definitions/OnWindows",
        "null",
    ]
    assert field["default"] is None
    form = patching["definitions"]["OnWindows"]["properties"]
    assert sorted(form, key=lambda name: int(form[name]["position"])) == [
        "classifications",
        "include",
        "exclude",
    ]
    assert all(each["title"] and each["description"] for each in form.values())
    assert "UpdateRollUp" in form["classifications"]["items"]["enum"]
    assert "Other" not in form["classifications"]["items"]["enum"]


def test_what_is_started_without_a_word_changes_nothing() -> None:
    assert PatchParameters(inventory="somewhere").dry_run
    assert DispatchParameters().dry_run
    assert RollbackParameters(run_id="some-run").dry_run
    patching = next(d for d in DEPLOYMENTS if d["entrypoint"] == "flows.patch.patch")
    assert patching["parameters"]["parameters"]["dry_run"] is True
