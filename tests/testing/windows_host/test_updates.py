from __future__ import annotations

from typing import Any

import pytest

from patchyard.testing.windows.host import Fault, SimulatedComputer, catalogue
from patchyard.testing.windows.host.catalogue import Update
from tests.testing.windows_host.hosts import ask, begin, computer, finish, run, until

SESSION = "$session = New-Object -ComObject Microsoft.Update.Session\n"
SEARCH = SESSION + "$found = $session.CreateUpdateSearcher().Search('{}')\n"
EVERYTHING = """
$session = New-Object -ComObject Microsoft.Update.Session
$found = $session.CreateUpdateSearcher().Search('IsInstalled=0')
$all = New-Object -ComObject Microsoft.Update.UpdateColl
foreach ($update in $found.Updates) { $update.AcceptEula(); [void]$all.Add($update) }
"""
DOWNLOAD = (
    EVERYTHING
    + """
$downloader = $session.CreateUpdateDownloader()
$downloader.Updates = $all
$got = $downloader.Download()
"""
)
INSTALL = (
    DOWNLOAD
    + """
$installer = $session.CreateUpdateInstaller()
$installer.Updates = $all
$done = $installer.Install()
"""
)
EACH = (
    "@(0..($all.Count - 1) | ForEach-Object {{ $r = {}.GetUpdateResult($_); "
    "@($r.ResultCode, $r.HResult) }})"
)


def offering(
    *updates: Update, downloaded: bool = False, factor: float = 2000.0
) -> SimulatedComputer:
    host = computer(factor=factor)
    host.catalogue.offer(*updates, downloaded=downloaded)
    return host


def kind(host: SimulatedComputer) -> str:
    return host.updates.work.kind if host.updates.work else ""


def test_a_network_logon_may_not_even_search() -> None:
    host = offering(catalogue.LCU_2022)
    text = "try {{ {} }} catch {{ $_.Exception.GetBaseException().HResult }}"
    for what in (
        "(New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher()",
        "(New-Object -ComObject Microsoft.Update.Session).CreateUpdateInstaller()",
        "(New-Object -ComObject Microsoft.Update.Session).QueryHistory('', 0, 1)",
        "(New-Object -ComObject Microsoft.Update.SystemInfo).RebootRequired",
    ):
        assert run(host, text.format(what), "network").lines == ["-2147024891"]
        assert run(host, text.format(what), "interactive").lines != ["-2147024891"]


def test_errors_of_com_arrive_as_themselves() -> None:
    host = offering()
    host.cause(Fault.SEARCH_FAILS, hresult=0x8024402C)
    text = "try {{ {} }} catch {{ $_.Exception.GetType().FullName; $_.Exception.HResult }}"
    search = (
        "(New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher().Search('Type=1')"
    )
    denied = text.format(search)
    assert run(host, denied, "network").lines == [
        "System.UnauthorizedAccessException",
        "-2147024891",
    ]
    assert run(host, denied).lines == [
        "System.Runtime.InteropServices.COMException",
        "-2145107924",
    ]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("IsInstalled=0", ["LCU_2022", "DEFENDER", "DRIVER"]),
        ("IsInstalled=0 and Type=''Software''", ["LCU_2022", "DEFENDER"]),
        ("Type=''Driver''", ["DRIVER"]),
        ("BrowseOnly=1", ["DRIVER"]),
        ("IsInstalled=1", []),
        ("RebootRequired=1", []),
        ("CategoryIDs contains ''e0789628-ce08-4437-be74-2495b842f43b''", ["DEFENDER"]),
        (
            (
                "UpdateID=''aabbccdd-0011-4223-8445-566778899aab'' or BrowseOnly=0 and "
                "Type=''Software''"
            ),
            ["LCU_2022", "DEFENDER", "DRIVER"],
        ),
        ("IsHidden=1", []),
    ],
)
def test_search_criteria(criteria: str, expected: list[str]) -> None:
    host = offering(catalogue.LCU_2022, catalogue.DEFENDER, catalogue.DRIVER)
    titles = ask(host, SEARCH.format(criteria) + "@($found.Updates | ForEach-Object { $_.Title })")
    assert titles == [catalogue.known()[key].title for key in expected]


def test_criteria_that_are_none_are_refused() -> None:
    said = run(offering(), SEARCH.format("Nonsense=1"))
    assert (said.code, "0x80240032" in said.err) == (1, True)


