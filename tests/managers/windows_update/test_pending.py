from typing import Any

import pytest

from patchyard.domain.path import PathKind, RebootSetting, choose_path
from patchyard.domain.updates import Assessment
from patchyard.domain.value import Known
from tests.managers.windows_update.facts_written_by_hand import BOOT, PENDING, assessed, failure


def seen(**noted: Any) -> Assessment:
    return assessed(pending={**PENDING, **noted})


STRONG: list[dict[str, Any]] = [
    {"cbs_reboot_pending": True},
    {"cbs_reboot_in_progress": True},
    {"cbs_packages_pending": True},
    {"wu_reboot_required": True},
    {"wu_post_reboot": True},
    {"wu_services": ["9482f4b4-e343-43b6-b170-9a65bc822c77"]},
    {"renames": ["\\??\\C:\\Windows\\System32\\a.dll", "!\\??\\C:\\Windows\\System32\\b.dll"]},
    {"renames_2": ["\\??\\C:\\Windows\\WinSxS\\x", ""]},
]
MEDIUM: list[dict[str, Any]] = [{"update_exe": 1}, {"server_manager": 2}, {"dvd_signal": "1"}]
TOLD: list[dict[str, Any]] = [
    {"renames": ["\\??\\C:\\Windows\\Temp\\a.tmp", "", "\\??\\C:\\Program Files\\AV\\x", ""]},
    {"renames": ["\\??\\C:\\Windows\\System32\\spool\\drivers\\x.dll", ""]},
    {"computer_name": "NEW"},
    {"host_name": "new"},
    {"join_domain": "corp.example"},
    {"avoid_spn": 1},
]


def test_where_nothing_is_noted_nothing_is_owed() -> None:
    found = assessed()
    assert (found.reboot_required, found.reboot_first, found.reboot_reasons) == (
        Known.NO, False, (),
    )  # fmt: skip
    assert choose_path(found, RebootSetting.IF_REQUIRED).kind == PathKind.NONE


@pytest.mark.parametrize("noted", STRONG)
def test_a_strong_reason_must_be_dealt_with_first(noted: dict[str, Any]) -> None:
    found = seen(**noted)
    assert found.reboot_required == Known.YES
    assert found.reboot_first
    assert found.reboot_reasons


@pytest.mark.parametrize("noted", MEDIUM)
def test_a_medium_reason_asks_for_a_reboot_that_can_wait(noted: dict[str, Any]) -> None:
    found = seen(**noted)
    assert found.reboot_required == Known.YES
    assert not found.reboot_first


@pytest.mark.parametrize("noted", TOLD)
def test_the_others_are_only_told(noted: dict[str, Any]) -> None:
    found = seen(**noted)
    assert (found.reboot_required, found.reboot_reasons) == (Known.NO, ())
    assert found.findings


def test_the_agent_and_configuration_manager_are_asked_too() -> None:
    assert assessed(system_info={"reboot_required": True}).reboot_first
    assert assessed(sccm={"installed": True, "reboot_pending": True}).reboot_first


def test_our_own_note_counts_only_in_the_boot_in_which_it_was_made() -> None:
    assert assessed(marker={"boot": BOOT, "by": "KB1"}).reboot_first
    assert not assessed(marker={"boot": "1", "by": "KB1"}).reboot_first


@pytest.mark.parametrize("name", ["pending", "system_info"])
def test_what_could_not_be_read_leaves_it_unknown_and_a_change_then_reboots(name: str) -> None:
    found = assessed(failed={name: failure("access denied")})
    assert found.reboot_required == Known.UNKNOWN
    assert choose_path(found, RebootSetting.IF_REQUIRED).kind == PathKind.REBOOT


def test_servicing_that_works_is_waited_for() -> None:
    (holder,) = seen(servicing=2).lock_holders
    assert "servicing" in str(holder)
    assert seen(servicing=1).lock_holders == ()
    assert seen(cbs_sessions=1).lock_holders


def test_a_session_that_only_a_reboot_ends_is_not_waited_for() -> None:
    assert seen(cbs_sessions=1, cbs_reboot_pending=True).lock_holders == ()
