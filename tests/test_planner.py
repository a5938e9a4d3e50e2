"""From assessments to the one plan of a run, whatever kinds of systems its machines have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from patchyard.account import assessment_rows, report_of
from patchyard.domain.inventory import Inventory, Machine, OsFamily
from patchyard.domain.outcome import Status
from patchyard.domain.plan import Plan, WhyNot
from patchyard.domain.rings import Judged, Ran, Ring
from patchyard.domain.updates import (
    Assessment,
    Classification,
    Compliance,
    OperatingSystem,
    Standing,
    Update,
)
from patchyard.fleet import BEFORE
from patchyard.parameters import PatchParameters
from patchyard.planner import RecordedRollout, plan_run
from patchyard.runs import Run
from patchyard.store import RunRecord, Store, open_store
from patchyard.testing.assessments import NOON, assessment

ROLL_UP = {"classifications": ["UpdateRollUp"], "exclude": ["KB2"]}
AFTER = {"first": "tags.role == replica", "then": "tags.role == primary"}


def linux(name: str, **fields: Any) -> Machine:
    return Machine(name=name, address=f"{name}.example", **fields)


def windows(name: str, **fields: Any) -> Machine:
    return linux(name, os_family=OsFamily.WINDOWS, **fields)


def offers(*updates: tuple[str, Classification], manager: str = "apt", **more: Any) -> Assessment:
    found = tuple(
        Update(
            name=name,
            architecture="all",
            installed="1",
            candidate="2",
            classification=kind,
            origin="",
            **more,
        )
        for name, kind in updates
    )
    return assessment(updates=found, manager=manager)


CURL = ("curl", Classification.SECURITY)
VIM = ("vim", Classification.OTHER)
MONTHLY = ("KB1", Classification.UPDATE_ROLL_UP)
SHUNNED = ("KB2", Classification.UPDATE_ROLL_UP)
URGENT = ("KB3", Classification.SECURITY)


Fleet = Sequence[tuple[Machine, Assessment | None]]


class Scene:
    """A run of some machines that were assessed."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store

    def run(self, seen: Fleet, **given: Any) -> Run:
        parameters = self.parameters(**given).model_dump(mode="json") | {"seed": "s"}
        record = RunRecord("r1", "patch", "fleet", "all", parameters, Status.IN_PROGRESS, NOON)
        self.store.create_run(record)
        fleet = Inventory(name="fleet", folder=str(self.folder), machines=tuple(m for m, _ in seen))
        self.assess("r1", {machine.name: found for machine, found in seen})
        return Run(record, self.store, fleet, "me", clock=lambda: NOON)

    def assess(self, run_id: str, seen: dict[str, Assessment | None]) -> None:
        self.store.add_machines(run_id, [(name, None, n) for n, name in enumerate(seen)])
        for name, found in seen.items():
            if found:
                named = found.model_copy(update={"machine": name})
                self.store.save_assessment(run_id, name, BEFORE, named)

    def parameters(self, **given: Any) -> PatchParameters:
        written = {"inventory": str(self.folder), "waves": ["rest"], "dry_run": False, **given}
        return PatchParameters.model_validate(written)

    def planned(self, seen: Fleet, **given: Any) -> tuple[Run, Plan]:
        run = self.run(seen, **given)
        return run, plan_run(run, self.parameters(**given))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path / "home"))
    with open_store(f"sqlite:///{tmp_path}/memory.db") as store:
        yield Scene(tmp_path, store)


def updates(plan: Plan) -> dict[str, list[str]]:
    return {part.machine: [each.name for each in part.updates] for part in plan.machines}


def test_each_kind_of_system_gets_its_own_in_one_plan(scene: Scene) -> None:
    fleet = [
        (linux("a"), offers(CURL, VIM)),
        (windows("w"), offers(MONTHLY, SHUNNED, URGENT)),
        (windows("x"), None),
    ]
    run, plan = scene.planned(fleet, windows=ROLL_UP)
    assert updates(plan) == {"a": ["curl"], "w": ["KB1"], "x": []}
    assert plan.waves == (("a", "w"),)
    left = {item.name: item.why for item in plan.machine("w").left_out}
    assert left == {"KB2": WhyNot.EXCLUDED, "KB3": WhyNot.CLASSIFICATION}
    assert run.store.find_plan(run.id) == plan


