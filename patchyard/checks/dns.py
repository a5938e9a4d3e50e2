"""The machine can resolve a name."""

from __future__ import annotations

from pydantic import Field

from patchyard.checks.base import Check, Options, Text, excerpt
from patchyard.domain.health import Finding, failed, passed
from patchyard.errors import MalformedOutput
from patchyard.transcript import Section

NOT_FOUND = 2
"""How getent ends where no source knows the name, a resolver that does not answer included."""


class Dns(Options):
    """Options of the check `dns`."""

    name: Text = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        max_length=253,
        description="Name that the machine should resolve; one that is in no hosts file.",
    )


def judge(options: Dns, section: Section) -> Finding:
    """Say whether the name has an address.

    Raises:
        ScriptFailed: the machine could not be asked.
        MalformedOutput: success was told without an address.
    """
    if section.status == NOT_FOUND:
        return failed(f"{options.name} cannot be resolved")
    lines = section.require().splitlines()
    addresses = dict.fromkeys(line.split()[0] for line in lines if line.strip())
    if not addresses:
        raise MalformedOutput(f"getent tells no address of {options.name}")
    return passed(excerpt(f"{options.name} is {', '.join(addresses)}"))


CHECK = Check(name="dns", options=Dns, subject="name", script="dns.sh.j2", judge=judge)
