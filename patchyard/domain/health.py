"""Health: answers to checks, judged on the difference between before and after.

Most checks ask yes or no. Some take stock instead: of faults, such as units that failed, or of
what is present, such as ports that are listened on. Of those each thing is judged by itself, so
that the difference names the unit that failed anew and the port that nobody listens on any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from patchyard.domain.value import Value


class Outcome(StrEnum):
    """What a check found. UNKNOWN is a question that could not be asked or read."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Finding(Value):
    """What a check found out.

    `faults` names what is wrong: it may have been so before, and must not be so anew.
    `present` names what is there: it must still be there after a change.
    """

    outcome: Outcome
    detail: str = ""
    faults: tuple[str, ...] = ()
    present: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """True where the question was asked and its answer was read."""
        return self.outcome != Outcome.UNKNOWN

    def of(self, item: str) -> Outcome:
        """Say how it is with one thing that a check took stock of, before or after."""
        if not self.known:
            return Outcome.UNKNOWN
        return Outcome.FAILED if item in self.faults else Outcome.PASSED

    def under(self, check: str) -> Answer:
        """Make this the answer of a check."""
        return Answer(check=check, **self.model_dump(exclude={"check", "final"}))


class Answer(Finding):
    """One check's answer at one time.

    `final` is set where asking again cannot help and must not be done: a log-in was refused, or
    the machine is not the one that is known.
    """

    check: str
    final: bool = False


class Difference(Value):
    """One check, before and after the change."""

    check: str
    before: Outcome
    after: Outcome
    detail: str = ""

    @property
    def regressed(self) -> bool:
        """True where the change made it worse, or where it can no longer be seen to be good."""
        return self.after != Outcome.PASSED and self.before == Outcome.PASSED

    @property
    def already_bad(self) -> bool:
        """True where it was not good before, so that the change is not to blame."""
        return Outcome.PASSED not in (self.after, self.before)


class Verdict(Value):
    """How health stands after a change: the last differences, and why it is not good."""

    healthy: bool
    differences: tuple[Difference, ...] = ()
    reasons: tuple[str, ...] = ()


NOT_ASKED = Finding(outcome=Outcome.UNKNOWN, detail="was not asked")
_NEW = "was not so before"
_GONE = "was there before, and is gone"


def passed(detail: str = "") -> Finding:
    """Find that all is well."""
    return Finding(outcome=Outcome.PASSED, detail=detail)


def failed(detail: str) -> Finding:
    """Find that something is wrong."""
    return Finding(outcome=Outcome.FAILED, detail=detail)


def unknown(detail: str) -> Finding:
    """Find nothing, for the question could not be asked or its answer not be read."""
    return Finding(outcome=Outcome.UNKNOWN, detail=detail)


def compare(before: tuple[Answer, ...], after: tuple[Answer, ...]) -> tuple[Difference, ...]:
    """Pair answers by check. A check that was not answered on one side is UNKNOWN there.

    Where a check took stock, there is one difference for each fault and for each thing that went
    missing, named `check: thing`.
    """
    first: dict[str, Finding] = {answer.check: answer for answer in before}
    second: dict[str, Finding] = {answer.check: answer for answer in after}
    return tuple(
        difference
        for check in dict.fromkeys([*first, *second])
        for difference in _pair(check, first.get(check, NOT_ASKED), second.get(check, NOT_ASKED))
    )


def _pair(check: str, before: Finding, after: Finding) -> Iterator[Difference]:
    faults = dict.fromkeys([*before.faults, *after.faults])
    gone = [item for item in before.present if after.known and item not in after.present]
    for item in faults:
        yield _fault(f"{check}: {item}", before.of(item), after.of(item))
    for item in gone:
        yield Difference(
            check=f"{check}: {item}", before=Outcome.PASSED, after=Outcome.FAILED, detail=_GONE
        )
    if not faults and not gone:
        yield _whole(check, before.outcome, after)
    elif faults and not (before.known and after.known):
        # What was good before, other than the faults, can no longer be seen to be so.
        yield _whole(f"{check}: others", before.of(""), after, outcome=after.of(""))


def _fault(check: str, before: Outcome, after: Outcome) -> Difference:
    new = before == Outcome.PASSED and after == Outcome.FAILED
    return Difference(check=check, before=before, after=after, detail=_NEW if new else "")


def _whole(
    check: str, before: Outcome, after: Finding, *, outcome: Outcome | None = None
) -> Difference:
    return Difference(
        check=check, before=before, after=outcome or after.outcome, detail=after.detail
    )
