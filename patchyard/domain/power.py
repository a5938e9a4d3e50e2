"""Power: what is done about a machine that is off, before a run works on it and after."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import model_validator

from patchyard.domain.outcome import Status
from patchyard.domain.value import Value


class PowerState(StrEnum):
    """Whether a machine is on. Anything between the two is unknown."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class PowerSpec(Value):
    """How a machine is started and stopped, as written: a kind of provider, and its options."""

    kind: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _kind_with_options(cls, written: object) -> object:
        if isinstance(written, dict) and written.keys() == {"kind", "options"}:
            return written
        if isinstance(written, dict) and len(written) == 1:
            ((kind, options),) = written.items()
            if isinstance(options, dict | None):
                return {"kind": kind, "options": options or {}}
        raise ValueError(
            "is written as one kind with its options, such as libvirt: {uri: qemu:///system}"
        )


class Arrival(StrEnum):
    """What is done first about a machine that a run comes to."""

    GO_ON = "go_on"
    START = "start"
    SKIP = "skip"


def arrive(
    state: PowerState, when_off: str, *, started_before: bool, begun: bool, may_start: bool
) -> tuple[Arrival, str]:
    """Say what is done first about a machine, and why where it is left out.

    A machine of which nobody knows whether it is on is simply tried. One on which work has begun
    was on then; that it is off now is judged as any loss of contact.

    Args:
        state: whether it is on.
        when_off: the machine's policy, `start` or `skip`.
        started_before: this run has started it before and has not put it back.
        begun: this run has begun work on it before.
        may_start: whether this run may start machines at all.
    """
    if state != PowerState.OFF or (begun and not started_before):
        return Arrival.GO_ON, ""
    if when_off != "start" and not started_before:
        return Arrival.SKIP, "it is off, and its policy is when_off: skip"
    if not may_start:
        return Arrival.SKIP, "it is off, and only a run that changes machines starts it"
    return Arrival.START, ""


def keeps_on(status: Status, *, unfinished: bool) -> str:
    """Say why a machine that was started may not be put back off; empty where it may.

    A package transaction that has begun is never killed, and a shutdown kills it.

    Args:
        status: how it went for the machine.
        unfinished: whether a step on it was begun of which no end is recorded.
    """
    if status == Status.LOST_CONTACT:
        return "contact with it was lost, and what was begun on it may still be at work"
    if status in {Status.IN_PROGRESS, Status.UNKNOWN} or unfinished:
        return "work on it has begun, and its end is not known"
    return ""
