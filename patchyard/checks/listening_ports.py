"""Every TCP port that was listened on before is listened on after."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from patchyard.checks.base import Check, Options, excerpt
from patchyard.domain.health import Finding, Outcome
from patchyard.errors import MalformedOutput
from patchyard.transcript import Section

HIGHEST = 65535


def _range(text: str) -> str:
    """Refuse a range that runs backwards or leaves the ports.

    Raises:
        ValueError: it does.
    """
    first, _, last = text.partition("-")
    if not 1 <= int(first) <= int(last) <= HIGHEST:
        raise ValueError("must be a range of ports, such as 6010-6063")
    return text


Port = Annotated[int, Field(strict=True, ge=1, le=HIGHEST)]
PortRange = Annotated[str, Field(pattern=r"^\d{1,5}-\d{1,5}$"), AfterValidator(_range)]


class ListeningPorts(Options):
    """Options of the check `listening_ports`."""

    ignore: tuple[Port | PortRange, ...] = Field(
        ("6010-6063",),
        description="Ports, or ranges of them, that may come and go. At first those of graphical "
        "programs that people who are logged in show elsewhere.",
    )


def judge(options: ListeningPorts, section: Section) -> Finding:
    """Name the ports that are listened on, other than those that may come and go.

    Ports of the range that the system gives out by itself belong to whoever asked last.

    Raises:
        ScriptFailed: the machine could not tell.
        MalformedOutput: a line names no port.
    """
    given_out, *lines = section.require().split("\n")
    left_out = [_limits(each) for each in options.ignore] + [_given_out(given_out)]
    ports = sorted({_port(line) for line in lines if line.strip()})
    kept = tuple(
        f"tcp {port}" for port in ports if not any(low <= port <= high for low, high in left_out)
    )
    return Finding(
        outcome=Outcome.PASSED, detail=excerpt(", ".join(kept) or "nobody listens"), present=kept
    )


def _limits(written: int | str) -> tuple[int, int]:
    low, _, high = str(written).partition("-")
    return int(low), int(high or low)


def _given_out(line: str) -> tuple[int, int]:
    words = line.split()
    if len(words) != 2 or not all(word.isdigit() for word in words):  # noqa: PLR2004 - from, to
        raise MalformedOutput(f"{line[:80]!r} is no range of ports")
    return int(words[0]), int(words[1])


def _port(line: str) -> int:
    """Read a line of ss: state, two queues, own address and port, the peer's."""
    words = line.split()
    port = words[3].rpartition(":")[2] if len(words) > 3 else ""  # noqa: PLR2004 - the fourth
    if not port.isdigit():
        raise MalformedOutput(f"{line[:80]!r} names no port")
    return int(port)


CHECK = Check(
    name="listening_ports", options=ListeningPorts, script="listening_ports.sh.j2", judge=judge
)
