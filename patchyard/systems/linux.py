"""Linux: POSIX shell scripts, systemd units as jobs, the kernel's boot id."""

from __future__ import annotations

import re
from collections.abc import Mapping

from patchyard._job_calls import poll, start
from patchyard.errors import MalformedOutput
from patchyard.systems.base import Boot, Script, System
from patchyard.templates import render
from patchyard.transcript import Transcript, parse

BOOT_ID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def script(template: str, nonce: str, values: Mapping[str, object]) -> Script:
    """Render a shell script; its values stand quoted in its text."""
    return Script(render(f"{template}.sh.j2", nonce=nonce, **values))


def parse_boot(transcript: Transcript) -> Boot:
    """Read the boot id; a machine that is still starting is not ready.

    Raises:
        MachineError: the answer holds no well-formed boot id. That is no changed one.
    """
    boot_id = transcript["boot_id"].require().strip()
    if not BOOT_ID.match(boot_id):
        raise MalformedOutput(f"{boot_id[:60]!r} is no boot id")
    return Boot(boot_id, ready=transcript["starting"].status != 0)


SYSTEM = System(
    name="linux",
    language="sh",
    os_families=frozenset({"debian", "rhel", "suse"}),
    script=script,
    read=parse,
    parse_boot=parse_boot,
    start=start,
    poll=poll,
)
