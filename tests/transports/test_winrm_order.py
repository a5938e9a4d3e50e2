"""The bootstrap and what it is given."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard import templates
from patchyard.errors import ProtocolError, Unreachable
from patchyard.transports._winrm_order import PIECE, TEMPLATE, Damaged, Order, arguments
from tests.testing.winrm.computers import Talk
from tests.testing.winrm.powershell import BEFORE, PowerShell

TEXT = (templates.ROOT / TEMPLATE).read_text()


def order(script: str = "Get-X", **parameters: object) -> Order:
    return Order.pack(script, parameters, machine="win-1")


def test_the_bootstrap_is_constant_and_small() -> None:
    words = arguments()
    assert words is arguments()
    assert list(words[:-1]) == BEFORE
    assert len(words[-1]) < 2560
    assert base64.b64decode(words[-1]).decode("utf-16-le") == templates.render(TEMPLATE)


def test_the_bootstrap_is_plain_text_with_nothing_of_jinja_but_a_comment() -> None:
    comment, _, rest = TEXT.partition("-#}\n")
    assert comment.startswith("{#")
    assert not any(mark in rest for mark in ("{{", "{%", "{#"))
    assert templates.render(TEMPLATE) == rest
    assert rest.isascii()


@pytest.mark.parametrize("modern", ["??", "?.", "&&", "||", "-AsHashtable", "-Parallel"])
def test_the_bootstrap_is_for_windows_powershell(modern: str) -> None:
    assert modern not in templates.render(TEMPLATE)


def test_the_first_line_tells_mark_length_and_hash() -> None:
    made = order("é", a=1)
    head, body, rest = made.text.split(b"\n")
    mark, length, digest = head.decode().split(" ")
    assert (mark, int(length), rest) == (made.mark, len(body), b"")
    assert digest == hashlib.sha256(body).hexdigest()
    plain = json.loads(gzip.decompress(base64.b64decode(body)))
    assert plain == {"script": "é", "parameters": {"a": 1}}
    assert made.text.isascii()


def test_each_order_has_a_mark_of_its_own() -> None:
    assert order().mark != order().mark


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7])
def test_pieces_are_whole_and_the_last_one_is_known(size: int) -> None:
    made = Order("win-1", b"x" * size, "mark")
    pieces = list(made.pieces())
    assert b"".join(piece for piece, _ in pieces) == made.text
    assert all(len(piece) <= PIECE for piece, _ in pieces)
    assert [last for _, last in pieces] == [False] * (len(pieces) - 1) + [True]


@given(st.data())
def test_what_arrives_otherwise_than_it_was_sent_runs_nothing(data: st.DataObject) -> None:
    made = order("Remove-Item x")
    pieces = [made.text[start : start + 40] for start in range(0, len(made.text), 40)]
    which = data.draw(st.integers(0, len(pieces) - 1))
    match data.draw(st.sampled_from(["lost", "twice", "changed", "cut"])):
        case "lost":
            pieces[which] = b""
        case "twice":
            pieces[which] *= 2
        case "changed":
            # Inside the body: a changed mark is a mark that nobody waits for.
            which = max(which, 3)
            pieces[which] = pieces[which][:5] + b"!" + pieces[which][6:]
        case "cut":
            pieces[which:] = [b""]
    powershell = PowerShell()
    program = powershell("powershell.exe", arguments())
    assert isinstance(program, Talk)
    try:
        program.feed(b"".join(pieces), end=True)
    except ValueError:  # not even a first line of three words
        assert powershell.calls == []
        return
    assert powershell.calls == []
    said = program.receive(0)
    assert said.exit_code == 87
    if made.mark.encode() in said.stdout:
        with pytest.raises(Damaged):
            made.open(87, said.stdout, b"")


def test_an_answer_begins_after_the_mark() -> None:
    made = order()
    ready = f"@@{made.mark} ready\r\n".encode()
    done = made.open(2, b"noise\r\n" + ready + b"a\r\nb", b"bad\r\n")
    assert (done.exit_status, done.stdout, done.stderr) == (2, "a\nb", "bad\n")
    broken = made.open(0, ready + b"\xff\xfe", b"\xff")
    assert (broken.stdout, broken.stderr) == ("\ufffd\ufffd", "\ufffd")


def test_no_mark_is_a_failure_whatever_the_exit_status() -> None:
    with pytest.raises(ProtocolError, match="status 0: hello"):
        order().open(0, b"hello", b"")
    with pytest.raises(ProtocolError, match="status 1: no output"):
        order().open(1, b"", b"")
    with pytest.raises(ProtocolError, match="not recognized"):
        order().open(1, b"", b'#< CLIXML\r\n<Objs><S S="Error">not recognized</S></Objs>')
    with pytest.raises(Unreachable, match="its answer was lost"):
        order().open(0, b"", b"")