def test_what_an_update_says_of_itself() -> None:
    text = (
        SEARCH.format("IsInstalled=0")
        + """
$u = $found.Updates.Item(0)
$who = @($u.Identity.UpdateID, $u.Identity.RevisionNumber, @($u.KBArticleIDs)[0], $u.MsrcSeverity)
$how = $u.InstallationBehavior
$when = $u.LastDeploymentChangeTime.ToString('yyyy-MM-dd')
$what = @($how.RebootBehavior, $how.Impact, $u.Categories.Item(0).Name, $u.EulaAccepted, $when)
$who + [long]$u.MaxDownloadSize + $what + $u.MaxDownloadSize.GetType().Name
"""
    )
    assert ask(offering(catalogue.LCU_2022), text) == [
        catalogue.LCU_2022.id,
        1,
        "5120242",
        "Critical",
        457179136,
        2,
        0,
        "Security Updates",
        True,
        "2026-08-11",
        "Decimal",
    ]
    severity = SEARCH.format("IsInstalled=0") + "$null -eq $found.Updates.Item(0).MsrcSeverity"
    assert ask(offering(catalogue.DOTNET), severity) is True


def test_what_is_superseded_is_left_out() -> None:
    host = offering(catalogue.LCU_2022_JULY, catalogue.LCU_2022)
    text = (
        SEARCH.format("IsInstalled=0")
        + "@($found.Updates | ForEach-Object { $_.KBArticleIDs.Item(0) })"
    )
    assert ask(host, text) == ["5120242"]


def test_a_search_offline_knows_what_the_last_one_found() -> None:
    host = offering(catalogue.DEFENDER)
    text = SESSION + (
        "$s = $session.CreateUpdateSearcher(); $s.Online = "
        "${}\n$s.Search('IsInstalled=0').Updates.Count"
    )
    assert ask(host, text.format("false")) == 0
    assert ask(host, text.format("true")) == 1
    assert ask(host, text.format("false")) == 1


def test_an_update_that_needs_a_reboot_is_done_after_it() -> None:
    host = offering(catalogue.LCU_2022)
    assert ask(host, INSTALL + "@($done.ResultCode, $done.HResult, $done.RebootRequired)") == [
        2,
        0,
        True,
    ]
    assert host.store.version == "20348.5386"
    assert host.reboot_required()
    info = "(New-Object -ComObject Microsoft.Update.SystemInfo).RebootRequired"
    assert ask(host, info) is True
    assert ask(host, SEARCH.format("RebootRequired=1") + "$found.Updates.Count") == 1
    host.restart()
    host.advance(3600)
    assert (host.power, host.boot, host.store.version) == ("up", 2, "20348.5499")
    assert ask(host, info) is False
    assert ask(host, SEARCH.format("IsInstalled=0") + "$found.Updates.Count") == 0
    assert host.updates.has_installed(catalogue.LCU_2022)


def test_each_update_has_a_result_of_its_own() -> None:
    host = offering(catalogue.DEFENDER, catalogue.MSRT, catalogue.DOTNET)
    host.cause(Fault.INSTALL_FAILS, update=catalogue.MSRT, hresult=0x8024200B)
    assert ask(host, INSTALL + EACH.format("$done")) == [2, 0, 4, -2145116149, 2, 0]
    assert ask(host, "1") == 1
    codes = [past.code for past in host.updates.history]
    assert codes == [2, 4, 2]
    assert [e.id for e in host.events.records if "WindowsUpdateClient" in e.provider] == [
        19,
        20,
        19,
    ]


def test_a_failure_may_be_there_only_once() -> None:
    host = offering(catalogue.DEFENDER)
    host.cause(Fault.INSTALL_FAILS, update=catalogue.DEFENDER, hresult=0x80070643, times=1)
    assert ask(host, INSTALL + "$done.ResultCode") == 4
    assert ask(host, INSTALL + "$done.ResultCode") == 2


def test_what_was_not_downloaded_is_not_installed() -> None:
    text = (
        EVERYTHING
        + "$i = $session.CreateUpdateInstaller(); $i.Updates = $all; $done = $i.Install()\n"
    )
    assert ask(offering(catalogue.DEFENDER), text + EACH.format("$done")) == [4, -2145099769]


def test_an_exclusive_update_wants_to_be_alone() -> None:
    host = offering(catalogue.SSU, catalogue.DEFENDER)
    assert ask(host, INSTALL + EACH.format("$done")) == [4, -2145124327, 2, 0]
    assert ask(host, INSTALL + EACH.format("$done")) == [2, 0]


def test_a_licence_has_to_be_accepted() -> None:
    host = offering(catalogue.MSRT)
    text = INSTALL.replace("$update.AcceptEula(); ", "")
    assert ask(host, text + EACH.format("$done")) == [4, -2145124317]
    assert ask(host, INSTALL + EACH.format("$done")) == [2, 0]


