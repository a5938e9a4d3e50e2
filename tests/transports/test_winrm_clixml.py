from __future__ import annotations

import pytest

from patchyard.transports._winrm_clixml import errors

HEAD = '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
PROGRESS = (
    '<Obj S="progress" RefId="0"><TN RefId="0"><T>System.Management.Automation.PSCustomObject</T>'
    '</TN><MS><I64 N="SourceId">1</I64><PR N="Record"><AV>Preparing modules for first use.</AV>'
    "<AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj>"
)


def document(*inside: str, end: str = "</Objs>") -> str:
    return f"#< CLIXML\r\n{HEAD}{''.join(inside)}{end}"


def error(text: str) -> str:
    return f'<S S="Error">{text}</S>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain\n", "plain\n"),
        ("a < b & c _x000A_", "a < b & c _x000A_"),
        (document(PROGRESS), ""),
        (document(error("It failed_x000D__x000A_")), "It failed\n"),
        (document(PROGRESS, error("a_x000D__x000A_"), PROGRESS, error("b")), "a\nb"),
        (document('<S S="warning">w</S><S S="verbose">v</S><S S="debug">d</S>'), ""),
        (document('<Obj RefId="1"><MS><S N="Message">inner</S></MS></Obj>'), ""),
        (document(error("&lt;tag&gt; &amp;amp; &quot;")), '<tag> &amp; "'),
        (document(error("_x005F_x000A_ _x0009_tab")), "_x000A_ \ttab"),
        (document(error("_xD83D__xDDA5_ Grüße 漢")), "🖥 Grüße 漢"),
        (document(error("_xD83D_ alone")), "\ufffd alone"),
        (document(error("x")) + document(error("y")), "xy"),
        ("native\n" + document(error("x")), "native\nx"),
        (document(error("x")) + "\ntail\n", "x\ntail\n"),
        (document(error("kept"), '<S S="Error">cut', end=""), "kept"),
        (document(error("kept"), '<Obj S="prog', end=""), "kept"),
        ("#< CLIXML", "#< CLIXML"),
        ("#< CLIXML\n", ""),
        ("#< CLIXML\r\n", ""),
    ],
)
def test_only_errors_are_kept(text: str, expected: str) -> None:
    assert errors(text) == expected


def test_a_document_that_would_grow_without_end_does_not() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    assert errors(f"#< CLIXML\r\n{bomb}{HEAD}{error('&b;')}</Objs>").count("a") < 100
