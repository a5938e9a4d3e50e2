from __future__ import annotations

from typing import Any

import pytest

from tests.testing.powershell.running import error, value, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'Abc'.Length", 3),
        ("'Abc'.ToUpperInvariant()", "ABC"),
        ("' x '.Trim()", "x"),
        ("'a;b'.Split(';').Count", 2),
        ("'a,b;c'.Split(',;').Count", 3),
        ("'a,,b'.Split(',', [StringSplitOptions]::RemoveEmptyEntries).Count", 2),
        ("'abc'.Contains('b')", True),
        ("'abc'.Contains('B')", False),
        ("'abc'.IndexOf('c')", 2),
        ("'Abc'.StartsWith('ab', [StringComparison]::OrdinalIgnoreCase)", True),
        ("'abc'.Substring(1)", "bc"),
        ("'5'.PadLeft(3, '0')", "005"),
        ("'a.b'.Replace('.', '-')", "a-b"),
        ("[string]::IsNullOrEmpty($null)", True),
        ("[string]::Join('-', @(1, 2))", "1-2"),
        ("[string]::Format('{0}/{1}', 1, 2)", "1/2"),
        ("[Math]::Round(2.5)", 2.0),
        ("[Math]::Round(2.567, 2)", 2.57),
        ("[Math]::Max(1, 5)", 5),
        ("[Math]::Floor(2.9)", 2.0),
        ("[Convert]::ToInt32('ff', 16)", 255),
        ("[Convert]::ToInt32('80240022', 16)", -2145124318),
        ("[int]::Parse('12')", 12),
        ("[int]::MaxValue", 2147483647),
        ("[BitConverter]::ToString([byte[]](1, 255))", "01-FF"),
        ("[Text.Encoding]::UTF8.GetString([Text.Encoding]::UTF8.GetBytes('h\u00e9'))", "h\u00e9"),
        ("[Text.Encoding]::Unicode.GetBytes('ab').Length", 4),
        ("[regex]::Match('v1.2', '(\\d)\\.(?<m>\\d)').Groups['m'].Value", "2"),
        ("[regex]::Escape('a.b')", "a\\.b"),
        (
            (
                "[guid]'7971F918-a847-4430-9279-4a52d1efe18d' -eq "
                "'7971f918-A847-4430-9279-4a52d1efe18d'"
            ),
            True,
        ),
        ("([guid]::NewGuid()).ToString('N').Length", 32),
        ("([version]'10.0.20348.5499').Revision", 5499),
        ("(1).GetType().Name", "Int32"),
        ("@(1).GetType().FullName", "System.Object[]"),
        ("(New-Object Text.StringBuilder).Append('a').Append(1).ToString()", "a1"),
        ("[TimeSpan]::FromMinutes(90).TotalHours", 1.5),
        ("[TimeSpan]::FromSeconds(3661).ToString()", "01:01:01"),
        ("([TimeSpan]'1.02:03:04').Days", 1),
        ("(New-Object TimeSpan 1, 30, 0).TotalMinutes", 90.0),
    ],
)
def test_members_of_net(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("([datetime]'2026-07-14T17:00:00Z').Kind", "Local"),
        ("([datetime]'2026-07-14T17:00:00').Kind", "Unspecified"),
        (
            "([datetime]'2026-07-14T17:00:00Z').ToUniversalTime().ToString('s')",
            "2026-07-14T17:00:00",
        ),
        ("([datetime]'2026-07-14T17:00:00Z').ToString('s')", "2026-07-14T19:00:00"),
        (
            "([datetime]'2026-07-14T17:00:00Z').ToUniversalTime().ToString('o')",
            "2026-07-14T17:00:00.0000000Z",
        ),
        ("([datetime]'2026-07-14').AddDays(1).ToString('yyyy-MM-dd')", "2026-07-15"),
        ("(([datetime]'2026-07-14') - ([datetime]'2026-07-13')).TotalHours", "24"),
        (
            "([datetime]'2026-07-14T10:00:00Z').ToUniversalTime().ToFileTimeUtc()",
            "134284968000000000",
        ),
        ("[DateTime]::FromFileTimeUtc(134284968000000000).ToString('s')", "2026-07-14T10:00:00"),
        ("([datetime]'07/14/2026').Month", "7"),
    ],
)
def test_dates_know_their_zone(text: str, expected: str) -> None:
    assert value(f'"$({text})"') == expected


def test_what_was_packed_is_unpacked_again() -> None:
    text = """
    $bytes = [Text.Encoding]::UTF8.GetBytes('some text')
    $packed = New-Object IO.MemoryStream
    $zip = New-Object IO.Compression.GZipStream($packed, [IO.Compression.CompressionMode]::Compress)
    $zip.Write($bytes, 0, $bytes.Length)
    $zip.Close()
    $text = [Convert]::ToBase64String($packed.ToArray())
    $in = New-Object IO.MemoryStream(,[Convert]::FromBase64String($text))
    $plain = New-Object IO.Compression.GZipStream($in, [IO.Compression.CompressionMode]::Decompress)
    (New-Object IO.StreamReader($plain, [Text.Encoding]::UTF8)).ReadToEnd()
    """
    assert value(text) == "some text"


def test_a_stream_that_is_not_closed_is_not_all_there() -> None:
    text = """
    $packed = New-Object IO.MemoryStream
    $zip = New-Object IO.Compression.GZipStream($packed, [IO.Compression.CompressionMode]::Compress)
    $zip.Write([byte[]](1, 2), 0, 2)
    $packed.ToArray().Length
    """
    assert value(text) == 0


def test_sha256() -> None:
    text = """
    $bytes = [Text.Encoding]::ASCII.GetBytes('abc')
    $seen = [Security.Cryptography.SHA256]::Create().ComputeHash($bytes)
    [BitConverter]::ToString($seen).Replace('-', '')
    """
    assert value(text).lower() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_script_blocks_are_made_from_text() -> None:
    assert values("$b = [ScriptBlock]::Create('param($x) $x; $x + 1'); & $b 4") == [4, 5]


def test_substring_beyond_the_end_is_an_error() -> None:
    assert error("'abc'.Substring(5)").exception.inner.kind == "System.ArgumentOutOfRangeException"
