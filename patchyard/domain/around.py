"""What stands around a run: hooks, notices and approval, as a configuration asks for them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from patchyard.domain.durations import Duration, parse_duration
from patchyard.domain.value import Value

_REFERENCE = re.compile(r"(?:env|file|prefect-block):\S+")
_URL = re.compile(r"https?://[^\s/@]+(?:/\S*)?")
_OF_MACHINE = re.compile(r"\{(?:name|address|port|user)\}")
MOMENTS = ("start", "wave", "end", "failure")
"""Moments of a run; every other one is a time before its window."""


def _place(text: str) -> str:
    if not (_REFERENCE.fullmatch(text) or _URL.fullmatch(text)):
        raise ValueError(
            "is no place to call; write https://host/path without a password in it, "
            "or a reference such as env:HOOK_URL"
        )
    return text


def _moment(text: str) -> str:
    if text in MOMENTS:
        return text
    try:
        before = parse_duration(text)
    except ValueError:
        before = timedelta(0)
    if not before:  # nothing is ever due no time before the start
        raise ValueError(
            "is no moment; write a time before the start such as 24h, or start, wave, end, failure"
        )
    return text


Place = Annotated[str, AfterValidator(_place)]
"""A URL, or a reference to one that is secret."""


def _arguments(written: object) -> object:
    if isinstance(written, str) and written:
        raise ValueError(
            "is a list of the program and its arguments, for no shell reads it; "
            'write it such as [./drain, "{name}"]'
        )
    return written or ()


Arguments = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_arguments),
    WithJsonSchema({"type": "array", "items": {"type": "string", "minLength": 1}}),
]
"""A program and its arguments. No shell reads them."""

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
    command: Arguments = Field(
        (), description="Program on the controller, and its arguments; no shell reads them."
    )
    script: str = Field(
        "",
        max_length=16000,
        description="Script on the machine, as root: POSIX shell, or PowerShell on Windows.",
    )
    webhook: Place | None = Field(None, description="URL to post to, or a reference to it.")
    timeout: Duration = Field(parse_duration("5m"), description="Longer, and it has failed.")
    idempotent: bool = Field(
        default=True,
        strict=True,
        description="It may be called again with the same key, where a crash hides how it ended.",
    )
    on_failure: OnFailure = Field(
        OnFailure.STOP, description="stop the run, skip_machine, or warn and go on."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(map(bool, (self.command, self.script, self.webhook))) != 1:
            raise ValueError("needs one of command, script and webhook")
        if not self.timeout:
            raise ValueError("has no time to end in; write a timeout such as 5m")
        if self.of != "machine" and (self.script or self.on_failure == OnFailure.SKIP_MACHINE):
            raise ValueError("has script or skip_machine, which are for hooks of a machine only")
        if self.of != "machine" and any(map(_OF_MACHINE.search, self.command)):
            raise ValueError("has a field of a machine in braces, and is for no single machine")
        if self.when == "after" and self.on_failure == OnFailure.SKIP_MACHINE:
            raise ValueError("has skip_machine, and after its end no machine can be skipped")
        return self


def named_twice(hooks: Iterable[Hook]) -> str:
    """Say which hooks have a name that others have; a hook is called once by its name."""
    names = [hook.name for hook in hooks]
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"has several hooks named {', '.join(twice)}; each needs its own name" if twice else ""


class Notice(Value):
    """Who is told of a window, and when."""

    at: tuple[Moment, ...] = Field(
        description="24h or 1h before the start; start; wave, after each; end; failure."
    )
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
