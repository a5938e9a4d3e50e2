"""The restore point: which earlier versions are kept on the machine, and which could not be."""

from __future__ import annotations

from patchyard.domain.restore import Kept, RestorePoint
from patchyard.errors import MalformedOutput
from patchyard.managers.apt.wording import shortened
from patchyard.transcript import Transcript

_FIELDS = 5

_METHODS = {
    "kept": "kept before",
    "cache": "package cache",
    "repository": "repository",
    "rebuilt": "rebuilt from the installed files",
}

_STATES = {
    "absent": "no repository offers it and it could not be rebuilt",
    "other": "the archive is of another package or version",
    "broken": "the archive cannot be read to its end",
}


def parse_restore_point(transcript: Transcript) -> RestorePoint:
    """Read the answers of the script `restore_point`.

    Raises:
        ScriptFailed: the folder or the lists of what was installed could not be written.
        MalformedOutput: an answer is missing or cannot be read.
    """
    folder = transcript["folder"].require().strip()
    transcript["lists"].require()
    lines = transcript["verify"].require().split("\n")
    said = _said(transcript)
    return RestorePoint(folder=folder, kept=tuple(_kept(line, said) for line in lines if line))


def _said(transcript: Transcript) -> str:
    """Return what the failed attempts said, to explain what is missing."""
    names = ("cache", "repository", "rebuilt")
    found = [s for name in names if (s := transcript.get(name)) is not None]
    return "\n".join(text for s in found for text in (s.stdout, s.stderr) if text.strip())


def _kept(line: str, said: str) -> Kept:
    fields = line.split("|")
    if len(fields) != _FIELDS:
        raise MalformedOutput(f"{line[:80]!r} tells of no kept package")
    key, version, file, method, state = fields
    if state == "whole":
        return Kept(key=key, version=version, file=file, method=_METHODS.get(method, method))
    return Kept(key=key, version=version, problem=_problem(file, state, said))


def _problem(file: str, state: str, said: str) -> str:
    if "No space left on device" in said:
        return "no space is left to keep it"
    reason = next((line for line in said.splitlines() if line.startswith(file)), "")
    words = _STATES.get(state, state)
    return f"{words} ({shortened(reason[len(file) + 1 :])})" if reason else words
