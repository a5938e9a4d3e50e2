from __future__ import annotations

from itertools import product

import pytest
from pydantic import ValidationError

from patchyard.domain.outcome import Status
from patchyard.domain.power import Arrival, PowerSpec, PowerState, arrive, keeps_on

BOTH = (False, True)
EVERY = list(product(PowerState, ("start", "skip"), BOTH, BOTH, BOTH))


def choose(state: PowerState, when_off: str, owed: bool, begun: bool, may: bool) -> Arrival:
    return arrive(state, when_off, started_before=owed, begun=begun, may_start=may)[0]


@pytest.mark.parametrize(("state", "when_off", "owed", "begun", "may"), EVERY)
def test_only_a_machine_that_is_off_is_started_or_skipped(
    state: PowerState, when_off: str, owed: bool, begun: bool, may: bool
) -> None:
    chosen = choose(state, when_off, owed, begun, may)
    if state != PowerState.OFF:
        assert chosen == Arrival.GO_ON
    if chosen == Arrival.START:
        assert may
        assert when_off == "start" or owed
    if chosen == Arrival.SKIP:
        assert not begun or owed


def test_the_policy_decides_about_a_machine_that_is_off() -> None:
    assert choose(PowerState.OFF, "start", owed=False, begun=False, may=True) == Arrival.START
    assert choose(PowerState.OFF, "skip", owed=False, begun=False, may=True) == Arrival.SKIP
    assert choose(PowerState.OFF, "start", owed=False, begun=False, may=False) == Arrival.SKIP


def test_what_this_run_has_started_it_starts_again_whatever_the_policy_says_now() -> None:
    assert choose(PowerState.OFF, "skip", owed=True, begun=True, may=True) == Arrival.START


def test_a_machine_that_went_off_while_it_was_worked_on_is_not_skipped() -> None:
    assert choose(PowerState.OFF, "skip", owed=False, begun=True, may=True) == Arrival.GO_ON


def test_a_machine_is_never_turned_off_while_something_may_be_at_work_on_it() -> None:
    kept = {status for status in Status if keeps_on(status, unfinished=False)}
    assert kept == {Status.LOST_CONTACT, Status.IN_PROGRESS, Status.UNKNOWN}
    assert all(keeps_on(status, unfinished=True) for status in Status)


def test_power_is_one_kind_with_its_options() -> None:
    spec = PowerSpec.model_validate({"libvirt": {"uri": "qemu:///session"}})
    assert (spec.kind, spec.options) == ("libvirt", {"uri": "qemu:///session"})
    assert PowerSpec.model_validate({"libvirt": None}).options == {}
    assert PowerSpec.model_validate(spec.model_dump()) == spec
    wrongs: tuple[object, ...] = ({}, {"libvirt": {}, "command": {}}, {"libvirt": 3}, "libvirt", [])
    for wrong in wrongs:
        with pytest.raises(ValidationError, match="one kind with its options"):
            PowerSpec.model_validate(wrong)
