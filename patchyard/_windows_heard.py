"""Listening to what a machine answers, beside whoever asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from patchyard._windows_answers import read
from patchyard._windows_shapes import differences
from patchyard.errors import PatchyardError
from patchyard.transports.base import Completed, Parameters, Transport


@dataclass
class Heard:
    """Everything a machine answered, by section, and what of it nobody expects.

    `checks` are the kinds of checks in the order in which they are asked: they answer by number.
    """

    checks: tuple[str, ...] = ()
    sections: dict[str, Any] = field(default_factory=dict)
    differences: dict[str, None] = field(default_factory=dict)

    def take(self, done: Completed, parameters: Parameters | None) -> None:
        """Note the sections of a script's output; one that cannot be read is its asker's matter."""
        nonce = str((parameters or {}).get("nonce", ""))
        try:
            self._note(done.stdout, nonce, self._labels(parameters))
        except PatchyardError:
            return

    def _note(self, output: str, nonce: str, labels: Mapping[str, str]) -> None:
        for section in read(output, nonce).sections.values():
            name = labels.get(section.name, section.name)
            if section.status != 0:
                self.sections[name] = {"failed": section.stderr}
                self.differences[f"{name}: the question failed: {section.stderr}"] = None
                continue
            value = json.loads(section.stdout)
            self._compare(name, value)
            if name == "job" and isinstance(value, dict):
                value = self._job(value, nonce)
            self.sections[name] = value

    def _compare(self, name: str, value: Any) -> None:
        self.differences |= dict.fromkeys(differences(name, value))

    def _job(self, facts: dict[str, Any], nonce: str) -> dict[str, Any]:
        """Look into what a job left behind; its answer is sections of their own."""
        for part in ("status", "task"):
            if facts.get(part) is not None:
                self._compare(f"job {part}", facts[part])
        if isinstance(facts.get("result"), str):
            self._note(facts["result"], nonce, {})
            return {**facts, "result": "<the sections beside>"}
        return facts

    def _labels(self, parameters: Parameters | None) -> dict[str, str]:
        if "questions" not in (parameters or {}):
            return {}
        return {str(number): f"check {kind}" for number, kind in enumerate(self.checks)}


@dataclass(frozen=True, slots=True)
class Listening:
    """A transport that notes what it hears."""

    transport: Transport
    heard: Heard

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        """Run a script as the transport does."""
        done = self.transport.run(script, timeout=timeout, parameters=parameters)
        self.heard.take(done, parameters)
        return done

    def close(self) -> None:
        """Close the link."""
        self.transport.close()
