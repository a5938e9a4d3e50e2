"""Health: answers to checks, judged on the difference between before and after."""

from __future__ import annotations

from enum import StrEnum

from patchyard.domain.value import Value


class Outcome(StrEnum):
    """What a check found. UNKNOWN is a question that could not be asked or read."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Answer(Value):
    """One check's answer at one time. `observed` is what the comparison needs, in words."""

    check: str
    outcome: Outcome
    detail: str = ""


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


def compare(before: tuple[Answer, ...], after: tuple[Answer, ...]) -> tuple[Difference, ...]:
    """Pair answers by check. A check that was not answered on one side is UNKNOWN there."""
    first = {answer.check: answer for answer in before}
    second = {answer.check: answer for answer in after}
    return tuple(
        Difference(
            check=check,
            before=first[check].outcome if check in first else Outcome.UNKNOWN,
            after=second[check].outcome if check in second else Outcome.UNKNOWN,
            detail=(second.get(check) or first[check]).detail,
        )
        for check in dict.fromkeys([*first, *second])
    )
