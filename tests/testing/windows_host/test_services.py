from __future__ import annotations

from typing import Any

import pytest

from patchyard.testing.windows.host import ARC_2025, AZURE_2022, catalogue
from patchyard.testing.windows.host.services import Service
from tests.testing.windows_host.hosts import ask, begin, computer, finish, run, until


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"$((Get-Service -Name Spooler).Status)"', "Running"),
        ("(Get-Service Spooler).Status -eq 'Running'", True),
        ('"$((Get-Service Spooler).StartType)"', "Automatic"),
        ('Stop-Service Spooler; "$((Get-Service Spooler).Status)"', "Stopped"),
        ('Restart-Service -Name Spooler -Force; "$((Get-Service Spooler).Status)"', "Running"),
        (
            'Set-Service -Name Spooler -StartupType Disabled; "$((Get-Service Spooler).StartType)"',
            "Disabled",
        ),
        (
            'sc.exe config Spooler start= demand | Out-Null; "$((Get-Service Spooler).StartType)"',
            "Manual",
        ),
        ("@(Get-Service | Where-Object { $_.Name -like 'w*' }).Count", 5),
        ("$null -eq (Get-Service none -ErrorAction SilentlyContinue)", True),
        ("(Get-CimInstance Win32_Service -Filter \"Name='Spooler'\").StartMode", "Auto"),
        (
            (
                "@(Get-CimInstance Win32_Service -Filter \"StartMode='Auto' and "
                "State<>'Running'\").Count"
            ),
            3,
        ),
    ],
)
def test_services(text: str, expected: Any) -> None:
    *before, last = text.split("; ")
    assert ask(computer(), "\n".join([*before, last])) == expected


def test_a_service_may_refuse_to_start() -> None:
    host = computer()
    host.add_service(Service("bad", "A bad one", "Auto", "Stopped", refuses=True))
    text = "try { Start-Service bad } catch { $_.FullyQualifiedErrorId }"
    assert run(host, text).lines == ["CouldNotStartService,Start-Service"]


def test_processes() -> None:
    host = computer(factor=50)
    program = begin(host, "Start-Sleep -Seconds 9999")
    pid = program.inside.process.pid
    assert ask(host, f"(Get-Process -Id {pid}).ProcessName") == "powershell"
    same = (
        "[Diagnostics.Process]::GetCurrentProcess().StartTime.ToFileTimeUtc() -eq "
        "(Get-Process -Id $PID).StartTime.ToFileTimeUtc()"
    )
    assert ask(host, same) is True
    run(host, f"Stop-Process -Id {pid} -Force")
    assert finish(program).code == -1
    assert run(
        host, f"try {{ Get-Process -Id {pid} }} catch {{ $_.FullyQualifiedErrorId }}"
    ).lines == ["NoProcessFoundForGivenId,Get-Process"]


def test_a_global_mutex_is_one_for_the_whole_computer() -> None:
    host = computer(factor=50)
    take = "$m = New-Object Threading.Mutex($false, 'Global\\Mine'); $m.WaitOne(1000)"
    holder = begin(host, f"{take}; Start-Sleep -Seconds 9999")
    assert holder.receive(5).stdout == b"True\r\n"
    assert run(host, take).lines == ["False"]
    holder.end()
    finish(holder)
    assert run(host, f"{take}; $m.ReleaseMutex()").lines == ["True"]


def test_one_that_waits_is_told_that_the_holder_died() -> None:
    host = computer(factor=20)
    take = "$m = New-Object Threading.Mutex($false, 'Global\\Mine')"
    holder = begin(host, f"{take}; [void]$m.WaitOne(); 'have'; Start-Sleep -Seconds 9999")
    assert holder.receive(5).stdout == b"have\r\n"
    waiter = begin(
        host,
        (
            f"{take}; 'wait'; try {{ $m.WaitOne(600000) }} catch "
            f"[Threading.AbandonedMutexException] {{ 'abandoned' }}"
        ),
    )
    assert waiter.receive(5).stdout == b"wait\r\n"
    until(lambda: waiter.inside.process.waits_for != "")
    holder.end()
    assert finish(waiter).lines == ["abandoned"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(Get-CimInstance -ClassName Win32_OperatingSystem).BuildNumber", "20348"),
        ("(Get-CimInstance Win32_ComputerSystem).PartOfDomain", False),
        (
            "[long](Get-CimInstance Win32_LogicalDisk -Filter \"DeviceID='C:'\").FreeSpace -gt 1GB",
            True,
        ),
        ("@(Get-CimInstance Win32_Volume).Count", 2),
        ("(Get-CimInstance -Query 'SELECT * FROM Win32_OperatingSystem').ProductType", 3),
        ("(Get-HotFix -Id KB5099540).HotFixID", "KB5099540"),
        ("$null -eq (Get-HotFix -Id KB1 -ErrorAction SilentlyContinue)", True),
        ("@(Get-NetTCPConnection -State Listen | ForEach-Object { [int]$_.LocalPort })[0]", 135),
        ("(Get-ItemProperty 'HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion').UBR", 5386),
    ],
)
def test_facts(text: str, expected: Any) -> None:
    assert ask(computer(), text) == expected


