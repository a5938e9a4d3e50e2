from __future__ import annotations

import pytest

from patchyard.testing.windows.powershell import lint
from patchyard.testing.windows.powershell.lint import lint_template, lint_text, shipped


@pytest.mark.parametrize("name", shipped())
def test_every_template_stays_inside_the_subset(name: str) -> None:
    assert [str(finding) for finding in lint_template(name)] == []


def test_there_are_templates() -> None:
    assert "windows/bootstrap.ps1.j2" in shipped()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\n$x = 1\nGet-Nonsense", 3, "the command Get-Nonsense is not known"),
        ("Get-Service -Nonsense 1", 1, "the parameter -Nonsense of Get-Service"),
        ("'{}' | ConvertFrom-Json -AsHashtable", 1, "-AsHashtable"),
        ("$x = 1; $x ? 1 : 2", 1, "5.1 does not have"),
        ("$x = 1; $x ?? 2", 1, "5.1 does not have"),
        ("hostname && hostname", 1, "near '&& hostname'"),
        ("[Nonsense]::x", 1, "the type [Nonsense]"),
        ("[Math]::Nonsense(1)", 1, "[Math]::Nonsense"),
        ("[int[]]$x = 1; [nonsense]$y = 2", 1, "the type [nonsense]"),
        ("'a'.Nonsense()", 1, "the method Nonsense"),
        ("'a'.Nonsense", 1, "the property Nonsense"),
        ("New-Object -ComObject Nonsense.Thing", 1, "the COM class Nonsense.Thing"),
        ("New-Object Nonsense.Thing", 1, "New-Object Nonsense.Thing"),
        ("Get-CimInstance -ClassName Nonsense", 1, "the CIM class Nonsense"),
        ("try { 1 } catch [Nonsense] { 2 }", 1, "the exception [Nonsense]"),
        ("$nothing", 1, "the variable $nothing is never set"),
        ("1 | % { $_ }", 1, "the alias %"),
        ("ConvertTo-Json 1", 1, "without -Compress"),
        ("function F($a) { $a }; F -b 1", 1, "F has no parameter -b"),
        ("{% if x %}", 1, "Jinja is left over"),
        ("'{{ x }}'", 1, "Jinja is left over"),
        ("'\u00e9'", 1, "not ASCII"),
        ("if ($true) {", 1, "tree-sitter"),
    ],
)
def test_what_must_not_be_there_is_found(text: str, line: int, message: str) -> None:
    found = lint_text(text)
    assert any(message in f.message and f.line == line for f in found), found


@pytest.mark.parametrize(
    "text",
    [
        "$o = [pscustomobject]@{ own = 1 }; $o.own",
        "$Parameters.anything.deeper",
        "foreach ($file in $Parameters.files) { $file.sum }",
        "$Parameters.files | ForEach-Object { $_.sum }",
        "function F($a) { $a }; F -a 1",
        "$e = @{}; $e.mine = 1; $e.mine",
        "(New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher()",
        "(Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime",
        "(Get-ItemProperty -LiteralPath 'HKLM:\\A' -Name 'Own Value').'Own Value'",
        "switch ('a') { 'a' { 1 } 'b' { 2 } }",
    ],
)
def test_what_may_be_there_is_left_alone(text: str) -> None:
    assert lint_text(text) == []


def test_values_in_the_text_of_a_template_are_found() -> None:
    source = "$x = '{{ value }}'\n{# a comment #}\n{% include \"windows/prelude.ps1.j2\" %}\n"
    assert [f.line for f in lint._tags("t", source)] == [1]


@pytest.mark.parametrize(
    "tag", ["{# x #}", '{% include "windows/prelude.ps1.j2" %}', "{% if not x %}{% endif %}"]
)
def test_sections_may_be_chosen(tag: str) -> None:
    assert list(lint._tags("t", tag)) == []