@pytest.mark.parametrize(
    ("fault", "detail", "text", "hresult"),
    [
        (Fault.SEARCH_FAILS, {"hresult": 0x8024402C}, SEARCH.format("IsInstalled=0"), "8024402C"),
        (Fault.INSTALL_REFUSED, {"hresult": 0x80240016}, INSTALL, "80240016"),
        (Fault.BUSY, {}, INSTALL, "80240016"),
    ],
)
def test_the_agent_refuses(fault: Fault, detail: dict[str, Any], text: str, hresult: str) -> None:
    host = offering(catalogue.DEFENDER)
    host.cause(fault, **detail)
    said = run(host, text)
    assert said.code == 1
    assert f"Exception from HRESULT: 0x{hresult}" in said.err
    host.heal(fault)
    assert run(host, text).code == 0


def test_a_search_may_end_with_warnings() -> None:
    host = offering(catalogue.DEFENDER)
    host.cause(Fault.SEARCH_WARNS, hresult=0x8024402C)
    text = (
        SEARCH.format("IsInstalled=0")
        + "@($found.ResultCode, $found.Updates.Count, $found.Warnings.Item(0).HResult)"
    )
    assert ask(host, text) == [3, 1, -2145107924]


def test_a_failed_download_is_told() -> None:
    host = offering(catalogue.DEFENDER)
    host.cause(Fault.DOWNLOAD_FAILS, update=catalogue.DEFENDER, hresult=0x80240034)
    assert ask(host, DOWNLOAD + EACH.format("$got")) == [4, -2145124300]


def test_a_full_disk_and_a_damaged_store() -> None:
    full = offering(catalogue.LCU_2022)
    full.cause(Fault.DISK_FULL)
    assert ask(full, DOWNLOAD + EACH.format("$got")) == [4, -2147024784]
    damaged = offering(catalogue.LCU_2022)
    damaged.cause(Fault.STORE_CORRUPT)
    assert ask(damaged, INSTALL + EACH.format("$done")) == [4, -2147010798]
    repair = '"$((Repair-WindowsImage -Online -RestoreHealth).ImageHealthState)"'
    assert (
        ask(damaged, '"$((Repair-WindowsImage -Online -CheckHealth).ImageHealthState)"')
        == "Repairable"
    )
    assert ask(damaged, repair) == "Healthy"
    assert ask(damaged, INSTALL + EACH.format("$done")) == [2, 0]


def test_a_disk_may_fill_up_between_download_and_installation() -> None:
    host = offering(catalogue.LCU_2022, downloaded=True)
    host.cause(Fault.DISK_FULL, bytes=1000)
    text = (
        EVERYTHING
        + """
$i = $session.CreateUpdateInstaller(); $i.Updates = $all; $done = $i.Install()
"""
    )
    assert ask(host, text + EACH.format("$done")) == [4, -2147024784]


def test_what_rolls_back_in_the_reboot_is_offered_again() -> None:
    host = offering(catalogue.LCU_2022)
    host.cause(Fault.ROLLS_BACK, update=catalogue.LCU_2022, times=1)
    assert ask(host, INSTALL + "$done.ResultCode") == 2
    host.restart()
    host.advance(3600)
    assert host.store.version == "20348.5386"
    assert ask(host, SEARCH.format("IsInstalled=0") + "$found.Updates.Count") == 1
    assert [past.code for past in host.updates.history] == [4, 2]


def test_a_lie_is_a_success_that_changes_nothing() -> None:
    host = offering(catalogue.DEFENDER)
    host.cause(Fault.LIES, update=catalogue.DEFENDER)
    assert ask(host, INSTALL + "$done.ResultCode") == 2
    assert ask(host, SEARCH.format("IsInstalled=0") + "$found.Updates.Count") == 1


def test_a_hotpatch_needs_no_reboot() -> None:
    host = offering(catalogue.HOTPATCH_2022)
    boot = host.boot
    assert ask(host, INSTALL + "@($done.ResultCode, $done.RebootRequired)") == [2, False]
    assert (host.store.version, host.boot, host.reboot_required()) == ("20348.5440", boot, False)


def test_a_job_goes_on_by_itself_and_tells_how_far_it_is() -> None:
    host = offering(catalogue.DEFENDER, catalogue.LCU_2022)
    text = (
        DOWNLOAD
        + """
$installer = $session.CreateUpdateInstaller(); $installer.Updates = $all
$job = $installer.BeginInstall($null, $null, $null)
$seen = @()
while (-not $job.IsCompleted) {
  $seen += $job.GetProgress().CurrentUpdateIndex
  Start-Sleep -Seconds 30
}
$busy = $installer.IsBusy
$end = $installer.EndInstall($job)
@($seen[0], $seen[-1], $end.ResultCode, $busy)
"""
    )
    assert ask(host, text) == [0, 1, 2, False]


