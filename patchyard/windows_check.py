"""The acceptance run: all that is only read of one Windows machine, as the product reads it.

Nothing of its updates or settings is changed. The run asks with the product's own transport,
scripts, jobs and parsers, compares every answer with what the parsers expect, and makes one text
of it that can be sent to strangers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from patchyard import operations
from patchyard._job_calls import new_token
from patchyard._windows_heard import Heard, Listening
from patchyard._windows_masks import Masks
from patchyard.domain.inventory import CheckSpec, Inventory, Machine
from patchyard.domain.updates import BUILD
from patchyard.errors import MachineError
from patchyard.link import Link
from patchyard.managers import manager_for
from patchyard.questions import ask
from patchyard.secrets import resolve
from patchyard.systems import system_for
from patchyard.transports import open_transport

CHECKS = (
    CheckSpec(kind="windows_services", options={}),
    CheckSpec(kind="windows_events", options={}),
    CheckSpec(kind="powershell", options={"expression": "1 -eq 1"}),
)
"""In the order in which the machine is asked: the operator's own come last."""

ANSWER = timedelta(seconds=60)
LARGEST_SKEW = 300.0
"""Seconds; the policy's default. A run refuses machines whose clock is further away."""

CLEAN_UP = "clean-up"

CLEAN_PAUSES = (1.0, 3.0, 0.0)
"""Seconds after each try to clean up that has left something."""

LONGEST_LIST = 40
"""Elements of one list that are sent back; how many there were is told."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried: how long it took, and what went wrong."""

    name: str
    seconds: float
    told: str = ""
    problem: str = ""


