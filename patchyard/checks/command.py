"""A command of the operator's own, run on the machine as the login user."""

from __future__ import annotations

from pydantic import Field

from patchyard.checks.base import Check, Options, Text, excerpt
from patchyard.domain.health import Finding, failed, passed
from patchyard.transcript import Section


class Command(Options):
    """Options of the check `command`."""

    command: Text = Field(
        min_length=1, max_length=16000, description="What a POSIX shell shall run."
    )
    exit_status: int = Field(
        0, ge=0, le=123, description="Exit status with which the command should end."
    )
    contains: Text | None = Field(
        None, min_length=1, description="Text that the command should print."
    )


def judge(options: Command, section: Section) -> Finding:
    """Compare how the command ended, and what it printed, with what should be."""
    said = excerpt(section.stdout or section.stderr)
    if section.status != options.exit_status:
        tail = excerpt(section.stderr.strip() or section.stdout) or "no output"
        return failed(f"ended with status {section.status}: {tail}")
    if options.contains is not None and options.contains not in section.stdout:
        return failed(f"does not print {options.contains!r}: {said or 'no output'}")
    return passed(said)


CHECK = Check(
    name="command",
    options=Command,
    subject="command",
    script="command.sh.j2",
    judge=judge,
    own=True,
)
