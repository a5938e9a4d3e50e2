"""Talking to the server by hand, where no client would say what a test wants said."""

from __future__ import annotations

import base64
import http.client
import uuid
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from patchyard.testing.windows.winrm import Account, Settings, WinrmServer, soap

ADMIN = Account("Administrator", "Passw0rd!")
GUEST = Account("guest", "Gast")
OPEN = Settings(methods=frozenset({"basic", "negotiate"}), allow_unencrypted=True)
"""A service that takes everything in the clear, so that a test sees what goes over the wire."""

CMD = f"{soap.SHELL}/cmd"
CREATE = f"{soap.TRANSFER}/Create"
DELETE = f"{soap.TRANSFER}/Delete"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def root(self) -> ET.Element:
        return ET.fromstring(self.body)

    def text(self, name: str) -> str:
        """Return the text of the first element of that name, whatever its namespace."""
        found = [each.text for each in self.root.iter() if each.tag.endswith(f"}}{name}")]
        return found[0] or "" if found else ""

    @property
    def code(self) -> int:
        """The code of a fault, wherever it stands."""
        for each in self.root.iter():
            if each.tag.endswith("}WSManFault"):
                return int(each.get("Code", "0"))
            if each.tag.endswith("}error_Code"):
                return int(each.text or "0")
        return 0


class Caller:
    """One connection."""

    def __init__(self, server: WinrmServer, account: Account | None = ADMIN) -> None:
        self._link = http.client.HTTPConnection(server.address, server.http_port, timeout=15)
        self._account = account

    def post(
        self, body: bytes, *, path: str = "/wsman", method: str = "POST", **more: str
    ) -> Answer:
        headers = {"Content-Type": "application/soap+xml;charset=UTF-8", **more}
        if self._account is not None:
            word = f"{self._account.name}:{self._account.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(word).decode()}"
        self._link.request(method, path, body, headers)
        answer = self._link.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def ask(
        self,
        action: str,
        body: str = "",
        *,
        shell: str = "",
        options: dict[str, str] | None = None,
        timeout: str = "PT5S",
        resource: str = CMD,
        header: str = "",
        largest: int = 153600,
    ) -> Answer:
        header += f"<w:MaxEnvelopeSize>{largest}</w:MaxEnvelopeSize>"
        return self.post(
            envelope(
                action,
                body,
                shell=shell,
                options=options,
                timeout=timeout,
                resource=resource,
                header=header,
            )
        )

    def shell(self, inside: str = "", **options: str) -> str:
        """Open a shell; returns its id."""
        answer = self.ask(CREATE, f"<rsp:Shell>{STREAMS}{inside}</rsp:Shell>", options=options)
        assert answer.status == 200, answer.body
        return answer.text("ShellId")

    def command(self, shell: str, line: str = "hello", **options: str) -> Answer:
        body = f"<rsp:CommandLine><rsp:Command>{line}</rsp:Command></rsp:CommandLine>"
        return self.ask(f"{soap.SHELL}/Command", body, shell=shell, options=options)

    def send(self, shell: str, command: str, data: bytes, *, end: bool = False) -> Answer:
        text = base64.b64encode(data).decode()
        body = (
            f'<rsp:Send><rsp:Stream Name="stdin" CommandId="{command}" End="{str(end).lower()}">'
            f"{text}</rsp:Stream></rsp:Send>"
        )
        return self.ask(f"{soap.SHELL}/Send", body, shell=shell)

    def receive(self, shell: str, command: str, timeout: str = "PT5S", **more: int) -> Answer:
        body = (
            f'<rsp:Receive><rsp:DesiredStream CommandId="{command}">stdout stderr'
            "</rsp:DesiredStream></rsp:Receive>"
        )
        return self.ask(f"{soap.SHELL}/Receive", body, shell=shell, timeout=timeout, **more)  # type: ignore[arg-type]

    def signal(self, shell: str, command: str, name: str = "terminate") -> Answer:
        body = (
            f'<rsp:Signal CommandId="{command}"><rsp:Code>{soap.SHELL}/signal/{name}</rsp:Code>'
            "</rsp:Signal>"
        )
        return self.ask(f"{soap.SHELL}/Signal", body, shell=shell)

    def delete(self, shell: str) -> Answer:
        return self.ask(DELETE, shell=shell)

    def close(self) -> None:
        self._link.close()


STREAMS = (
    "<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams>"
)


def envelope(
    action: str,
    body: str,
    *,
    shell: str = "",
    options: dict[str, str] | None = None,
    timeout: str = "PT5S",
    resource: str = CMD,
    header: str = "",
) -> bytes:
    chosen = "".join(f'<w:Option Name="{k}">{v}</w:Option>' for k, v in (options or {}).items())
    selected = f'<w:Selector Name="ShellId">{shell}</w:Selector>' if shell else ""
    return (
        f'<s:Envelope xmlns:s="{soap.SOAP}" xmlns:a="{soap.ADDRESSING}" xmlns:w="{soap.WSMAN}" '
        f'xmlns:rsp="{soap.SHELL}"><s:Header><a:To>http://x/wsman</a:To>'
        f"<a:Action>{action}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>"
        f"<w:ResourceURI>{resource}</w:ResourceURI>"
        f"<w:OperationTimeout>{timeout}</w:OperationTimeout>"
        f"<w:OptionSet>{chosen}</w:OptionSet><w:SelectorSet>{selected}</w:SelectorSet>{header}"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def streams(answer: Answer) -> dict[str, bytes]:
    """Return what a Receive handed over."""
    found: dict[str, bytes] = {}
    for each in answer.root.iter(f"{{{soap.SHELL}}}Stream"):
        name = each.get("Name", "")
        found[name] = found.get(name, b"") + base64.b64decode(each.text or "")
    return found