@dataclass
class Acceptance:
    """One run over one machine. `progress` is told what is being asked."""

    machine: Machine
    inventory: Inventory
    progress: Callable[[str], None] = lambda _line: None
    heard: Heard = field(default_factory=lambda: Heard(tuple(spec.kind for spec in CHECKS)))
    masks: Masks = field(default_factory=Masks)
    steps: list[Step] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    run_id: str = field(default_factory=lambda: f"check-{datetime.now(UTC):%Y%m%d%H%M%S}")

    @property
    def good(self) -> bool:
        """True where everything was answered as expected."""
        return not self.heard.differences and not any(step.problem for step in self.steps)

    def run(self) -> None:
        """Ask everything. What goes wrong is told in the text, and never raised."""
        self._mask_connection()
        link = Link(lambda: Listening(open_transport(self.machine, self.inventory), self.heard))
        with link:
            if not self._try("log-in", lambda: _opened(link)):
                return
            self._try("the machine", lambda: self._about(link))
            self._try("boot, asked twice", lambda: self._boot(link))
            self._try("assess, as a job of SYSTEM", lambda: self._assess(link))
            self._try("checks", lambda: self._checks(link))
            self._try(CLEAN_UP, lambda: self._clean(link))

    def _try(self, name: str, act: Callable[[], str]) -> bool:
        self.progress(name)
        began = time.monotonic()
        try:
            told, problem = act(), ""
        except MachineError as error:
            told, problem = "", f"{error.code}: {error}"
        except Exception as error:  # noqa: BLE001 - the text is what this run is for
            told, problem = "", f"Patchyard itself failed: {error!r}"
        self.steps.append(Step(name, time.monotonic() - began, told, problem))
        return not problem

    def _mask_connection(self) -> None:
        connection = self.machine.connection
        self.masks.add("<the machine>", self.machine.address, connection.winrm.kerberos_hostname)
        self.masks.add("<the user>", connection.user)
        for reference in (connection.password, connection.passphrase):
            if reference:
                secret = resolve(reference, Path(self.inventory.folder)).get_secret_value()
                self.masks.secrets.add(secret)

    def _about(self, link: Link) -> str:
        self._ask(link, "windows/acceptance", {})
        host = self.heard.sections.get("host")
        if not isinstance(host, dict) or "failed" in host:
            return "it does not tell"
        self.masks.add("<the machine>", host.get("name"))
        self.masks.add("<a domain>", host.get("domain"))
        rights = "administrative" if host.get("administrator") is True else "no administrative"
        return f"the login user has {rights} rights"

    def _boot(self, link: Link) -> str:
        first, second = (self._boot_once(link) for _ in range(2))
        if first != second:
            self.heard.differences[f"boot: two answers in one boot: {first} and {second}"] = None
        return "the same boot both times" if first == second else "two answers"

    def _boot_once(self, link: Link) -> str:
        system = system_for(self.machine)
        return system.parse_boot(self._ask(link, "windows/boot_probe", {})).id

    def _ask(self, link: Link, template: str, values: Mapping[str, object]) -> Any:
        system, nonce = system_for(self.machine), new_token()
        script = system.script(template, nonce, values)
        done = link.run(script.text, timeout=ANSWER, parameters=script.parameters)
        return system.read(done.stdout, nonce)

    def _assess(self, link: Link) -> str:
        bench = _Noting(
            machine=self.machine,
            system=system_for(self.machine),
            manager=manager_for(self.machine),
            link=link,
            run_id=self.run_id,
            seed=new_token(),
            clock=lambda: datetime.now(UTC),
            sleep=time.sleep,
            asked=self.jobs,
        )
        seen = operations.assess(bench, "assess", refresh=True)
        self._mask_names()
        self._compare_clocks(seen.clock_skew)
        return (
            f"build {seen.packages.get(BUILD, 'unknown')}, {len(seen.updates)} updates offered, "
            f"complete {seen.complete}, reboot owed {seen.reboot_required}"
        )

    def _compare_clocks(self, skew: float | None) -> None:
        if skew is None:
            self.heard.differences["clock: it could not be compared with the controller's"] = None
        elif abs(skew) > LARGEST_SKEW:
            self.heard.differences[f"clock: {skew:.0f} s away from the controller's"] = None

    def _mask_names(self) -> None:
        pending = self.heard.sections.get("pending")
        facts = pending if isinstance(pending, dict) else {}
        for name in ("computer_name_now", "computer_name", "host_name_now", "host_name"):
            value = facts.get(name)
            self.masks.add("<the machine>", value if isinstance(value, str) else None)

    def _checks(self, link: Link) -> str:
        machine = self.machine.model_copy(update={"checks": CHECKS})
        answers = ask(link, machine, nonce=new_token(), timeout=ANSWER)
        return "; ".join(f"{each.check} {each.outcome} ({each.detail})" for each in answers)

    def _clean(self, link: Link) -> str:
        """Take away what is ours. A job that has answered may still be on its way out."""
        host = self.heard.sections.get("host")
        before = host.get("folder") if isinstance(host, dict) else None
        gone: set[object] = set()
        for pause in CLEAN_PAUSES:
            left = [job for job in self.jobs if job not in gone]
            gone |= self._take_away(link, left, before)
            self.left = [
                *(f"the folder {_READS}\\{job}, still at work" for job in left if job not in gone),
                *self._places_left(before),
            ]
            if not self.left:
                break
            time.sleep(pause)
        return f"{len(gone)} of {len(self.jobs)} folders of jobs removed"

    def _take_away(self, link: Link, jobs: list[str], before: object) -> set[object]:
        given = {"ids": jobs, "remove_base": before is False}
        self._ask(link, "windows/acceptance_end", given)
        removed = self.heard.sections.get("removed")
        return set(removed) if isinstance(removed, list) else set()

    def _places_left(self, before: object) -> list[str]:
        sections = self.heard.sections
        left = [what for section, what in _PLACES.items() if sections.get(section) is not False]
        return [what + _THERE_BEFORE[before] for what in left]

    def text(self) -> str:
        """Return what to send back."""
        return self.masks.text("\n".join(self._lines())) + "\n"

    def _lines(self) -> Iterator[str]:
        winrm = self.machine.connection.winrm
        yield f"patchyard windows-check, version {version('patchyard')}"
        yield f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {winrm.scheme}, {winrm.auth}"
        yield ""
        for step in self.steps:
            state = "FAILED" if step.problem else "ok"
            yield f"{state:<7} {step.name:<27} {step.seconds:6.1f} s  {step.problem or step.told}"
        yield ""
        yield f"Left on the machine: {self._leavings()}"
        yield ""
        yield f"Other than expected: {len(self.heard.differences) or 'nothing'}"
        yield from (f"  {each}" for each in self.heard.differences)
        yield ""
        yield "What the machine answered (names and secrets are masked):"
        for name, value in sorted(self.heard.sections.items()):
            yield f"{name} = {json.dumps(self.masks.value(_shortened(value)), ensure_ascii=False)}"

    def _leavings(self) -> str:
        cleaned = any(step.name == CLEAN_UP and not step.problem for step in self.steps)
        if not cleaned:
            return (
                "; ".join(f"perhaps the folder {_READS}\\{job}" for job in self.jobs) or "nothing"
            )
        return "; ".join(self.left) or "nothing"


_READS = "%ProgramData%\\Patchyard\\reads"
_PLACES = {"folders": "the folder %ProgramData%\\Patchyard", "tasks": "the task folder \\Patchyard"}
_THERE_BEFORE: dict[object, str] = {
    True: ", which was there before",
    False: ", which was not there before",
    None: "; whether it was there before is not known",
}


@dataclass(frozen=True, slots=True)
class _Noting(operations.Bench):
    """A bench that notes the ids of the jobs it starts."""

    asked: list[str] = field(default_factory=list)

    def job_id(self, key: str) -> str:
        made = operations.Bench.job_id(self, key)
        if made not in self.asked:
            self.asked.append(made)
        return made


def _opened(link: Link) -> str:
    link.open()
    return "WinRM answers"


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        return [*map(_shortened, value[:LONGEST_LIST]), f"and {len(value) - LONGEST_LIST} more"]
    return [_shortened(each) for each in value] if isinstance(value, list) else value
