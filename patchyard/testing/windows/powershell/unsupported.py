"""What is known not to be simulated, each with an example; a test holds that it is refused."""

from __future__ import annotations

LANGUAGE: tuple[tuple[str, str], ...] = (
    ("`trap`", "trap { 1 }"),
    ("`class` and `enum`", "class A { }"),
    ("`data` sections", "data { 1 }"),
    ("`using`", "using namespace System"),
    ("`workflow`, `parallel`", "workflow W { }"),
    ("`dynamicparam`", "function F { dynamicparam { } end { } }"),
    ("operators of PowerShell 7: ternary, `??`, `?.`, `&&`, `||`, background `&`", "$a ?? 1"),
    ("`--%`", "cmd --% /c x"),
    ("redirection to a file, and appending", "1 > 'C:\\x.txt'"),
    ("merging into a stream other than output", "foo 2>&3"),
    ("`$?`, `$^`, `$$`", "$?"),
    ("scopes other than global, script, local, private and env", "$using:x"),
    ("attributes but Parameter, CmdletBinding and ValidateSet", "param([ValidateRange(1, 2)]$x)"),
    ("a cast to [xml]", "[xml]'<a/>'"),
    ("a cast to [scriptblock]", "[scriptblock]'1'"),
    ("`[ref]`", "[ref]$x"),
    ("`-split` by a script block", "'a' -split 'x', -1"),
    ("`-shl` and `-shr` of unsigned numbers", "[uint32]1 -shl 1"),
    ("arithmetic of [uint64] with signed numbers", "[uint64]1 + 1"),
    ("an assignment to a static member", "[Math]::PI = 3"),
    ("an assignment to `$Error`", "$Error = 1"),
    ("ToString of a custom object", "([pscustomobject]@{ a = 1 }).ToString()"),
    (
        "regular expressions with Unicode classes, \\G, \\Z or balancing groups",
        "'a' -match '\\p{L}'",
    ),
    ("typographic quotes and dashes", "\u201ca\u201d"),
    ("quotes inside an argument of an external program", "hostname 'a\"b'"),
    ("a bare word that goes on with a quote", "foo a'b'"),
    ("calls nested deeper than 60", "function F { F }; F"),
    ("ranges of more than a million numbers", "1..2000000"),
)

CMDLETS: tuple[tuple[str, str], ...] = (
    ("any cmdlet, program or alias that is not in the tables", "Get-Nonsense"),
    (
        "any parameter that is not in the tables, and -ErrorVariable, -OutVariable, -WhatIf",
        "Write-Output 1 -OutVariable x",
    ),
    ("ConvertTo-Json without -Compress", "ConvertTo-Json 1"),
    (
        "ConvertTo-Json of a TimeSpan or of a type that is not known",
        "ConvertTo-Json -Compress ([TimeSpan]::Zero)",
    ),
    ("Write-Progress while it would show something", "Write-Progress 'x'"),
    ("Out-String of objects", "[pscustomobject]@{ a = 1 } | Out-String"),
    ("Get-Date by parts or with -UFormat", "Get-Date -Year 2026"),
    ("Get-Random but for one number", "1, 2 | Get-Random"),
    ("wildcards in the names of properties", "@{ a = 1 } | Select-Object -Property '*'"),
    ("Add-Member but for note properties", "@{} | Add-Member ScriptProperty a { 1 }"),
    ("Where() and ForEach() with more than one block", "(1, 2).Where({ $_ }, 'First')"),
)
