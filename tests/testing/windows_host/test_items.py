from __future__ import annotations

from typing import Any

import pytest

from patchyard.testing.windows.host import Fault
from patchyard.testing.windows.host.files import SYSTEM
from tests.testing.windows_host.hosts import ask, begin, computer, finish, run

KEY = "HKLM:\\SOFTWARE\\Mine"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"(Test-Path '{KEY}')", True),
        (f"(Test-Path '{KEY}\\None')", False),
        (f"(Get-ItemProperty -LiteralPath '{KEY}' -Name One).One", 1),
        (f"(Get-ItemProperty '{KEY}').Text", "x"),
        (f"(Get-ItemPropertyValue '{KEY}' -Name Many)", ["a", "b"]),
        (f"@(Get-ItemProperty '{KEY}' -Name Many).Many.Count", 2),
        (f"(Get-Item '{KEY}').GetValue('One')", 1),
        (f"(Get-Item '{KEY}').GetValue('None', 7)", 7),
        (f"@(Get-ChildItem '{KEY}' | ForEach-Object {{ $_.PSChildName }})", ["Sub", "Other"]),
        (f"@(Get-Item '{KEY}').Property.Count", 4),
        (f"(Get-ItemProperty '{KEY}' -Name Big).Big", -1),
        (f"$null -eq (Get-ItemProperty '{KEY}' -Name None -ErrorAction SilentlyContinue)", True),
        (f"$null -eq (Get-ItemProperty '{KEY}\\None' -ErrorAction SilentlyContinue)", True),
        ("@(Get-ChildItem 'HKLM:\\SOFTWARE\\Mine\\S*').Count", 1),
    ],
)
def test_the_registry_is_read(text: str, expected: Any) -> None:
    host = computer()
    for name, data in (("One", 1), ("Text", "x"), ("Many", ["a", "b"]), ("Big", 0xFFFFFFFF)):
        host.registry.set("SOFTWARE\\Mine", name, data)
    host.registry.make("SOFTWARE\\Mine\\Sub")
    host.registry.make("SOFTWARE\\Mine\\Other")
    assert ask(host, text) == expected


def test_the_registry_is_written() -> None:
    host = computer()
    text = f"""
New-Item '{KEY}\\New' -Force | Out-Null
New-ItemProperty '{KEY}\\New' -Name A -Value 5 -PropertyType DWord | Out-Null
Set-ItemProperty '{KEY}\\New' -Name B -Value 'x'
Set-ItemProperty '{KEY}\\New' -Name A -Value 6
Remove-ItemProperty '{KEY}\\New' -Name B
"""
    assert run(host, text).code == 0
    assert host.registry.get("SOFTWARE\\Mine\\New", "A") == 6
    assert host.registry.get("SOFTWARE\\Mine\\New", "B") is None
    run(host, f"Remove-Item '{KEY}' -Recurse")
    assert not host.registry.exists("SOFTWARE\\Mine")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Get-Item 'HKLM:\\None'", "System.Management.Automation.ItemNotFoundException"),
        ("Get-Item 'C:\\None'", "System.Management.Automation.ItemNotFoundException"),
        ("[IO.File]::ReadAllText('C:\\None')", "System.IO.FileNotFoundException"),
        ("[IO.File]::ReadAllText('C:\\None\\x')", "System.IO.DirectoryNotFoundException"),
        ("[IO.File]::WriteAllText('C:\\None\\x', '')", "System.IO.DirectoryNotFoundException"),
        ("[IO.File]::Move('C:\\None', 'C:\\b')", "System.IO.FileNotFoundException"),
        (
            "Get-ItemProperty 'HKLM:\\SOFTWARE' -Name None",
            "System.Management.Automation.PSArgumentException",
        ),
    ],
)
def test_what_is_not_there_is_an_error(text: str, expected: str) -> None:
    said = run(
        computer(),
        f"try {{ {text} }} catch {{ $_.Exception.GetBaseException().GetType().FullName }}",
    )
    assert said.lines == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[IO.File]::WriteAllText('C:\\a', \"x`r`ny\"); [IO.File]::ReadAllLines('C:\\a').Count",
            "2",
        ),
        (
            (
                "[IO.File]::WriteAllText('C:\\a', 'x'); [IO.File]::AppendAllText('C:\\a', "
                "'y'); [IO.File]::ReadAllText('C:\\a')"
            ),
            "xy",
        ),
        (
            (
                "[IO.File]::WriteAllText('C:\\a', 'x'); [IO.File]::Move('C:\\a', 'C:\\b'); "
                "Test-Path 'C:\\a'"
            ),
            "False",
        ),
        (
            (
                "[IO.File]::WriteAllText('C:\\a', '1'); [IO.File]::WriteAllText('C:\\b', '2'); "
                "[IO.File]::Replace('C:\\a', 'C:\\b', [NullString]::Value); "
                "[IO.File]::ReadAllText('C:\\b')"
            ),
            "1",
        ),
        ("[IO.Path]::Combine('C:\\a', 'b', 'c')", "C:\\a\\b\\c"),
        ("Join-Path 'C:\\a\\' '\\b'", "C:\\a\\b"),
        ("Split-Path 'C:\\a\\b.txt'", "C:\\a"),
        ("Split-Path 'C:\\a\\b.txt' -Leaf", "b.txt"),
        (
            (
                "[void][IO.Directory]::CreateDirectory('C:\\p\\q'); Test-Path 'C:\\p\\q' "
                "-PathType Container"
            ),
            "True",
        ),
        (
            (
                "New-Item 'C:\\p' -ItemType Directory | Out-Null; Remove-Item 'C:\\p' "
                "-Recurse; Test-Path 'C:\\p'"
            ),
            "False",
        ),
        (
            "[IO.File]::WriteAllText('C:\\a', 'abc'); (Get-FileHash 'C:\\a').Hash.Substring(0, 8)",
            "BA7816BF",
        ),
        ("[IO.File]::WriteAllText('C:\\a', 'x'); (Get-Item 'C:\\a').Length", "1"),
        ("(New-Object IO.DriveInfo 'C').AvailableFreeSpace -gt 1GB", "True"),
        ("[IO.File]::WriteAllText('C:\\a', 'x'); (Get-Content 'C:\\a' -Raw).Length", "1"),
    ],
)
def test_files(text: str, expected: str) -> None:
    assert run(computer(), text).lines[-1] == expected


