"""Rings: a ring of machines installs only what the ring before it runs already, and runs well.

What a ring has proven are the versions that its healthy machines have at the end of a window,
once the soak time is over. They are its release, known by a hash.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from patchyard.domain.counting import first_few
from patchyard.domain.durations import Duration, write_duration
from patchyard.domain.outcome import Status
from patchyard.domain.value import Value

NOT_READY = "ring_not_ready"
"""The word for a run whose ring must wait for the one before it."""


class Ring(Value):
    """Which configuration's machines get updates first, and what they must have proven."""

    after: Annotated[str, Field(min_length=1)] = Field(
        description="The configuration whose machines get the updates first."
    )
    soak: Duration = Field(
        timedelta(days=1), description="So long must they have run with them, well."
    )
    max_failures: int = Field(
        0, ge=0, strict=True, description="So many of them may have come to a bad end."
    )
    otherwise: Literal["wait", "ask"] = Field(
        "wait", description="Where it is not proven: the window passes, or a person is asked."
    )


@dataclass(frozen=True, slots=True)
class Ran:
    """What the run of a window of a ring came to; `finished_at` is None while it is at work."""

    key: str
    run_id: str
    finished_at: datetime | None
    statuses: Mapping[str, Status]

    @property
    def bad(self) -> tuple[str, ...]:
        """The machines that came to a bad end."""
        return tuple(sorted(name for name, status in self.statuses.items() if status.charged))

    @property
    def good(self) -> frozenset[str]:
        """The machines that have what was planned."""
        return frozenset(name for name, status in self.statuses.items() if status.good)


@dataclass(frozen=True, slots=True)
class Judged:
    """What stands behind a ring: the window to take its versions from, and whether it is proven.

    `ran` is None where there is nothing to promote, not even for a person who says yes.
    """

    ran: Ran | None
    proven: bool
    told: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What the ring before has proven by now, as far as it is remembered.

    `release` are the versions, by key, that are promoted or that a person is asked for; `newest`
    those that its last window brought, which ended `since` then, and well.
    """

    good: bool = False
    bad: bool = False
    told: str = ""
    release: Mapping[str, frozenset[str]] = field(default_factory=dict)
    newest: Mapping[str, frozenset[str]] = field(default_factory=dict)
    since: datetime | None = None

    def releases(self, key: str, version: str) -> bool:
        """Say whether a version is in the release."""
        return version in self.release.get(key, ())

    def soaks(self, key: str, version: str) -> bool:
        """Say whether a version has been there since the last window."""
        return self.since is not None and version in self.newest.get(key, ())


class Promotion(Value):
    """What a plan is promoted from. It is part of the plan's hash."""

    ring: str
    key: str
    release: str
    proven: bool
    told: str


def judge(ring: Ring, ran: Iterable[Ran], now: datetime) -> Judged:
    """Say what a ring may install now, by the windows of the ring before it.

    Its newest window that has soaked is what is promoted. A bad end in it, or in any window since,
    speaks against all of it.
    """
    ended = sorted(
        ((each.finished_at, each) for each in ran if each.finished_at is not None),
        key=lambda pair: pair[0],
    )
    some = [number for number, (_, each) in enumerate(ended) if each.good]
    if not some:
        return Judged(None, proven=False, told=f"ring {ring.after} has proven nothing yet")
    soaked = [number for number in some if ended[number][0] + ring.soak <= now]
    number = (soaked or some)[-1]
    at, chosen = ended[number]
    for _, each in ended[number:]:
        if len(each.bad) > ring.max_failures:
            return Judged(chosen, proven=False, told=f"{each.key}: {_bad(each)}")
    if not soaked:
        left = write_duration(at + ring.soak - now)
        return Judged(chosen, proven=False, told=f"{chosen.key} has to soak for {left} more")
    told = (
        f"{chosen.key} has run well for {write_duration(ring.soak)} on {len(chosen.good)} machines"
    )
    return Judged(chosen, proven=True, told=told)


def _bad(ran: Ran) -> str:
    told = first_few((f"{name} {ran.statuses[name]}" for name in ran.bad), 3)
    return f"{len(ran.bad)} of {len(ran.statuses)} machines came to a bad end ({told})"


def release(packages: Iterable[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return what machines have, as sorted pairs of a package's key and a version."""
    return tuple(sorted({pair for of in packages for pair in of.items()}))


def release_hash(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 of a release, in hexadecimal."""
    return hashlib.sha256("\n".join(f"{key}={v}" for key, v in pairs).encode()).hexdigest()


def versions(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Return the versions of a release by the package's key."""
    found: dict[str, set[str]] = defaultdict(set)
    for key, version in pairs:
        found[key].add(version)
    return {key: frozenset(of) for key, of in found.items()}
