"""What stands around the waves of a run, in the order of the run, each thing once.

It remembers nothing that is not in the record: whoever takes the run up makes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from patchyard.domain.around import OnFailure
from patchyard.domain.hooking import stopping
from patchyard.domain.outcome import Status, together
from patchyard.domain.plan import Plan
from patchyard.domain.record import Step
from patchyard.domain.rollout import Rollout
from patchyard.hooks.of_run import call_of_run, calls_of, enter, note_stop, settle
from patchyard.notifiers import Notifier
from patchyard.run_notices import RunNotices
from patchyard.runs import Run


class Around:
    """The hooks and notices of a run and its waves."""

    def __init__(
        self,
        run: Run,
        plan: Plan,
        ways: Mapping[str, Notifier] = MappingProxyType({}),
        forgiven: Iterable[str] = (),
    ) -> None:
        """See from the record what was begun before.

        Args:
            run: the open run.
            plan: its plan.
            ways: the ways to tell somebody, by name.
            forgiven: machines, hooks and notices whose failure no longer stops the run.
        """
        self._run, self._waves = run, plan.waves
        self._wave_of = {name: n for n, wave in enumerate(plan.waves, 1) for name in wave}
        self._entered: set[int] = set()
        self._left: set[int] = set()
        calls = calls_of(run)
        for each in calls:
            note_stop(run, each)
        _note_stops_of_machines(run)
        pardoned = frozenset(forgiven)
        self._notices = RunNotices(run, plan, ways, pardoned)
        for name in pardoned:
            run.stops.pop(name, None)
        self._begun = {each.wave for each in calls}

    @property
    def _asked(self) -> bool:
        """True where anything stands around the run."""
        return bool(self._run.hooks or self._run.notices)

    def begin(self, machines: Sequence[str]) -> bool:
        """Do what comes before these machines of a wave. False where they may not begin."""
        wave = self._wave_of[machines[0]]
        if 0 not in self._entered and not self._run.stops:
            self._notices.started()
        for number in (0, wave):
            if number not in self._entered and not self._run.stops:
                self._entered.add(number)
                self._begun.add(number)
                enter(self._run, number)
                call_of_run(self._run, "before", number)
        return not self._run.stops and not self._run.lost.is_set()

    def turn(self, rollout: Rollout) -> bool:
        """Do what comes after a wave, once the last of its machines has come to its end.

        True where that has stopped the run.
        """
        if not self._asked:
            return False
        before = len(self._run.stops)
        for wave in sorted(self._begun - self._left - {0}):
            names = (each.name for each in rollout.members if each.wave == wave)
            if all(rollout.status(name).final or name in rollout.pending for name in names):
                self._leave(wave)
        if bad := sorted(_failed(rollout)):
            self._notices.failing(f"{bad[0]} is {rollout.statuses[bad[0]]}")
        return len(self._run.stops) > before

    def end(self, halted: str) -> str:
        """Do what comes after waves that were begun, and after the run. Answers why it was halted.

        Where another controller has the run by now, all that is left to it.
        """
        if self._run.lost.is_set() or not self._asked:
            return halted
        why = self._called_after(halted) if self._begun else halted
        self._notices.ended(why)
        return why

    def _called_after(self, halted: str) -> str:
        for wave in sorted(self._begun - self._left - {0}):
            self._leave(wave, halted)
        settle(self._run)
        call_of_run(self._run, "after", 0, self._judged(self._wave_of, halted), halted)
        failed = [why for why in self._run.stops.values() if why not in halted]
        return "; ".join(part for part in (halted, *failed) if part)

    def _leave(self, wave: int, halted: str = "") -> None:
        self._left.add(wave)
        names = self._waves[wave - 1]
        judged = self._judged(names, halted)
        call_of_run(self._run, "after", wave, judged, halted)
        self._notices.wave_ended(wave, judged)

    def _judged(self, names: Iterable[str], halted: str) -> Status:
        """Say how it went, as far as hooks are told."""
        standings = self._run.store.standings(self._run.id)
        return Status.FAILED if halted else together(standings[name].status for name in names)


def _failed(rollout: Rollout) -> Iterator[str]:
    """Return the machines of which whoever is told of failures does not know yet."""
    for name, status in rollout.statuses.items():
        if status.charged and status not in rollout.done_well and name not in rollout.forgiven:
            yield name


def _note_stops_of_machines(run: Run) -> None:
    """Note which machines' hooks have stopped the run before it was taken up again."""
    mode = OnFailure.STOP
    if not run.resumed or not any(h.of == "machine" and h.on_failure == mode for h in run.hooks):
        return
    for machine, records in run.store.all_steps(run.id).items():
        fields = ("action", "started_at", "result")
        steps = (Step.model_validate({f: getattr(r, f) for f in fields}) for r in records)
        for why in stopping(steps):
            run.stops[machine] = f"{machine}: {why}"
