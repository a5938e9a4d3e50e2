"""The path is the least that makes the fixes effective, and never less."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.path import Path, PathKind, RebootSetting, choose_path
from patchyard.domain.updates import Assessment, Kernel, LivePatch, OutdatedService
from patchyard.domain.value import Known
from patchyard.testing.assessments import NOON, assessment

IF_REQUIRED, NEVER, ALWAYS = RebootSetting.IF_REQUIRED, RebootSetting.NEVER, RebootSetting.ALWAYS
OLD_KERNEL = Kernel(
    running="6.1.0-30", newest_installed="6.1.0-31", applicable=Known.YES, outdated=Known.YES
)
NGINX = OutdatedService(name="nginx.service")
DBUS = OutdatedService(name="dbus.service", restartable=False)


def test_nothing_where_nothing_runs_replaced_code() -> None:
    assert choose_path(assessment(), IF_REQUIRED).kind == PathKind.NONE


def test_services_are_restarted_rather_than_the_machine() -> None:
    path = choose_path(assessment(outdated_services=(NGINX,)), IF_REQUIRED)
    assert path.kind == PathKind.RESTART_SERVICES
    assert path.services == ("nginx.service",)


def test_a_service_that_cannot_be_restarted_owes_a_reboot() -> None:
    path = choose_path(assessment(outdated_services=(NGINX, DBUS)), IF_REQUIRED)
    assert path.kind == PathKind.REBOOT
    assert "dbus.service" in path.reason


def test_a_reboot_that_is_not_allowed_is_owed_and_services_are_restarted_meanwhile() -> None:
    path = choose_path(assessment(outdated_services=(NGINX, DBUS)), NEVER)
    assert path.kind == PathKind.REBOOT_OWED
    assert path.services == ("nginx.service",)


def test_always_reboots_once() -> None:
    assert choose_path(assessment(), ALWAYS).kind == PathKind.REBOOT
    assert choose_path(assessment(), ALWAYS, rebooted=True).kind == PathKind.NONE


def test_an_old_kernel_owes_a_reboot() -> None:
    path = choose_path(assessment(kernel=OLD_KERNEL), IF_REQUIRED)
    assert path.kind == PathKind.REBOOT
    assert "6.1.0-31" in path.reason


def test_a_live_patch_stands_in_for_a_new_kernel_only() -> None:
    patch = LivePatch(state="applied", covers_until=NOON + timedelta(days=30))
    covered = assessment(kernel=OLD_KERNEL, live_patch=patch)
    assert choose_path(covered, IF_REQUIRED).kind == PathKind.LIVE_PATCH
    stuck = assessment(kernel=OLD_KERNEL, live_patch=patch, outdated_services=(DBUS,))
    assert choose_path(stuck, IF_REQUIRED).kind == PathKind.REBOOT


def test_a_live_patch_that_has_run_out_covers_nothing() -> None:
    patch = LivePatch(state="applied", covers_until=NOON)
    path = choose_path(assessment(kernel=OLD_KERNEL, live_patch=patch), IF_REQUIRED)
    assert path.kind == PathKind.REBOOT


@pytest.mark.parametrize(("changed", "kind"), [(True, PathKind.REBOOT), (False, PathKind.NONE)])
def test_an_unknown_need_is_rebooted_only_after_a_change(*, changed: bool, kind: PathKind) -> None:
    unknown = assessment(outdated_services_known=Known.UNKNOWN)
    path = choose_path(unknown, IF_REQUIRED, changed=changed)
    assert path.kind == kind


def test_a_container_has_no_kernel_of_its_own_to_be_unknown() -> None:
    kernel = Kernel(running="6.1", applicable=Known.NO, outdated=Known.UNKNOWN)
    assert choose_path(assessment(kernel=kernel), IF_REQUIRED).kind == PathKind.NONE


KNOWN = st.sampled_from(Known)
ASSESSMENTS = st.builds(
    assessment,
    reboot_required=KNOWN,
    outdated_services_known=KNOWN,
    outdated_services=st.lists(st.sampled_from([NGINX, DBUS]), unique=True).map(tuple),
    kernel=st.builds(Kernel, running=st.just("6.1"), applicable=KNOWN, outdated=KNOWN),
    live_patch=st.none() | st.builds(LivePatch, state=st.sampled_from(["applied", "none"])),
)


@given(ASSESSMENTS, st.booleans(), st.booleans())
def test_never_never_reboots(seen: Assessment, changed: bool, rebooted: bool) -> None:
    path = choose_path(seen, NEVER, changed=changed, rebooted=rebooted)
    assert path.kind != PathKind.REBOOT


@given(ASSESSMENTS, st.sampled_from(RebootSetting))
def test_no_machine_is_rebooted_twice_for_one_change(
    seen: Assessment, setting: RebootSetting
) -> None:
    assert choose_path(seen, setting, rebooted=True).kind != PathKind.REBOOT


@given(ASSESSMENTS, st.sampled_from(RebootSetting), st.booleans())
def test_every_decision_has_a_reason(
    seen: Assessment,
    setting: RebootSetting,
    changed: bool,
) -> None:
    path: Path = choose_path(seen, setting, changed=changed)
    assert path.reason


@given(ASSESSMENTS)
def test_what_cannot_be_restarted_is_never_called_done(seen: Assessment) -> None:
    stuck = any(not service.restartable for service in seen.outdated_services)
    kind = choose_path(seen, IF_REQUIRED).kind
    assert not stuck or kind in {PathKind.REBOOT, PathKind.REBOOT_OWED}
