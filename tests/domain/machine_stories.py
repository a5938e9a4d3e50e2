"""What may become of one machine: its nature, its troubles, and the rules it is patched under."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from patchyard.domain.inventory import Policy
from patchyard.domain.path import RebootSetting
from patchyard.domain.record import MachineRun, RebootOutcome
from patchyard.domain.restore import PackageVersion, UndoTarget
from patchyard.domain.value import Known
from patchyard.testing.assessments import machine_plan, planned
from tests.domain.fake_machine import NEVER, FakeMachine, Nature, Story, drive
from tests.domain.strategies import unhurried

PLANNED = ("a:amd64", "b:amd64", "c:amd64", "new:amd64")
BEFORE = {"a:amd64": "1", "b:amd64": "1", "c:amd64": "1", "base:all": "7"}
AFTER = dict.fromkeys(PLANNED, "2")
PLAN = machine_plan(
    planned("a"), planned("b"), planned("c"), planned("new", from_version="", source="c")
)
CODES = ("unreachable", "timed_out", "orphaned", "script_failed", "authentication_failed")


def run_of(**changes: Any) -> MachineRun:
    made = MachineRun(run_id="r1", plan=PLAN, policy=Policy(), reboot=RebootSetting.IF_REQUIRED)
    return replace(made, **changes)


def story_of(
    *, policy: dict[str, Any] | None = None, packages: dict[str, str] | None = None, **nature: Any
) -> Story:
    """Tell how a machine of this nature is patched."""
    machine = FakeMachine(Nature(**nature), dict(packages or BEFORE), AFTER)
    return drive(run_of(policy=Policy.model_validate(policy or {})), machine)


def keys(story: Story) -> list[str]:
    return [action.key for action in story.actions]


AT_FIRST: list[dict[str, Any]] = [
    *[{}] * 16,
    {"locked": (0, 4)},
    {"locked": (0, 25)},
    {"locked": (3, 70)},
    {"locked": (0, 10**6)},
    {"broken": True},
    {"broken": True, "locked": (0, 30)},
    {"broken": True, "locked": (30, 10**6)},
    {"broken": True, "mends": False},
    {"full": True},
    {"skew": -400.0},
]
INSTALLING: list[dict[str, Any]] = [
    *[{}] * 6,
    {"works_from": {"a:amd64": 1}},
    {"works_from": {"b:amd64": 2, "new:amd64": 1}},
    {"works_from": {"a:amd64": NEVER}},
    {"works_from": {"a:amd64": NEVER}},
    {"works_from": dict.fromkeys(PLANNED, NEVER)},
    {"lied_about": frozenset({"b:amd64"})},
    {"lied_about": frozenset({"b:amd64"})},
    {"halves": frozenset({"install-0-0"})},
    {"halves": frozenset({"install-0-0"}), "works_from": {"a:amd64": 1}},
    {"halves": frozenset({"install-0-0"}), "mends": False},
    {"lacking": frozenset({"b:amd64"})},
]
AFTERWARDS: list[dict[str, Any]] = [
    *[{}] * 2,
    *[{"bad": frozenset({"a:amd64"})}] * 3,
    {"bad": frozenset({"new:amd64"})},
    {"bad": frozenset({"a:amd64"}), "undo_from": 1},
    {"bad": frozenset({"a:amd64"}), "undo_from": NEVER},
    {"bad": frozenset({"a:amd64"}), "owes_reboot": True},
    {"bad": frozenset({"a:amd64"}), "halves": frozenset({"undo-0"})},
    {"bad": frozenset({"a:amd64"}), "stops": True},
    {"bad": frozenset({"a:amd64"}), "sick": True},
    {"sick": True},
    {"mute": True},
    {"ruins": frozenset({"install-0-0"})},
    {"ruins": frozenset({"reboot"}), "owes_reboot": True},
    {"owes_for_ever": True},
    {"owes_reboot": True},
    {"owes_reboot": True, "restarts": True, "stops": True},
    {"owes_reboot": True, "reboot": RebootOutcome.NOT_BACK},
    {"owes_reboot": True, "reboot": RebootOutcome.NOT_REBOOTED},
    {"restarts": True},
    {"stops": True},
]
FAULTY = (
    "preflight-0",
    "preflight-1",
    "repair-0",
    "checks-before",
    "restore-point",
    "install-0-0",
    "installed-0",
    "reboot",
    "rebooted",
    "restarted",
    "undo-0",
    "undone-0",
    "verdict",
)
FAULTS: list[dict[str, Any]] = [
    *[{}] * 150,
    *({"faults": {key: code}} for key in FAULTY for code in CODES[:4]),
]
FURTHER: list[dict[str, Any]] = [*[{}] * 5, {"takes": 40}, {"unclear": Known.UNKNOWN}]


TARGET = UndoTarget(
    folder="/var/lib/patchyard/restore/earlier",
    packages=(PackageVersion(name="a", architecture="amd64", version="0"),),
    added=("c:amd64",),
    installed={"a:amd64": "1", "c:amd64": "1"},
)
"""An earlier run had brought version 1 of a, and c."""

PARTS = (AT_FIRST, INSTALLING, AFTERWARDS, FAULTS, FURTHER)
natures = st.tuples(*(st.sampled_from(part) for part in PARTS)).map(
    lambda parts: Nature(**{name: value for part in parts for name, value in part.items()})
)
present = st.sampled_from([*[BEFORE] * 5, BEFORE | {"a:amd64": "2"}, BEFORE | AFTER])
policies = st.sampled_from(
    [
        Policy.model_validate({"undo": undo, "lock_seconds": seconds})
        for undo in (*["preferred"] * 3, "required", "never")
        for seconds in (60, 5, 0)
    ]
)
runs = st.builds(
    run_of,
    policy=policies,
    reboot=st.sampled_from(RebootSetting),
    undo=st.sampled_from([*[None] * 6, TARGET]),
)
stories = st.builds(
    lambda run, nature, there: drive(run, FakeMachine(nature, dict(there), AFTER)),
    runs,
    natures,
    present,
)
"""What becomes of a machine with troubles at its beginning, its middle and its end."""

whole_runs = settings(unhurried, max_examples=150)