def test_an_abort_ends_it_between_two_updates() -> None:
    host = offering(catalogue.DEFENDER, catalogue.LCU_2022)
    text = (
        DOWNLOAD
        + """
$installer = $session.CreateUpdateInstaller(); $installer.Updates = $all
$job = $installer.BeginInstall($null, $null, $null)
$job.RequestAbort()
$done = $installer.EndInstall($job)
"""
    )
    assert ask(host, text + EACH.format("$done")) == [2, 0, 5, -2145124341]


def test_some_hosts_want_callbacks() -> None:
    host = offering(catalogue.DEFENDER)
    host.cause(Fault.NULL_CALLBACKS_REFUSED)
    text = DOWNLOAD + (
        "$i = $session.CreateUpdateInstaller(); $i.Updates = $all; "
        "$i.BeginInstall($null, $null, $null)"
    )
    assert "0x80004003" in run(host, text).err


def test_whoever_is_ended_begins_nothing_further() -> None:
    host = offering(catalogue.DEFENDER, catalogue.LCU_2022, factor=60)
    program = begin(host, INSTALL)
    until(lambda: kind(host) == "install")
    program.end()
    host.advance(3600)
    assert host.updates.has_installed(catalogue.DEFENDER)
    assert not host.updates.pending()


def test_a_reboot_in_the_middle_leaves_what_was_done() -> None:
    host = offering(catalogue.DEFENDER, catalogue.LCU_2022, factor=300)
    program = begin(host, INSTALL)
    until(lambda: kind(host) == "install" and host.updates.has_installed(catalogue.DEFENDER))
    host.restart()
    assert finish(program).code == 1
    host.advance(3600)
    assert host.power == "up"
    assert host.updates.has_installed(catalogue.DEFENDER)
    assert host.store.version == "20348.5386"
    assert not host.updates.pending()
    assert host.updates.work is None


def test_a_second_job_is_refused_while_one_runs() -> None:
    host = offering(catalogue.LCU_2022, factor=300)
    program = begin(host, INSTALL)
    until(lambda: kind(host) == "install")
    assert "0x80240009" in run(host, DOWNLOAD).err
    program.end()


def test_services_and_policies_can_forbid_it() -> None:
    host = offering(catalogue.DEFENDER)
    host.services.get("wuauserv").start = "Disabled"
    assert "0x80070422" in run(host, SEARCH.format("IsInstalled=0")).err
    host.services.get("wuauserv").start = "Manual"
    key = "SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate"
    host.registry.set(key, "DisableWindowsUpdateAccess", 1)
    assert "0x8024002E" in run(host, SEARCH.format("IsInstalled=0")).err


def test_a_policy_names_another_source() -> None:
    host = offering()
    key = "SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate"
    host.registry.set(key, "WUServer", "http://wsus.corp.test:8530")
    host.registry.set(f"{key}\\AU", "UseWUServer", 1)
    text = (
        "@((New-Object -ComObject Microsoft.Update.ServiceManager).Services | "
        "Where-Object { $_.IsDefaultAUService } | ForEach-Object { $_.IsManaged })"
    )
    assert ask(host, text) == [True]


def test_the_history_tells_failures_too() -> None:
    host = offering(catalogue.DEFENDER)
    host.cause(Fault.INSTALL_FAILS, update=catalogue.DEFENDER, hresult=0x80070643)
    run(host, INSTALL)
    text = (
        SESSION
        + """
$s = $session.CreateUpdateSearcher()
$h = $s.QueryHistory(0, $s.GetTotalHistoryCount()) | Select-Object -First 1
@($h.Operation, $h.ResultCode, $h.HResult, $h.UpdateIdentity.UpdateID)
"""
    )
    assert ask(host, text) == [1, 4, -2147023293, catalogue.DEFENDER.id]


def test_one_update_may_be_unreadable() -> None:
    host = offering(catalogue.DEFENDER)
    host.cause(Fault.BROKEN_TYPE_LIBRARY, update=catalogue.DEFENDER)
    text = (
        SEARCH.format("IsInstalled=0")
        + "try { $found.Updates.Item(0).Title } catch { 'unreadable' }"
    )
    assert run(host, text).lines == ["unreadable"]


def test_an_update_can_be_hidden() -> None:
    host = offering(catalogue.DEFENDER)
    run(host, SEARCH.format("IsInstalled=0") + "$found.Updates.Item(0).IsHidden = $true")
    assert ask(host, SEARCH.format("IsHidden=1") + "$found.Updates.Count") == 1