def test_hotpatch_facts() -> None:
    vbs = (
        "[int](Get-CimInstance -Namespace root\\Microsoft\\Windows\\DeviceGuard "
        "-ClassName Win32_DeviceGuard).VirtualizationBasedSecurityStatus"
    )
    edition = (
        "(Get-ItemProperty 'HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion').EditionID"
    )
    assert (ask(computer(), vbs), ask(computer(AZURE_2022), vbs)) == (0, 2)
    assert ask(computer(AZURE_2022), edition) == "ServerTurbine"
    assert (
        ask(computer(ARC_2025), "[bool](Get-Service himds -ErrorAction SilentlyContinue)") is True
    )
    off = computer(AZURE_2022)
    off.vbs = 1
    assert ask(off, vbs) == 1


def test_another_product_may_manage_it() -> None:
    text = (
        "try { (Invoke-CimMethod -Namespace root\\ccm\\ClientSDK -ClassName "
        "CCM_ClientUtilities -MethodName DetermineIfRebootPending).RebootPending } "
        "catch { $_.FullyQualifiedErrorId }"
    )
    assert run(computer(), text).lines == ["HRESULT 0x8004100e,Invoke-CimMethod"]
    host = computer()
    host.manage_by_sccm(reboot_pending=True)
    assert run(host, text).lines == ["True"]


def test_events_are_found_by_their_filter() -> None:
    host = computer()
    text = (
        "@(Get-WinEvent -FilterHashtable @{ LogName = 'System'; Id = 6005, 12 } | "
        "ForEach-Object { $_.Id })"
    )
    assert ask(host, text) == [6005, 12]
    none = (
        "try { Get-WinEvent -FilterHashtable @{ LogName = 'System'; Id = 9 } } catch { "
        "$_.FullyQualifiedErrorId }"
    )
    assert run(host, none).lines == ["NoMatchingEventsFound,Get-WinEvent"]
    late = (
        "@(Get-WinEvent -FilterHashtable @{ LogName = 'System'; StartTime = "
        "(Get-Date).AddMinutes(-1) } -ErrorAction SilentlyContinue).Count"
    )
    assert ask(host, late) == 0


def test_ports_and_pages() -> None:
    host = computer()
    text = (
        "$c = New-Object Net.Sockets.TcpClient; try { $c.Connect('127.0.0.1', %d); "
        "'open' } catch { 'closed' }"
    )
    assert run(host, text % 5985).lines == ["open"]
    assert run(host, text % 81).lines == ["closed"]
    host.web["http://127.0.0.1/health"] = (200, "fine")
    host.web["http://127.0.0.1/bad"] = (503, "")
    page = "(Invoke-WebRequest 'http://127.0.0.1/{}' -UseBasicParsing).StatusCode"
    assert ask(host, page.format("health")) == 200
    assert "(503)" in run(host, page.format("bad")).err


def test_packages_and_their_removal() -> None:
    host = computer()
    host.catalogue.offer(catalogue.LCU_2022)
    host.store.install(catalogue.LCU_2022, host.clock.time())
    host.updates.offers[catalogue.LCU_2022.id].reboot_required = True
    host.restart()
    host.advance(3600)
    assert host.store.version == "20348.5499"
    states = (
        "@(Get-WindowsPackage -Online | Where-Object { $_.PackageName -like "
        "'*RollupFix*' } | ForEach-Object { \"$($_.PackageState)\" })"
    )
    assert ask(host, states) == ["Superseded", "Installed"]
    name = catalogue.LCU_2022.package
    assert (
        ask(
            host,
            f"[bool](Remove-WindowsPackage -Online -NoRestart -PackageName '{name}').RestartNeeded",
        )
        is True
    )
    assert ask(host, states) == ["Superseded", "UninstallPending"]
    host.restart()
    host.advance(3600)
    assert host.store.version == "20348.5386"
    kept = [p.name for p in host.store.packages if "ServicingStack" in p.name]
    assert kept == [catalogue.LCU_2022.servicing_package]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wusa.exe /uninstall /kb:5099540 /quiet /norestart; $LASTEXITCODE", ["-2146498523"]),
        ("wusa.exe /uninstall /kb:1 /quiet /norestart; $LASTEXITCODE", ["2359303"]),
        (
            (
                "try { Remove-WindowsPackage -Online -NoRestart -PackageName 'none' } catch { "
                "$_.Exception.HResult }"
            ),
            ["-2146498548"],
        ),
        (
            (
                "dism.exe /Online /Cleanup-Image /StartComponentCleanup /ResetBase | Out-Null; "
                "$LASTEXITCODE"
            ),
            ["0"],
        ),
        (
            "dism.exe /Online /Remove-Package /PackageName:none | Out-Null; $LASTEXITCODE",
            ["-2146498548"],
        ),
    ],
)
def test_ways_back_that_are_none(text: str, expected: list[str]) -> None:
    assert run(computer(), text).lines == expected


def test_a_reset_base_leaves_no_way_back() -> None:
    host = computer()
    host.store.reset_base = True
    name = host.store.packages[0].name
    text = (
        f"try {{ Remove-WindowsPackage -Online -NoRestart -PackageName '{name}' }} "
        f"catch {{ $_.Exception.HResult }}"
    )
    assert run(host, text).lines == ["-2146498523"]
