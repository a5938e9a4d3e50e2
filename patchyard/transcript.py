"""Framed script output: many commands in one round trip, each with its own exit status.

A script prints, for every command it runs:

    @@NONCE begin NAME
    ...standard output, untouched...
    @@NONCE stderr NAME          (only where the command wrote to standard error)
    ...standard error, untouched...
    @@NONCE end NAME STATUS

NONCE is random and new for each script, so that what a command prints cannot forge a frame.
Everything outside frames (login banners, shell noise) is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from patchyard.errors import MalformedOutput, ScriptFailed


@dataclass(frozen=True, slots=True)
class Section:
    """What one command of a script printed, and how it ended."""

    name: str
    stdout: str
    stderr: str
    status: int

    def require(self, *statuses: int) -> str:
        """Return standard output if the command ended with one of `statuses` (default 0).

        Raises:
            ScriptFailed: it ended otherwise; a failed tool is never an empty answer.
        """
        if self.status in (statuses or (0,)):
            return self.stdout
        tail = (self.stderr or self.stdout).strip()[-800:]
        raise ScriptFailed(
            f"{self.name} ended with status {self.status}: {tail or 'no output'}",
            exit_status=self.status,
            tail=tail,
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    """The sections of one script's output, by name.

    `reference` is no word of the machine: the text of a table of the operator's, against which
    its system's answers are judged. It is empty where a system has none.
    """

    sections: Mapping[str, Section]
    reference: str = ""

    def __getitem__(self, name: str) -> Section:
        try:
            return self.sections[name]
        except KeyError:
            seen = ", ".join(self.sections) or "none"
            raise MalformedOutput(f"section {name!r} is not in the output (seen: {seen})") from None

    def get(self, name: str) -> Section | None:
        """Return a section, or None where the script did not get that far."""
        return self.sections.get(name)


def parse(output: str, nonce: str) -> Transcript:
    """Read a framed output. Sections that were begun and not ended are left out.

    Raises:
        MalformedOutput: a frame closes a section that was not open.
    """
    sections: dict[str, Section] = {}
    name = stdout = stderr = ""
    # Cut at the frames, not into lines: of a long output nearly no line is a frame.
    _, *pieces = f"\n{output}".split(f"\n@@{nonce} ")
    for piece in pieces:
        frame, _, body = piece.partition("\n")
        verb, _, rest = frame.partition(" ")
        if verb == "begin":
            name, stdout, stderr = rest, body, ""
        elif verb == "stderr" and rest == name:
            stderr = body
        elif verb == "end":
            sections[name] = Section(name, stdout, stderr, _status(name, rest))
            name = ""
        else:
            raise MalformedOutput(f"unexpected frame {frame!r}")
    return Transcript(sections)


def _status(name: str, rest: str) -> int:
    ended, _, status = rest.rpartition(" ")
    if not name or ended != name or not status.isdigit():
        raise MalformedOutput(f"frame ends {rest!r} while {name or 'nothing'!r} is open")
    return int(status)
