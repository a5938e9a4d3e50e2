from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from patchyard.testing.windows.winrm import Code, soap
from patchyard.testing.windows.winrm.problems import Problem
from tests.testing.winrm.talking import envelope

MUST = 'xmlns:q="urn:q" s:mustUnderstand="true"'


def text(**changes: object) -> bytes:
    given: dict[str, object] = {
        "action": f"{soap.SHELL}/Receive",
        "body": "<rsp:Receive/>",
        "shell": "S1",
        "options": {"A": "TRUE"},
        "timeout": "PT20S",
        "resource": "urn:r",
        "header": "",
    }
    return envelope(**{**given, **changes})  # type: ignore[arg-type]


def test_a_request_is_read() -> None:
    request = soap.read(text())
    assert (request.verb, request.resource, request.timeout) == ("Receive", "urn:r", 20)
    assert (request.selectors, request.options) == ({"ShellId": "S1"}, {"A": "TRUE"})
    assert (request.option("A"), request.option("B"), request.largest) == (True, False, 153_600)
    assert request.message_id.startswith("uuid:")
    assert request.element("Receive") is not None


def test_an_answer_must_be_allowed_to_have_a_certain_size() -> None:
    assert (
        soap.read(text(header="<w:MaxEnvelopeSize>1</w:MaxEnvelopeSize>")).largest
        == soap.SMALLEST_ENVELOPE
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"no XML", "no XML"),
        (b"<a/>", "no SOAP"),
        (text().replace(b"a:MessageID>", b"a:From>"), "MessageID is missing"),
        (text(action=""), "Action is missing"),
        (text(resource=""), "ResourceURI is missing"),
        (text(timeout="soon"), "cannot be read"),
        (text(timeout="P1M"), "cannot be read"),
        (text(header=f"<q:New {MUST}>x</q:New>"), "not understood"),
        (text().replace(b"s:Header", b"s:Kopf"), "no header"),
    ],
)
def test_a_request_that_is_not_whole_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(Problem, match=told) as caught:
        soap.read(data)
    assert caught.value.code == Code.SCHEMA


def test_a_header_that_need_not_be_understood_is_passed_over() -> None:
    assert soap.read(text(header='<q:New xmlns:q="urn:q">x</q:New>')).verb == "Receive"


def test_an_answer_says_which_message_it_answers() -> None:
    request = soap.read(text())
    root = ET.fromstring(soap.answer(request, "<rsp:X/>"))
    found = {each.tag.rpartition("}")[2]: each.text for each in root.iter()}
    assert found["RelatesTo"] == request.message_id
    assert found["Action"] == f"{request.action}Response"


@pytest.mark.parametrize(
    ("code", "place"),
    [
        (Code.OPERATION_TIMEOUT, "WSManFault"),
        (Code.SHELLS_QUOTA, "WSManFault"),
        (Code.OPERATIONS_QUOTA, "error_Code"),
        (12345, "WSManFault"),
    ],
)
def test_a_code_stands_where_windows_puts_it(code: int, place: str) -> None:
    root = ET.fromstring(soap.fault(Problem(code, "Why <& not"), "uuid:1", 'PC"1'))
    (found,) = (each for each in root.iter() if each.tag.endswith(f"}}{place}"))
    assert (found.get("Code") or found.text) == str(int(code))
    assert "Why <& not" in {each.text for each in root.iter()}
