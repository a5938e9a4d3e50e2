"""Asking a machine all its health questions in one go."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from patchyard.checks.base import Question, excerpt, question
from patchyard.domain.health import Answer, Finding, Verdict, unknown
from patchyard.domain.inventory import CheckSpec, Machine
from patchyard.errors import AuthenticationFailed, HostKeyRejected, MachineError
from patchyard.settling import settle
from patchyard.systems import Script, System, system_for
from patchyard.transcript import Section, Transcript
from patchyard.transports.base import Completed, Parameters

__all__ = ["Verdict", "ask", "settle"]

LONGEST_OUTPUT = 1_200_000
"""Bytes of one answer that are read: a page of a million, and what stands around it."""

MARGIN = 5.0
"""Seconds of the time to ask that are left for the link."""

GRACE = 1.0
"""Seconds that a question gets beyond its own limit, so that its own words are heard."""

# What `timeout`, the shell, and the script say by an exit status instead of the question.
_TOO_LATE = frozenset({124, 137})
_NOT_RUN = frozenset({126, 127})
_NO_ROOM = 97


class Asked(Protocol):
    """What can be asked: a link, or a transport."""

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        """Run a script on the machine, as `Transport.run` does."""
        ...


def ask(link: Asked, machine: Machine, *, nonce: str, timeout: timedelta) -> tuple[Answer, ...]:
    """Ask a machine everything that its inventory says, on it and from outside at once.

    Trouble with the machine is an answer and is never raised: what could not be asked or read
    is UNKNOWN, with the reason.

    Args:
        link: the way to the machine; it is not used where nothing is asked on the machine.
        machine: whom to ask.
        nonce: marks the frames of the output; nobody else may know it.
        timeout: longest time for all answers.
    """
    until = time.monotonic() + timeout.total_seconds()
    put = _labelled(machine.checks, machine)
    asked = [each for each in put if isinstance(each, Question)]
    outside = {each.label: _begun(each, machine, until) for each in asked if not each.on_machine}
    inside = _Inside.of([each for each in asked if each.on_machine], system_for(machine))
    found = _ask_inside(link, inside, nonce=nonce, timeout=timeout)
    found |= {label: _heard(each).under(label) for label, each in outside.items()}
    return tuple(found[each.label] if isinstance(each, Question) else each for each in put)


def _labelled(checks: Sequence[CheckSpec], machine: Machine) -> list[Question | Answer]:
    """Make questions of what an inventory says, each with a label of its own."""
    seen: Counter[str] = Counter()
    made = [_put(spec, machine) for spec in checks]
    for place, each in enumerate(made):
        name = each.label if isinstance(each, Question) else each.check
        seen[name] += 1
        if seen[name] > 1:
            made[place] = _renamed(each, f"{name} ({seen[name]})")
    return made


def _renamed(each: Question | Answer, name: str) -> Question | Answer:
    if isinstance(each, Question):
        return replace(each, label=name)
    return each.model_copy(update={"check": name})


def _put(spec: CheckSpec, machine: Machine) -> Question | Answer:
    try:
        return question(spec, machine)
    except ValueError as error:
        return unknown(excerpt(f"cannot be asked as it is written: {error}")).under(spec.label)


@dataclass(frozen=True, slots=True)
class _Inside:
    """What is asked on a machine in one script, and what cannot be asked of its system."""

    system: System
    questions: tuple[Question, ...]
    silent: dict[str, Answer]

    @classmethod
    def of(cls, questions: Sequence[Question], system: System) -> _Inside:
        """Sort out what has no script in the system's language. The operator's own come last."""
        can = [each for each in questions if each.check.template(system.language)]
        silent = {each.label: _no_script(each, system) for each in questions if each not in can}
        return cls(system, tuple(sorted(can, key=lambda each: each.check.own)), silent)

    def script(self, *, nonce: str, timeout: timedelta) -> Script:
        """Return the one script that asks all."""
        put = [
            {
                "name": str(number),
                "seconds": f"{_limit(each, timeout):g}",
                "script": each.script(self.system.language),
                "options": each.options.model_dump(mode="json"),
            }
            for number, each in enumerate(self.questions)
        ]
        seconds = max(1.0, timeout.total_seconds() - MARGIN)
        values = {"longest": LONGEST_OUTPUT, "seconds": seconds, "questions": put}
        return self.system.script("checks/_ask", nonce, values)


def _no_script(each: Question, system: System) -> Answer:
    return unknown(f"{each.check.name} cannot be asked of {system.name} machines").under(each.label)


def _ask_inside(
    link: Asked, inside: _Inside, *, nonce: str, timeout: timedelta
) -> dict[str, Answer]:
    if not inside.questions:
        return inside.silent
    script = inside.script(nonce=nonce, timeout=timeout)
    try:
        done = link.run(script.text, timeout=timeout, parameters=script.parameters)
        transcript = inside.system.read(done.stdout, nonce)
    except MachineError as error:
        final = isinstance(error, AuthenticationFailed | HostKeyRejected)
        none = unknown(excerpt(str(error)))
        return inside.silent | {
            each.label: none.under(each.label).model_copy(update={"final": final})
            for each in inside.questions
        }
    return inside.silent | _judged(inside.questions, transcript, done, timeout)


def _limit(each: Question, timeout: timedelta) -> float:
    """Return the seconds that one question gets on the machine."""
    return max(1.0, min(each.options.timeout + GRACE, timeout.total_seconds() - MARGIN))


def _judged(
    questions: Sequence[Question], transcript: Transcript, done: Completed, timeout: timedelta
) -> dict[str, Answer]:
    found = {}
    for number, each in enumerate(questions):
        section = transcript.get(str(number))
        finding = (
            _read(each, section, _limit(each, timeout)) if section else unknown(_not_answered(done))
        )
        found[each.label] = finding.under(each.label)
    return found


def _not_answered(done: Completed) -> str:
    if done.exit_status == 0 and not done.stderr.strip():
        return "no answer came in the time for all questions"
    said = excerpt(done.stderr) or "no output"
    return f"the machine did not answer (status {done.exit_status}: {said})"


def _read(each: Question, section: Section, limit: float) -> Finding:
    """Judge an answer, unless the status says that the question never came to its end."""
    if section.status in _TOO_LATE:
        return unknown(f"no answer within {min(limit, each.options.timeout):g} s")
    if section.status in _NOT_RUN:
        return unknown(f"could not be asked: {excerpt(section.stderr) or 'no such program'}")
    if section.status == _NO_ROOM:
        return unknown("the machine has no room for the answer in its temporary folder")
    try:
        return each.judge(replace(section, name=each.check.name))
    except MachineError as error:
        return unknown(excerpt(str(error)))


@dataclass(frozen=True, slots=True)
class _Outside:
    """A question that the controller asks meanwhile, and when waiting for it ends."""

    finding: Future[Finding]
    until: float


def _begun(each: Question, machine: Machine, until: float) -> _Outside:
    """Begin to ask from the controller.

    A thread of its own that nobody waits for in the end: some calls, such as the look-up of a
    name, know no limit.
    """
    future: Future[Finding] = Future()

    def work() -> None:
        try:
            future.set_result(each.probe(machine))
        except Exception as error:  # noqa: BLE001 - handed to whoever waits, who raises it
            future.set_exception(error)

    threading.Thread(target=work, name=f"check {each.label}", daemon=True).start()
    return _Outside(future, min(until, time.monotonic() + each.options.timeout + GRACE))


def _heard(outside: _Outside) -> Finding:
    try:
        return outside.finding.result(max(0.0, outside.until - time.monotonic()))
    except TimeoutError:
        return unknown("the controller had no answer in time")
