"""What the states of a run hold: a report, or an error that reads as the verdict."""

from __future__ import annotations

import pytest

from flows.recorded import RunFailed, state_of
from patchyard.domain.outcome import Status
from patchyard.domain.verdict import verdict
from patchyard.testing.reports import sample_report


def test_a_failed_state_raises_its_verdict_and_holds_the_report() -> None:
    report = sample_report().model_copy(update={"status": Status.FAILED})
    state = state_of(report)
    with pytest.raises(RunFailed) as told:
        state.result()
    assert str(told.value) == verdict(report) == state.message
    assert told.value.report == report
