"""Answers of real machines: what was asked, what came, and what it means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from patchyard.checks.base import Question, question
from patchyard.domain.health import Answer, Finding
from patchyard.domain.inventory import CheckSpec, Machine
from patchyard.transcript import Section

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "checks"
MACHINE = Machine(name="box-1", address="127.0.1.11")


class Capture:
    """One answer of one machine."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.kind, _, self.note = path.stem.partition("--")
        self._held: dict[str, Any] = json.loads(path.read_text())

    @property
    def finding(self) -> Finding:
        return Finding.model_validate(self._held["finding"])

    @property
    def section(self) -> Section:
        held = self._held
        return Section(self.kind, held["stdout"], held["stderr"], held["status"])

    @property
    def question(self) -> Question:
        return question(CheckSpec(kind=self.kind, options=self._held["options"]), MACHINE)

    @property
    def answer(self) -> Answer:
        return self.finding.under(self.kind)


CAPTURES = tuple(Capture(path) for path in sorted(FOLDER.glob("*.json")))
