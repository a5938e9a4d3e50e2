"""The path is the least that makes the fixes effective, and never less."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.path import Path, PathKind, RebootSetting, allowed, choose_path
from patchyard.domain.updates import Assessment, Kernel, LivePatch, OutdatedService
from patchyard.domain.value import Known
from patchyard.testing.assessments import NOON, assessment
from tests.domain.strategies import unhurried

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


def test_a_live_patch_that_is_not_applied_covers_nothing() -> None:
    patch = LivePatch(state="nothing to apply")
    path = choose_path(assessment(kernel=OLD_KERNEL, live_patch=patch), IF_REQUIRED)
    assert path.kind == PathKind.REBOOT


def test_a_live_patch_covers_no_other_reason_to_reboot() -> None:
    seen = assessment(
        kernel=OLD_KERNEL, live_patch=LivePatch(state="applied"), reboot_reasons=("libc6",)
    )
    assert choose_path(seen, IF_REQUIRED).kind == PathKind.REBOOT


def test_a_live_patch_stands_in_for_no_kernel_that_is_current() -> None:
    seen = assessment(reboot_required=Known.YES, live_patch=LivePatch(state="applied"))
    assert choose_path(seen, IF_REQUIRED).kind == PathKind.REBOOT


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


def test_a_live_patch_covers_no_running_code_that_cannot_be_seen() -> None:
    patch = LivePatch(state="applied")
    unseen = assessment(kernel=OLD_KERNEL, live_patch=patch, outdated_services_known=Known.UNKNOWN)
    path = choose_path(unseen, IF_REQUIRED)
    assert path.kind == PathKind.REBOOT
    assert "cannot be seen" in path.reason
    assert choose_path(unseen, NEVER).kind == PathKind.REBOOT_OWED
    assert choose_path(unseen, IF_REQUIRED, changed=False).kind == PathKind.LIVE_PATCH
    assert choose_path(unseen, IF_REQUIRED, rebooted=True).kind == PathKind.LIVE_PATCH


def test_a_hotpatch_took_effect_only_where_that_can_be_seen() -> None:
    assert choose_path(assessment(), IF_REQUIRED, hotpatched=True).kind == PathKind.HOTPATCH
    unseen = assessment(outdated_services_known=Known.UNKNOWN)
    path = choose_path(unseen, IF_REQUIRED, rebooted=True, hotpatched=True)
    assert path.kind == PathKind.NONE


KNOWN = st.sampled_from(Known)
ASSESSMENTS = st.builds(
    assessment,
    reboot_required=KNOWN,
    outdated_services_known=KNOWN,
    outdated_services=st.lists(st.sampled_from([NGINX, DBUS]), unique=True).map(tuple),
    reboot_reasons=st.sampled_from([(), (), ("libc6 was replaced",)]),
    kernel=st.just(OLD_KERNEL)
    | st.builds(Kernel, running=st.just("6.1"), applicable=KNOWN, outdated=KNOWN),
    live_patch=st.none()
    | st.builds(
        LivePatch,
        state=st.sampled_from(["applied", "applied", "none"]),
        covers_until=st.sampled_from([None, NOON, NOON + timedelta(days=1)]),
    ),
)
SETTINGS = st.sampled_from(RebootSetting)


def stuck(seen: Assessment) -> bool:
    return any(not service.restartable for service in seen.outdated_services)


def owes(seen: Assessment) -> bool:
    """True where something that was seen can only be mended by a reboot."""
    kernel = seen.kernel.outdated == Known.YES
    asked = seen.reboot_required == Known.YES or bool(seen.reboot_reasons)
    return kernel or asked or stuck(seen)


def unseen(seen: Assessment) -> bool:
    """True where it could not be seen whether replaced code runs, in the kernel or elsewhere."""
    kernel = seen.kernel.outdated == Known.UNKNOWN and seen.kernel.applicable != Known.NO
    return kernel or seen.outdated_services_known == Known.UNKNOWN


@unhurried
@given(ASSESSMENTS, st.booleans(), st.booleans())
def test_never_never_reboots(seen: Assessment, changed: bool, rebooted: bool) -> None:
    path = choose_path(seen, NEVER, changed=changed, rebooted=rebooted)
    assert path.kind != PathKind.REBOOT


@unhurried
@given(ASSESSMENTS, SETTINGS)
def test_no_machine_is_rebooted_twice_for_one_change(
    seen: Assessment, setting: RebootSetting
) -> None:
    assert choose_path(seen, setting, rebooted=True).kind != PathKind.REBOOT


@unhurried
@given(ASSESSMENTS, SETTINGS, st.booleans(), st.booleans())
def test_every_decision_has_a_reason(
    seen: Assessment,
    setting: RebootSetting,
    changed: bool,
    rebooted: bool,
) -> None:
    path: Path = choose_path(seen, setting, changed=changed, rebooted=rebooted)
    assert path.reason


@unhurried
@given(ASSESSMENTS)
def test_what_cannot_be_restarted_is_never_called_done(seen: Assessment) -> None:
    kind = choose_path(seen, IF_REQUIRED).kind
    assert not stuck(seen) or kind in {PathKind.REBOOT, PathKind.REBOOT_OWED}


@unhurried
@given(ASSESSMENTS, st.booleans())
def test_always_reboots_first_and_never_again(seen: Assessment, changed: bool) -> None:
    assert choose_path(seen, ALWAYS, changed=changed).kind == PathKind.REBOOT
    after = choose_path(seen, ALWAYS, changed=changed, rebooted=True)
    assert after == choose_path(seen, IF_REQUIRED, changed=changed, rebooted=True)


@unhurried
@given(ASSESSMENTS)
def test_after_a_change_what_cannot_be_seen_is_rebooted_or_owed(seen: Assessment) -> None:
    if unseen(seen):
        assert choose_path(seen, IF_REQUIRED).kind == PathKind.REBOOT
        assert choose_path(seen, NEVER).kind == PathKind.REBOOT_OWED


@unhurried
@given(ASSESSMENTS, SETTINGS, st.booleans(), st.booleans())
def test_nothing_is_to_be_done_only_where_all_is_seen_or_it_is_told_that_it_is_not(
    seen: Assessment, setting: RebootSetting, changed: bool, rebooted: bool
) -> None:
    path = choose_path(seen, setting, changed=changed, rebooted=rebooted)
    if path.kind == PathKind.NONE:
        assert not owes(seen)
        assert not any(service.restartable for service in seen.outdated_services)
        assert ("cannot be seen" in path.reason) == unseen(seen)


@unhurried
@given(ASSESSMENTS, SETTINGS, st.booleans(), st.booleans())
def test_what_is_owed_is_rebooted_owed_or_covered_by_a_live_patch(
    seen: Assessment, setting: RebootSetting, changed: bool, rebooted: bool
) -> None:
    path = choose_path(seen, setting, changed=changed, rebooted=rebooted)
    if owes(seen):
        assert path.kind in {PathKind.REBOOT, PathKind.REBOOT_OWED, PathKind.LIVE_PATCH}


@unhurried
@given(ASSESSMENTS, SETTINGS, st.booleans(), st.booleans())
def test_a_live_patch_covers_the_kernel_alone_and_not_beyond_its_time(
    seen: Assessment, setting: RebootSetting, changed: bool, rebooted: bool
) -> None:
    path = choose_path(seen, setting, changed=changed, rebooted=rebooted)
    if path.kind == PathKind.LIVE_PATCH:
        patch = seen.live_patch
        assert patch is not None
        assert patch.state == "applied"
        assert patch.covers_until is None or patch.covers_until > seen.taken_at
        assert seen.kernel.outdated == Known.YES
        assert not seen.reboot_reasons
        assert not stuck(seen)
        assert rebooted or not changed or not unseen(seen)


@unhurried
@given(ASSESSMENTS, SETTINGS, st.booleans())
def test_a_reboot_leaves_no_service_to_restart_by_itself(
    seen: Assessment, setting: RebootSetting, changed: bool
) -> None:
    path = choose_path(seen, setting, changed=changed)
    restartable = tuple(s.name for s in seen.outdated_services if s.restartable)
    assert path.services == (() if path.kind == PathKind.REBOOT else restartable)


@unhurried
@given(ASSESSMENTS, SETTINGS, st.booleans(), st.booleans())
def test_a_hotpatch_is_enough_only_where_all_is_seen_and_nothing_is_owed(
    seen: Assessment, setting: RebootSetting, changed: bool, rebooted: bool
) -> None:
    plain = choose_path(seen, setting, changed=changed, rebooted=rebooted)
    path = choose_path(seen, setting, changed=changed, rebooted=rebooted, hotpatched=True)
    if path.kind == PathKind.HOTPATCH:
        assert changed
        assert not owes(seen)
        assert not unseen(seen)
        assert plain.kind == PathKind.NONE
    else:
        assert path == plain


@pytest.mark.parametrize("asked", RebootSetting)
@pytest.mark.parametrize(
    ("rules", "only_hotpatches", "never"),
    [
        (["KB in the table"], True, True),
        ([""], True, True),
        ([None, "by its title"], True, True),
        ([None], True, False),
        ([], True, False),
        (["KB in the table"], False, False),
    ],
)
def test_where_only_hotpatches_are_wanted_nothing_that_has_them_is_rebooted(
    asked: RebootSetting, rules: list[str | None], *, only_hotpatches: bool, never: bool
) -> None:
    found = allowed(asked, rules, only_hotpatches=only_hotpatches)
    assert found == (RebootSetting.NEVER if never else asked)