def test_without_a_word_of_windows_all_get_the_same(scene: Scene) -> None:
    fleet = [(linux("a"), offers(CURL, VIM)), (windows("w"), offers(MONTHLY, URGENT))]
    _, plan = scene.planned(fleet, classifications=["Security", "UpdateRollUp"], exclude=["KB3"])
    assert updates(plan) == {"a": ["curl"], "w": ["KB1"]}


def test_only_hotpatches_and_named_fixes_are_asked_of_both(scene: Scene) -> None:
    fleet = [
        (linux("a"), offers(CURL, VIM)),
        (windows("w"), offers(MONTHLY, hotpatch="", cves=("CVE-2026-1",))),
        (windows("x"), offers(URGENT, MONTHLY, hotpatch="by its title", cves=("CVE-2026-1",))),
    ]
    asked = {"fixes": ["CVE-2026-1"], "hotpatch_only": True, "windows": {"exclude": ["KB3"]}}
    _, plan = scene.planned(fleet, **asked)
    assert updates(plan) == {"a": [], "w": [], "x": ["KB1"]}
    assert {i.name: i.why for i in plan.machine("w").left_out} == {"KB1": WhyNot.NOT_HOTPATCH}


def test_a_ring_promotes_to_both(scene: Scene) -> None:
    fleet = [(linux("a"), offers(CURL)), (windows("w"), offers(MONTHLY))]
    run = scene.run(fleet, windows=ROLL_UP)
    earlier = RunRecord("r0", "patch", "fleet", "all", {}, Status.SUCCEEDED, NOON)
    scene.store.create_run(earlier)
    scene.assess("r0", {"d": assessment(packages={"curl:all": "2", "KB1:all": "1"})})
    ran = Ran("dev@2026-03-09", "r0", NOON, {"d": Status.SUCCEEDED})
    run.ring = (Ring(after="dev"), Judged(ran, proven=True, told="it runs well"))
    plan = plan_run(run, scene.parameters(windows=ROLL_UP))
    assert updates(plan) == {"a": ["curl"], "w": []}
    (left,) = plan.machine("w").left_out
    assert (left.why, left.detail) == (WhyNot.NOT_PROMOTED, "the ring before it has 1")


def test_nothing_to_do_is_judged_by_what_each_kind_is_to_get(scene: Scene) -> None:
    fleet = [
        (linux("a"), offers(VIM)),
        (windows("v"), offers(URGENT)),
        (windows("w"), offers(SHUNNED)),
        (linux("b"), offers(CURL)),
    ]
    run, plan = scene.planned(fleet, windows=ROLL_UP, exclude=["curl"])
    assert plan.waves == ()
    told = {each.machine: (each.status, each.reason) for each in run.store.machines(run.id)}
    assert told["a"] == told["v"] == (Status.SUCCEEDED, "nothing to do")
    assert told["w"] == (
        Status.COMPLETED_WITH_WARNINGS,
        "nothing installable; left out: KB2 (excluded: excluded by KB2)",
    )
    assert told["b"][0] == Status.COMPLETED_WITH_WARNINGS
    judged = {row["machine"]: row["compliance"] for row in assessment_rows(run)}
    reported = {m.name: m.compliance_before for m in report_of(run, plan=plan).machines}
    assert judged == reported
    assert reported == {
        "a": Compliance.COMPLIANT,
        "v": Compliance.COMPLIANT,
        "w": Compliance.MISSING,
        "b": Compliance.MISSING,
    }


