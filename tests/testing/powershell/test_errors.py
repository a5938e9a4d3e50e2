from __future__ import annotations

from typing import Any

import pytest

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import run
from patchyard.testing.windows.powershell.runtime import Nowhere
from tests.testing.powershell.running import error, value, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("try { throw 'x'; 1 } catch { \"c $_\" }", ["c x"]),
        ("try { 1 } catch { 2 } finally { 3 }", [1, 3]),
        ("try { try { throw 'x' } finally { 'f' } } catch { 'c' }", ["f", "c"]),
        (
            "try { throw 'x' } catch { $_.Exception.GetType().FullName }",
            ["System.Management.Automation.RuntimeException"],
        ),
        ("try { throw 'x' } catch { $_.FullyQualifiedErrorId }", ["x"]),
        ("try { [int]'x' } catch { 'c' }", ["c"]),
        (
            "try { throw [ArgumentException]'m' } catch [ArgumentException] { 't' }",
            ["t"],
        ),
        (
            (
                "try { throw (New-Object System.IO.IOException 'm') } catch "
                "[ArgumentException] { 'a' } catch { 'b' }"
            ),
            ["b"],
        ),
        ("try { throw [IO.FileNotFoundException]'m' } catch [IO.IOException] { 'base' }", ["base"]),
        ("try { throw 'in' } catch { try { throw 'other' } catch { } ; \"$_\" }", ["in"]),
        ("try { try { throw 'a' } catch { throw } } catch { \"again $_\" }", ["again a"]),
        ("function F { try { return 1 } finally { 'f' } }; F", [1, "f"]),
        (
            "foreach ($i in 1, 2) { try { if ($i -eq 1) { continue }; $i } finally { 'f' } }",
            ["f", 2, "f"],
        ),
        ("try { throw @{ code = 5 } } catch { $_.TargetObject.code }", [5]),
        ("$x = try { throw 'x' } catch { 'dflt' }; $x", ["dflt"]),
    ],
)
def test_try_catch_finally(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


def test_an_error_of_a_net_method_is_wrapped_and_still_found_by_its_own_type() -> None:
    text = "try {{ [Convert]::FromBase64String('!') }} catch {} {{ {} }}"
    outer = value(text.format("", "$_.Exception.GetType().Name"))
    assert outer == "MethodInvocationException"
    assert value(text.format("", "$_.Exception.InnerException.GetType().Name")) == "FormatException"
    assert value(text.format("[FormatException]", "'found'")) == "found"
    assert value(text.format("", "$_.Exception.GetBaseException().HResult")) == -2146233033


def test_an_error_tells_its_line() -> None:
    ran = run("1\n2\nif ($true) {\n  throw 'x'\n}")
    assert ran.error is not None
    assert ran.error.line == 4
    assert value("\n\ntry {\n throw 'x' } catch { $_.InvocationInfo.ScriptLineNumber }") == 4


def test_an_error_ends_the_script_but_not_what_was_put_out() -> None:
    ran = run("1; throw 'x'; 2")
    assert ran.output == [1]
    assert ran.exit_code == 1


def test_no_catch_of_a_script_sees_that_something_is_not_simulated() -> None:
    around = Nowhere()
    text = "try {\n  Get-Nonsense } catch { $env:seen = 'c' } finally { $env:seen = 'f' }"
    with pytest.raises(NotSimulated, match="line 2: the command 'Get-Nonsense'"):
        run(text, around)
    assert around.variable("seen") is None


def test_what_is_not_simulated_tells_its_line() -> None:
    with pytest.raises(NotSimulated, match="line 3"):
        run("1\n2\n[Nope]::x")


def test_signed_hresults_survive() -> None:
    text = (
        "try { throw (New-Object System.Runtime.InteropServices.COMException('m', "
        "-2145124329)) } catch { $_.Exception.HResult }"
    )
    assert value(text) == -2145124329


def test_a_conversion_names_the_value_and_the_type() -> None:
    assert error("[int]'abc'").exception.message.startswith(
        'Cannot convert value "abc" to type "System.Int32".'
    )
