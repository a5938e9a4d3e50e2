"""Every scenario that the Windows rig must carry (windows.md 5.4), and the tests that carry it.

All of them go through the real pywinrm over a real socket to a simulated computer.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent

SPECIFIED = """
Assess with no update; one update; many updates; an empty severity; WSUS-only host; access denied
without the task; install with one failing update; exclusive update; reboot loop detection; two
rounds of LCU then .NET; TCP drop in install; controller killed and restarted in install; host
rebooted by a third party; reboot timeout; shell quota; AutoLogonChecked late;
ServicingInProgress=2 for a while; pending reboot before start; disk full; store corruption then
repair; hotpatch month; baseline month; unplanned baseline; stale baseline; VBS not running;
hotpatch plus .NET needing a restart; LCU rollback; permanent package; SSU left behind; new stopped
auto-start service after reboot; wrong password (exactly one attempt); expired Kerberos ticket
mid-run; wrong CA; CBT mismatch
"""

CARRIED = {
    "Assess with no update": "looks::TestOffers::test_none",
    "one update": "looks::TestOffers::test_one_without_a_severity",
    "many updates": "looks::TestOffers::test_many",
    "an empty severity": "looks::TestOffers::test_one_without_a_severity",
    "WSUS-only host": "looks::test_a_computer_with_wsus_alone_is_asked_there_and_says_so",
    "access denied without the task": (
        "looks::test_without_the_task_the_agent_refuses_and_that_is_an_error"
    ),
    "install with one failing update": (
        "patching::test_one_update_that_fails_is_told_with_its_code_and_the_others_are_installed"
    ),
    "exclusive update": "patching::test_one_that_must_be_alone_is_installed_first_and_alone",
    "reboot loop detection": (
        "patching::test_an_update_that_the_reboot_takes_back_is_not_put_on_again"
    ),
    "two rounds of LCU then .NET": (
        "reboots::test_what_waits_for_another_update_comes_in_a_second_round"
    ),
    "TCP drop in install": (
        "links::test_a_connection_that_is_dropped_in_mid_install_costs_nothing"
    ),
    "controller killed and restarted in install": (
        "links::test_a_controller_that_is_killed_in_mid_install_attaches_to_what_it_began"
    ),
    "host rebooted by a third party": (
        "reboots::test_a_computer_that_somebody_else_reboots_in_mid_install_is_brought_to_its_end"
    ),
    "reboot timeout": "reboots::test_a_computer_that_does_not_come_back_is_lost_and_charged",
    "shell quota": "links::test_shells_that_somebody_else_uses_up_are_waited_for",
    "AutoLogonChecked late": "reboots::test_a_boot_counts_when_configuring_is_over",
    "ServicingInProgress=2 for a while": "reboots::test_a_boot_counts_when_configuring_is_over",
    "pending reboot before start": "patching::test_a_reboot_that_is_owed_comes_first",
    "disk full": "patching::test_a_full_disk_refuses_the_run_before_it_begins",
    "store corruption then repair": (
        "patching::test_a_damaged_component_store_is_repaired_before_anything_is_installed"
    ),
    "hotpatch month": (
        "looks::TestHotpatches::test_in_a_month_of_hotpatches_one_is_installed_and_proven"
    ),
    "baseline month": (
        "looks::TestHotpatches::"
        "test_in_the_month_of_a_baseline_the_whole_update_is_expected_and_reboots"
    ),
    "unplanned baseline": (
        "looks::TestHotpatches::test_an_unplanned_baseline_is_known_from_the_table"
    ),
    "stale baseline": (
        "looks::TestHotpatches::"
        "test_a_computer_off_its_baseline_is_offered_the_whole_and_that_is_no_failure"
    ),
    "VBS not running": "looks::TestHotpatches::test_without_running_vbs_it_is_not_eligible",
    "hotpatch plus .NET needing a restart": (
        "looks::TestHotpatches::test_what_else_needs_a_restart_leaves_the_hotpatch_unproven"
    ),
    "LCU rollback": "patching::TestUndo::test_what_made_the_machine_worse_is_removed_and_hidden",
    "permanent package": "reboots::test_a_package_that_is_permanent_needs_a_person",
    "SSU left behind": "reboots::test_the_servicing_stack_of_what_is_undone_stays",
    "new stopped auto-start service after reboot": (
        "reboots::test_a_service_that_does_not_start_after_the_reboot_is_a_regression"
    ),
    "wrong password (exactly one attempt)": (
        "links::test_a_wrong_password_is_sent_once_and_the_computer_is_unreachable"
    ),
    "expired Kerberos ticket mid-run": (
        "links::test_a_ticket_that_runs_out_in_mid_run_is_fetched_anew"
    ),
    "wrong CA": (
        "links::test_a_certificate_of_another_authority_is_refused_before_a_password_is_sent"
    ),
    "CBT mismatch": "links::test_a_binding_to_another_channel_is_refused_once",
}
"""Each scenario and its test: the file (test_windows_NAME.py), then its class, if any, and name."""


def specified() -> list[str]:
    return [" ".join(scenario.split()) for scenario in SPECIFIED.split(";")]


@cache
def written_in(file: str) -> frozenset[str]:
    """Return the tests of a file, those of its classes with their class."""
    tree = ast.parse((HERE / f"test_windows_{file}.py").read_text())
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        own = (node.name for node in kind.body if isinstance(node, ast.FunctionDef))
        found |= {f"{kind.name}::{name}" for name in own}
    return frozenset(found)


def test_no_scenario_is_missing_and_none_is_made_up() -> None:
    assert list(CARRIED) == specified()


@pytest.mark.parametrize("scenario", CARRIED)
def test_each_has_a_test_that_is_there(scenario: str) -> None:
    file, _, name = CARRIED[scenario].partition("::")
    assert name in written_in(file)


@pytest.mark.parametrize("file", sorted({place.partition("::")[0] for place in CARRIED.values()}))
def test_none_of_them_goes_past_the_wire(file: str) -> None:
    source = (HERE / f"test_windows_{file}.py").read_text()
    assert "windows_runs import" in source
    assert "Direct" not in source