def test_text_is_written_without_a_mark_only_if_asked() -> None:
    host = computer()
    run(host, "[IO.File]::WriteAllText('C:\\a', 'x', (New-Object Text.UTF8Encoding($false)))")
    run(host, "[IO.File]::WriteAllText('C:\\b', 'x', [Text.Encoding]::UTF8)")
    assert (host.files.read("C:\\a"), host.files.read("C:\\b")) == (b"x", b"\xef\xbb\xbfx")


def test_a_full_disk_takes_nothing() -> None:
    host = computer()
    host.cause(Fault.DISK_FULL, bytes=3)
    text = (
        "try { [IO.File]::WriteAllText('C:\\a', 'long text') } catch { "
        "$_.Exception.GetBaseException().HResult }"
    )
    assert run(host, text).lines == ["-2147024784"]
    assert run(host, "[IO.File]::WriteAllText('C:\\a', 'x')").code == 0


def test_of_two_that_create_a_file_one_does() -> None:
    text = (
        "try { $f = [IO.File]::Open('C:\\claim', 'CreateNew', 'Write', 'None'); "
        "$f.Close(); 'mine' } catch [IO.IOException] { 'theirs' }"
    )
    host = computer()
    assert run(host, text).lines == ["mine"]
    assert run(host, text).lines == ["theirs"]


def test_a_file_that_is_held_open_is_not_opened_again() -> None:
    host = computer(factor=50)
    holder = begin(
        host,
        (
            "$f = [IO.File]::Open('C:\\held', 'OpenOrCreate', 'ReadWrite', 'None'); "
            "'have'; Start-Sleep -Seconds 9999"
        ),
    )
    assert holder.receive(5).stdout == b"have\r\n"
    text = (
        "try { $f = [IO.File]::Open('C:\\held', 'Open', 'ReadWrite', 'None'); "
        "$f.Close(); 'got' } catch { $_.Exception.GetBaseException().HResult }"
    )
    assert run(host, text).lines == ["-2147024864"]
    holder.end()
    finish(holder)
    assert run(host, text).lines == ["got"]


def test_a_folder_can_be_made_for_administrators_alone() -> None:
    host = computer()
    text = """
$security = New-Object Security.AccessControl.DirectorySecurity
$security.SetSecurityDescriptorSddlForm('O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')
[void][IO.Directory]::CreateDirectory('C:\\ProgramData\\Own', $security)
$found = (Get-Item 'C:\\ProgramData\\Own').GetAccessControl()
$kind = [Security.Principal.SecurityIdentifier]
$rules = @($found.GetAccessRules($true, $true, $kind))
$rules = @($rules | ForEach-Object { $_.IdentityReference.Value })
@($found.GetOwner($kind).Value, $found.AreAccessRulesProtected) + $rules
"""
    assert ask(host, text) == ["S-1-5-32-544", True, "S-1-5-18", "S-1-5-32-544"]
    inherited = (
        "@((Get-Acl 'C:\\ProgramData').GetAccessRules($true, $true, "
        "[Security.Principal.SecurityIdentifier]) | ForEach-Object { $_.IsInherited })"
    )
    assert ask(host, inherited) == [True, True, True]


def test_what_somebody_made_before_keeps_its_owner() -> None:
    host = computer()
    host.files.make_folder("C:\\ProgramData\\Own", "S-1-5-21-9-9-9-1001", host.clock.time())
    text = (
        "(Get-Acl 'C:\\ProgramData\\Own').GetOwner([Security.Principal.SecurityIdentifier]).Value"
    )
    assert run(
        host, f"[void][IO.Directory]::CreateDirectory('C:\\ProgramData\\Own'); {text}"
    ).lines == ["S-1-5-21-9-9-9-1001"]


def test_who_makes_a_file_owns_it_and_of_administrators_it_is_the_group() -> None:
    host = computer()
    run(host, "[IO.File]::WriteAllText('C:\\s', '')", "system")
    run(host, "[IO.File]::WriteAllText('C:\\n', '')", "network")
    owners = [node.owner for path in ("C:\\s", "C:\\n") if (node := host.files.find(path))]
    assert owners == [SYSTEM, "S-1-5-32-544"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("/inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F'", ["S-1-5-18"]),
        ("/inheritance:r /grant '*S-1-5-18:F' '*S-1-5-32-544:F'", ["S-1-5-18", "S-1-5-32-544"]),
        ("/inheritance:d /remove '*S-1-5-32-545'", ["S-1-5-18", "S-1-5-32-544"]),
    ],
)
def test_icacls(options: str, expected: list[str]) -> None:
    host = computer()
    assert run(host, f"icacls.exe 'C:\\ProgramData' {options} | Out-Null; $LASTEXITCODE").lines == [
        "0"
    ]
    node = host.files.find("C:\\ProgramData")
    assert node is not None
    assert [rule.sid for rule in node.rules] == expected
    assert node.protected
