"""WS-Management messages: requests read strictly, answers written as Windows writes them.

Sources: DSP0226 (WS-Management), MS-WSMV (Windows' extensions to it).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from patchyard.testing.windows.winrm import durations
from patchyard.testing.windows.winrm.problems import Code, Problem

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
MICROSOFT = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
FAULT_ACTION = f"{WSMAN.rsplit('/', 1)[0]}/wsman/fault"

IDENTIFY = "Identify"
"""The one request that has no action of its own."""

DEFAULT_TIMEOUT = 60.0
"""Seconds an operation may take where the client names no limit (MaxTimeoutms of a new server)."""

SMALLEST_ENVELOPE = 8192
"""The smallest answer a client must be able to take (DSP0226, R13.1-1)."""

_KNOWN = {
    f"{{{space}}}{name}"
    for space, names in {
        ADDRESSING: "To ReplyTo MessageID Action From",
        WSMAN: "MaxEnvelopeSize Locale OperationTimeout ResourceURI SelectorSet OptionSet",
        MICROSOFT: "DataLocale SessionId OperationID SequenceId CompressionType",
    }.items()
    for name in names.split()
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was sent. `timeout` is in seconds, `largest` in bytes of the answer."""

    action: str
    message_id: str
    resource: str
    selectors: Mapping[str, str]
    options: Mapping[str, str]
    timeout: float
    largest: int
    body: Element

    @property
    def verb(self) -> str:
        """The last word of the action: Create, Command, Receive ..."""
        return self.action.rsplit("/", 1)[-1]

    def option(self, name: str) -> bool:
        """Say whether an option is set to true."""
        return self.options.get(name, "").casefold() == "true"

    def element(self, name: str) -> Element:
        """Return the one element of the body.

        Raises:
            Problem: the body holds another one, or none.
        """
        found = self.body.find(f"{{{SHELL}}}{name}")
        if found is None:
            raise Problem(Code.SCHEMA, f"The body of {self.verb} holds no {name}.")
        return found


def read(data: bytes) -> Request:
    """Read a request.

    Raises:
        Problem: it is no SOAP, lacks a header, or has one that must be understood and is not.
    """
    try:
        # A server of tests on the loopback address reads what its own clients send.
        root = ET.fromstring(data)  # noqa: S314
    except ET.ParseError as error:
        raise Problem(Code.SCHEMA, f"The request is no XML: {error}.") from error
    header, body = root.find(f"{{{SOAP}}}Header"), root.find(f"{{{SOAP}}}Body")
    if root.tag != f"{{{SOAP}}}Envelope" or body is None:
        raise Problem(Code.SCHEMA, "The request is no SOAP envelope.")
    if body.find(f"{{{IDENTITY}}}Identify") is not None:
        return Request(IDENTIFY, "", "", {}, {}, DEFAULT_TIMEOUT, SMALLEST_ENVELOPE, body)
    if header is None:
        raise Problem(Code.SCHEMA, "The request has no header.")
    return _with_header(header, body)


def _with_header(header: Element, body: Element) -> Request:
    for child in header:
        must = next((v for k, v in child.attrib.items() if k.endswith("mustUnderstand")), "false")
        if child.tag not in _KNOWN and must in {"true", "1"}:
            raise Problem(Code.SCHEMA, f"The header {child.tag} is not understood.")
    try:
        timeout = durations.seconds(_text(header, WSMAN, "OperationTimeout") or "PT60S")
        largest = int(_text(header, WSMAN, "MaxEnvelopeSize") or "153600")
    except ValueError as error:
        raise Problem(Code.SCHEMA, f"A header cannot be read: {error}.") from error
    return Request(
        action=_must(header, ADDRESSING, "Action"),
        message_id=_must(header, ADDRESSING, "MessageID"),
        resource=_must(header, WSMAN, "ResourceURI"),
        selectors=_pairs(header, "Selector"),
        options=_pairs(header, "Option"),
        timeout=timeout,
        largest=max(largest, SMALLEST_ENVELOPE),
        body=body,
    )


def _text(header: Element, space: str, name: str) -> str:
    return (header.findtext(f"{{{space}}}{name}") or "").strip()


def _must(header: Element, space: str, name: str) -> str:
    found = _text(header, space, name)
    if not found:
        raise Problem(Code.SCHEMA, f"The header {name} is missing.")
    return found


def _pairs(header: Element, name: str) -> dict[str, str]:
    found = header.iterfind(f"{{{WSMAN}}}{name}Set/{{{WSMAN}}}{name}")
    return {element.get("Name", ""): (element.text or "").strip() for element in found}


def answer(request: Request, body: str, *, action: str = "") -> bytes:
    """Write the answer to a request. It says which message it answers: clients look at that."""
    if request.action == IDENTIFY:
        return _envelope("", body)
    return _envelope(
        f"<a:Action>{escape(action or request.action + 'Response')}</a:Action>"
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{ADDRESSING}/role/anonymous</a:To>"
        f"<a:RelatesTo>{escape(request.message_id)}</a:RelatesTo>",
        body,
    )


def fault(problem: Problem, message_id: str = "", machine: str = "localhost") -> bytes:
    """Write a fault, with its code where Windows puts it."""
    relates = f"<a:RelatesTo>{escape(message_id)}</a:RelatesTo>" if message_id else ""
    detail = _wmi_error(problem) if problem.in_wmi_error else _wsman_fault(problem, machine)
    return _envelope(
        f"<a:Action>{FAULT_ACTION}</a:Action>"
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{ADDRESSING}/role/anonymous</a:To>{relates}",
        f"<s:Fault><s:Code><s:Value>s:{problem.side}</s:Value><s:Subcode>"
        f"<s:Value>{problem.subcode}</s:Value></s:Subcode></s:Code><s:Reason>"
        f'<s:Text xml:lang="en-US">{escape(problem.reason)}</s:Text></s:Reason>'
        f"<s:Detail>{detail}</s:Detail></s:Fault>",
    )


def _wsman_fault(problem: Problem, machine: str) -> str:
    return (
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
        f'Code="{problem.code}" Machine={quoteattr(machine)}>'
        f"<f:Message>{escape(problem.reason)}</f:Message></f:WSManFault>"
    )


def _wmi_error(problem: Problem) -> str:
    return (
        '<e:MSFT_WmiError b:IsCIM_Error="true" '
        'xmlns:b="http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd" '
        'xmlns:e="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError">'
        f"<e:CIMStatusCode>27</e:CIMStatusCode><e:Message>{escape(problem.reason)}</e:Message>"
        f"<e:error_Category>30</e:error_Category><e:error_Code>{problem.code}</e:error_Code>"
        "<e:error_Type>HRESULT</e:error_Type></e:MSFT_WmiError>"
    )


def _envelope(header: str, body: str) -> bytes:
    return (
        f'<s:Envelope xml:lang="en-US" xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" '
        f'xmlns:x="{TRANSFER}" xmlns:w="{WSMAN}" xmlns:p="{MICROSOFT}" xmlns:rsp="{SHELL}">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