def test_rules_budget_and_waves_see_both(scene: Scene) -> None:
    fleet = [
        (windows("a", tags={"role": "primary"}, cluster="db"), offers(MONTHLY)),
        (linux("b", tags={"role": "replica"}, cluster="db"), offers(CURL)),
        (windows("c", cluster="db"), offers(MONTHLY)),
    ]
    rules = {"order": [AFTER], "quorum": [{"of": "cluster == db", "at_least": 2}]}
    run, plan = scene.planned(fleet, windows=ROLL_UP, availability=rules, max_failures=0)
    assert plan.waves == (("b", "c"), ("a",))
    rollout = RecordedRollout(run, plan, scene.parameters(max_failures=0)).now()
    assert [member.name for member in rollout.members] == ["b", "c", "a"]
    assert {quorum for member in rollout.members for quorum in member.quorums} == set(
        rollout.quorums
    )
    assert len(rollout.quorums) == 1


OWN = """
- {ids: [CVE-2026-7], release: bookworm, source: openssl, fixed: "2"}
- {ids: [CVE-2026-8], release: bookworm, source: zlib, fixed: "2"}
"""


def bookworm(version: str, *updates: Update) -> Assessment:
    return assessment(
        os=OperatingSystem(id="debian", version_id="12", codename="bookworm"),
        updates=updates,
        packages={"libssl3:amd64": version, "openssl:amd64": version},
        built_from={"libssl3:amd64": "openssl"},
    )


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "advisories.yaml"
    file.write_text(OWN)
    monkeypatch.setenv("PATCHYARD_ADVISORIES", str(file))
    return file


def update(name: str, installed: str, **fields: Any) -> Update:
    return Update(
        name=name,
        architecture="amd64",
        installed=installed,
        candidate="2",
        classification=Classification.SECURITY,
        origin="",
        **fields,
    )


def test_by_a_table_a_vulnerability_alone_selects_what_fixes_it_and_installed_versions_prove_it(
    scene: Scene, table: Path
) -> None:
    assert table.is_file()
    fleet = [
        (linux("behind"), bookworm("1", update("libssl3", "1", source="openssl"))),
        (linux("mirror-lags"), bookworm("1")),
        (linux("fixed"), bookworm("2")),
        (linux("fixed-else-behind"), bookworm("2", update("curl", "1"))),
    ]
    run, plan = scene.planned(fleet, fixes=["cve-2026-7"])
    assert updates(plan) == {
        "behind": ["libssl3"],
        "mirror-lags": [],
        "fixed": [],
        "fixed-else-behind": [],
    }
    assert plan.waves == (("behind",),)
    assert [each.fixes for each in plan.machine("behind").updates] == [("cve-2026-7",)]
    assert '"fixes":["cve-2026-7"]' in plan.canonical()
    assert {i.name: i.why for i in plan.machine("fixed-else-behind").left_out} == {
        "curl": WhyNot.UNKNOWN_FIX
    }
    told = {each.machine: (each.status, each.reason) for each in run.store.machines(run.id)}
    proven = (Status.SUCCEEDED, "nothing to do: cve-2026-7 fixed already")
    assert told["fixed"] == told["fixed-else-behind"] == proven
    assert told["mirror-lags"] == (
        Status.COMPLETED_WITH_WARNINGS,
        "no update that is there is known to fix cve-2026-7; whether it is fixed is unknown",
    )


@pytest.mark.parametrize("more", [{"fixes": ["CVE-2026-7", "CVE-2026-8"]}, {"include": ["vim"]}])
def test_one_proven_fix_does_not_stand_for_all_that_was_asked_for(
    scene: Scene, table: Path, more: dict[str, Any]
) -> None:
    assert table.is_file()
    held = update("vim", "1", standing=Standing.HELD)
    run, plan = scene.planned(
        [(linux("a"), bookworm("2", held))], **{"fixes": ["CVE-2026-7"], **more}
    )
    (found,) = run.store.machines(run.id)
    assert plan.waves == ()
    assert found.status == Status.COMPLETED_WITH_WARNINGS


def test_without_a_table_the_same_is_unknown(scene: Scene) -> None:
    seen = bookworm("1", update("libssl3", "1", source="openssl"))
    _, plan = scene.planned([(linux("a"), seen)], fixes=["CVE-2026-7"])
    assert [item.why for item in plan.machine("a").left_out] == [WhyNot.UNKNOWN_FIX]
