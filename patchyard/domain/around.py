"""What stands around a run: hooks, notices and approval, as a configuration asks for them."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from patchyard.domain.durations import Duration, parse_duration
from patchyard.domain.value import Value

_REFERENCE = re.compile(r"(?:env|file|prefect-block):\S+")
_URL = re.compile(r"https?://[^\s/@]+(?:/\S*)?")
_MOMENTS = ("start", "end", "failure")


def _place(text: str) -> str:
    if not (_REFERENCE.fullmatch(text) or _URL.fullmatch(text)):
        raise ValueError(
            "is no place to call; write https://host/path without a password in it, "
            "or a reference such as env:HOOK_URL"
        )
    return text


def _moment(text: str) -> str:
    if text not in _MOMENTS:
        try:
            parse_duration(text)
        except ValueError:
            raise ValueError(
                "is no moment; write a time before the start such as 24h, or start, end, failure"
            ) from None
    return text


Place = Annotated[str, AfterValidator(_place)]
"""A URL, or a reference to one that is secret."""

Moment = Annotated[str, AfterValidator(_moment)]
"""When a notice is given."""


class OnFailure(StrEnum):
    """What follows where a step of the operator's own fails."""

    STOP = "stop"
    SKIP_MACHINE = "skip_machine"
    WARN = "warn"


class Hook(Value):
    """A step of the operator's own, before or after a run, a wave or a machine."""

    name: str = Field(min_length=1, max_length=100, description="What it is called.")
    when: Literal["before", "after"] = Field(description="Before it begins, or after its end.")
    of: Literal["run", "wave", "machine"] = Field(description="Of what.")
    command: str = Field("", description="Command on the controller.")
    script: str = Field("", description="Script on the machine.")
    webhook: Place | None = Field(None, description="URL to call, or a reference to it.")
    timeout: Duration = Field(parse_duration("5m"), description="Longer, and it has failed.")
    on_failure: OnFailure = Field(
        OnFailure.STOP, description="stop the run, skip_machine, or warn and go on."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(map(bool, (self.command, self.script, self.webhook))) != 1:
            raise ValueError("needs one of command, script and webhook")
        if self.of != "machine" and (self.script or self.on_failure == OnFailure.SKIP_MACHINE):
            raise ValueError("has script or skip_machine, which are for hooks of a machine only")
        return self


class Notice(Value):
    """Who is told of a window, and when."""

    at: tuple[Moment, ...] = Field(description="24h or 1h before the start, start, end, failure.")
    to: Literal["event", "webhook", "email", "machine"] = Field(
        description="A Prefect event, a CloudEvent to a URL, a mail, or a message on the machines."
    )
    address: str = Field("", description="URL or reference for webhook; recipient for email.")
    on_failure: Literal["warn", "stop"] = Field(
        "warn", description="What follows where nobody could be told."
    )

    @model_validator(mode="after")
    def _reaches_somebody(self) -> Self:
        if not self.at:
            raise ValueError("is never given; write at least one moment below at")
        if self.to == "webhook":
            _place(self.address)
        if self.to == "email" and not re.fullmatch(r"[^\s@]+@[^\s@]+", self.address):
            raise ValueError("needs an address such as team@company.example")
        if self.to in {"event", "machine"} and self.address:
            raise ValueError(f"takes no address with {self.to}")
        return self


class Approval(Value):
    """Whether a person must say yes, to what, and who may."""

    of: Literal["none", "run", "wave"] = Field(
        "none", description="Nothing, the plan of the whole run, or every wave."
    )
    by: tuple[str, ...] = Field((), description="Who may; everybody who can answer where empty.")
