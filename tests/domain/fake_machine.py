"""A machine that exists in the test alone, and somebody who does to it what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from patchyard.domain.actions import (
    Action,
    Ask,
    Call,
    Finish,
    Install,
    Keep,
    Look,
    Reboot,
    Repair,
    RestartServices,
    Undo,
    Verify,
    Wait,
)
from patchyard.domain.health import Answer, Outcome, compare, unknown
from patchyard.domain.machine import next_step
from patchyard.domain.record import Fault, MachineRun, RebootOutcome, Result, Step
from patchyard.domain.restore import Kept, RestorePoint
from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.domain.updates import (
    Assessment,
    Filesystem,
    Kernel,
    LockHolder,
    OutdatedService,
)
from patchyard.domain.value import Known
from patchyard.testing.assessments import NOON, assessment

NEVER = 9
"""An attempt that never comes."""

MOST_TURNS = 150
"""No machine takes so many: three installs, two undos, a lock that is waited for."""

FULL = Filesystem(mount="/", size=10**10, free=0, inodes=10**6, inodes_free=10**6)
HOLDER = LockHolder(path="/var/lib/dpkg/lock", pid=42, command="apt-get")
NGINX = OutdatedService(name="nginx.service")


@dataclass(frozen=True)
class Nature:
    """How a machine is; without any trouble all goes well."""

    locked: tuple[int, int] = (0, 0)
    """From which second to which another process holds the lock."""
    broken: bool = False
    """The package database is in pieces at first."""
    mends: bool = True
    """A repair helps."""
    full: bool = False
    skew: float = 0.0
    works_from: Mapping[str, int] = field(default_factory=dict)
    """By package, the level of splitting from which it can be installed."""
    lied_about: frozenset[str] = frozenset()
    """Packages that the installer says it has installed, and has not."""
    bad: frozenset[str] = frozenset()
    """While one of these packages is at its new version the check fails."""
    sick: bool = False
    """The check fails anyway."""
    mute: bool = False
    """The check cannot be asked."""
    ruins: frozenset[str] = frozenset()
    """Acts after which the check fails for ever."""
    halves: frozenset[str] = frozenset()
    """Acts that leave the package database in pieces."""
    lacking: frozenset[str] = frozenset()
    """Packages whose present version cannot be kept."""
    undo_from: int = 0
    """The attempt from which going back works."""
    owes_reboot: bool = False
    """A change to packages asks for a reboot."""
    owes_for_ever: bool = False
    """It asks for a reboot after every one."""
    reboot: RebootOutcome = RebootOutcome.REBOOTED
    restarts: bool = False
    """A change to packages leaves a service on replaced code."""
    stops: bool = False
    """A change to packages ends a service, and it does not start by itself."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """By act, the code of the error with which it cannot be carried out."""
    takes: int = 5
    """Seconds for each act; a repair takes ten times as long."""
    unclear: Known = Known.YES
    """Whether all sources could be refreshed."""


@dataclass
class FakeMachine:
    """The machine as it is now."""

    nature: Nature
    packages: dict[str, str]
    new: Mapping[str, str]
    """By package, the version that the plan brings."""
    now: datetime = NOON
    boots: int = 0
    in_pieces: bool = False
    touched: bool = False
    """Packages were changed since the last boot."""
    stale: bool = False
    stopped: bool = False
    ruined: bool = False
    done: list[Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.in_pieces = self.nature.broken

    def act(self, action: Action) -> tuple[Assessment | None, Result]:
        """Do one act, and say what is seen and what came of it."""
        factor = 10 if isinstance(action, Repair) else 1
        self.now += timedelta(seconds=self.nature.takes * factor)
        code = self.nature.faults.get(action.key)
        if code is not None:
            return None, Result(fault=Fault(code=code, detail=f"{action.key}: {code}"))
        self.done.append(action)
        if isinstance(action, Look):
            return self.look(), Result()
        result = self._change(action)
        self.in_pieces |= action.key in self.nature.halves
        self.ruined |= action.key in self.nature.ruins
        return None, result

    def look(self) -> Assessment:
        """Tell the whole truth."""
        nature, second = self.nature, (self.now - NOON).total_seconds()
        locked = nature.locked[0] <= second < nature.locked[1]
        owed = Known.of(nature.owes_for_ever or (self.touched and nature.owes_reboot))
        return assessment(
            taken_at=self.now,
            packages=dict(self.packages),
            boot_id=f"boot-{self.boots}",
            clock_skew=nature.skew,
            complete=nature.unclear,
            lock_holders=(HOLDER,) if locked else (),
            database_problems=("half-configured: a",) if self.in_pieces else (),
            reboot_required=owed,
            kernel=Kernel(running="6.1", applicable=Known.YES, outdated=owed),
            running_services=() if self.stopped else ("web.service",),
            outdated_services=(NGINX,) if self.stale else (),
            filesystems=(FULL,) if nature.full else (),
        )

    def answers(self) -> tuple[Answer, ...]:
        """Answer the one health question."""
        bad = any(self.packages.get(key) == self.new.get(key) for key in self.nature.bad)
        good = not (bad or self.nature.sick or self.stopped or self.ruined)
        if self.nature.mute:
            return (unknown("no answer").under("web"),)
        return (Answer(check="web", outcome=Outcome.PASSED if good else Outcome.FAILED),)

    def _change(self, action: Action) -> Result:  # noqa: PLR0911 - one line for each act
        match action:
            case Ask():
                return Result(answers=self.answers())
            case Keep():
                return Result(restore_point=self._keep(action))
            case Repair():
                self.in_pieces = not self.nature.mends
                return Result(transaction=Transaction(exit_status=0))
            case Install():
                return Result(transaction=self._install(action))
            case Undo():
                return Result(transaction=self._undo(action))
            case Call():
                return Result(detail=f"{action.hook.name} was called")
            case _:
                return self._restart(action)

    def _restart(self, action: Action) -> Result:
        if isinstance(action, Reboot):
            return self._reboot()
        assert isinstance(action, RestartServices), action
        self.stale = self.stopped = False
        return Result()

    def _keep(self, action: Keep) -> RestorePoint:
        kept = tuple(
            Kept(
                key=each.key,
                version=each.version,
                problem="no repository has it" if each.key in self.nature.lacking else "",
            )
            for each in action.packages
        )
        return RestorePoint(folder=action.folder, kept=kept)

    def _install(self, action: Install) -> Transaction:
        """One package that fails lets the whole transaction fail, as it is with apt."""
        level = int(action.key.split("-")[1])
        wrong = [p.key for p in action.packages if self.nature.works_from.get(p.key, 0) > level]
        if wrong:
            detail = f"{wrong[0]}: its script failed"
            return Transaction(exit_status=100, problem=InstallProblem.SCRIPT_FAILED, detail=detail)
        lies = self.nature.lied_about
        self._set({each.key: each.version for each in action.packages if each.key not in lies})
        return Transaction(exit_status=0)

    def _undo(self, action: Undo) -> Transaction:
        if int(action.key.split("-")[1]) < self.nature.undo_from:
            return Transaction(exit_status=1, problem=InstallProblem.OTHER, detail="no")
        self._set({package.key: package.version for package in action.packages})
        for key in action.remove:
            self.packages.pop(key, None)
        return Transaction(exit_status=0)

    def _set(self, packages: Mapping[str, str]) -> None:
        self.packages.update(packages)
        self.touched = True
        self.stale |= self.nature.restarts
        self.stopped |= self.nature.stops

    def _reboot(self) -> Result:
        if self.nature.reboot == RebootOutcome.REBOOTED:
            self.boots += 1
            self.touched = self.stale = False
        return Result(reboot=self.nature.reboot, detail=f"it is {self.nature.reboot}")


@dataclass
class Story:
    """A run of one machine from its beginning to its end."""

    run: MachineRun
    machine: FakeMachine
    before: dict[str, str]
    finish: Finish
    waits: list[datetime]

    @property
    def actions(self) -> list[Action]:
        """All that was asked for, in order."""
        return [step.action for step in self.run.steps]

    @property
    def last_look(self) -> Assessment:
        """What was seen last."""
        keys = [step.action.key for step in self.run.steps if isinstance(step.action, Look)]
        return self.run.assessments[[key for key in keys if key in self.run.assessments][-1]]

    def result(self, key: str) -> Result | None:
        """What came of a step; None where there was no such step."""
        found = [step.result for step in self.run.steps if step.action.key == key]
        return found[0] if found else None


def drive(run: MachineRun, machine: FakeMachine) -> Story:
    """Do what comes next until nothing does; each act is recorded before and after it."""
    before, waits = dict(machine.packages), list[datetime]()
    for _ in range(MOST_TURNS):
        answer = next_step(run, machine.now)
        match answer:
            case Finish():
                return Story(run, machine, before, answer, waits)
            case Wait():
                assert answer.until > machine.now
                waits.append(answer.until)
                machine.now = answer.until
            case _:
                run = recorded(run, machine, answer)
    raise AssertionError("the machine comes to no end")


def recorded(run: MachineRun, machine: FakeMachine, action: Action) -> MachineRun:
    """Do one act and record it."""
    started = machine.now
    seen, result = _verified(run, machine) if isinstance(action, Verify) else machine.act(action)
    step = Step(action=action, started_at=started, finished_at=machine.now, result=result)
    assessments = {**run.assessments, action.key: seen} if seen else run.assessments
    return replace(run, steps=(*run.steps, step), assessments=assessments)


def _verified(run: MachineRun, machine: FakeMachine) -> tuple[None, Result]:
    machine.now += timedelta(seconds=machine.nature.takes)
    asked = next(step.result for step in run.steps if isinstance(step.action, Ask))
    differences = compare(asked.answers if asked else (), machine.answers())
    healthy = not any(each.regressed for each in differences)
    return None, Result(healthy=healthy, differences=differences)
