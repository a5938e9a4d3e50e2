"""Captures of real tools, and what they must be read as.

`tests/fixtures/<manager>/<verb>--<distribution>[-<note>].out` is what a script printed on a real
machine, or where its name says so what was written by hand from documented shapes; beside it lies,
as JSON, what the parser makes of it. After a wanted change of a parser
`python -m tests.managers.captures` writes the JSON anew: read the difference before keeping it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from patchyard.domain.value import Value
from patchyard.managers import PackageManager
from patchyard.registry import load
from patchyard.systems.base import Language, System
from patchyard.transcript import Transcript

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
NONCE = "0123456789abcdef"
MACHINE = "captured"


def managers() -> dict[str, PackageManager]:
    return dict(load("patchyard.managers", "MANAGER", PackageManager))


def captures() -> list[Path]:
    return [path for name in managers() for path in sorted((FIXTURES / name).glob("*--*.out"))]


def verb_of(capture: Path) -> str:
    return capture.name.partition("--")[0]


def system_of(manager: PackageManager) -> System:
    """Return the kind of operating system on which a manager works."""
    known = load("patchyard.systems", "SYSTEM", System).values()
    return next(system for system in known if system.os_families & manager.os_families)


def in_language(language: Language) -> dict[str, PackageManager]:
    """Return the managers whose scripts are in a language."""
    return {n: m for n, m in managers().items() if system_of(m).language == language}


def transcript_of(capture: Path) -> Transcript:
    system = system_of(managers()[capture.parent.name])
    return system.read(capture.read_text(), NONCE)


def moment_of(transcript: Transcript) -> datetime:
    """The controller's clock agrees with the machine's in all captures."""
    told = transcript["clock"].stdout.strip().strip('"')
    if told.isdigit():
        return datetime.fromtimestamp(int(told), UTC)
    return datetime.fromisoformat(told)


def reader(manager: PackageManager, verb: str) -> Callable[[Transcript], Value]:
    if verb == "assess":
        return lambda t: manager.parse_assessment(t, MACHINE, moment_of(t))
    if verb == "restore_point":
        return manager.parse_restore_point
    return manager.parse_transaction


def read(capture: Path) -> Value:
    return reader(managers()[capture.parent.name], verb_of(capture))(transcript_of(capture))


def as_json(value: Value) -> str:
    return json.dumps(value.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def regenerate() -> None:
    """Write what every capture is read as now."""
    for capture in captures():
        capture.with_suffix(".json").write_text(as_json(read(capture)))


if __name__ == "__main__":
    regenerate()
