"""Availability first: which machines may never be away at once, and which come after which."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from patchyard.domain.attributes import is_attribute
from patchyard.domain.regions import Phases, RegionPairs, RegionRule, plain
from patchyard.domain.schedule import told
from patchyard.domain.scope import parse
from patchyard.domain.value import Value

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s*%")
MAJORITY = "majority"
ALL = 100
MOST = 100_000


def _attribute(text: str) -> str:
    if text and not is_attribute(text):
        raise ValueError("is nothing that machines have; write such as cluster, or tags.role")
    return text


def _two(regions: tuple[str, ...]) -> tuple[str, ...]:
    if len({plain(region) for region in regions}) != 2 or len(regions) != 2:  # noqa: PLR2004 - a pair
        raise ValueError("must be two regions, such as [oslo, bergen]")
    return regions


def _least(written: object) -> object:
    """Take a count, a share in percent, or `majority`."""
    if isinstance(written, int) and not isinstance(written, bool) and 1 <= written <= MOST:
        return written
    if isinstance(written, str):
        share = _PERCENT.fullmatch(written.strip())
        if written == MAJORITY or (share is not None and 0 < Fraction(share[1]) < ALL):
            return written
    raise ValueError("must be a count such as 2, a share below 100% such as 60%, or majority")


Machines = Annotated[str, AfterValidator(told(parse))]
"""A scope expression."""

Attribute = Annotated[str, AfterValidator(_attribute)]
"""The name of something that machines have."""

Least = Annotated[
    int | str,
    BeforeValidator(_least),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST},
                {"type": "string", "pattern": r"^(\d{1,3}(\.\d{1,9})?\s*%|majority)$"},
            ]
        }
    ),
]
"""How many machines must be up."""

_EACH = Field(
    "", description="A group for each value of it, such as cluster; all of them one where empty."
)


class Quorum(Value):
    """So many of these machines are known to be up at any time."""

    of: Machines = Field(description="Which machines, such as cluster == orders-db.")
    each: Attribute = _EACH
    at_least: Least = Field(description="How many: a count, a share such as 60%, or majority.")

    def count(self, size: int) -> int:
        """Return how many of so many machines must be up."""
        if isinstance(self.at_least, int):
            return self.at_least
        if self.at_least == MAJORITY:
            return size // 2 + 1
        share = _PERCENT.fullmatch(self.at_least.strip())
        assert share is not None  # noqa: S101 - it was read when it was written
        return ceil(size * Fraction(share[1]) / ALL)


class Order(Value):
    """Machines that come after others have come to a good end."""

    first: Machines = Field(description="Which machines come first, such as tags.role == replica.")
    then: Machines = Field(description="Which come when all of these are good.")
    each: Attribute = _EACH


class Apart(Value):
    """Machines of which never two are away at once, such as the two of a pair."""

    of: Machines = Field(description="Which machines, such as tags.role == firewall.")
    each: Attribute = _EACH


_Pair = Annotated[
    tuple[str, ...],
    AfterValidator(_two),
    Field(json_schema_extra={"minItems": 2, "maxItems": 2}),
]


class Availability(Value):
    """What keeps a service up while its machines are worked on. All rules hold at once."""

    regions: RegionRule = Field(
        "paired_apart",
        description="paired_apart: paired regions are in different phases; "
        "one_by_one: each region is one; together: regions make no difference.",
    )
    phases: tuple[tuple[str, ...], ...] = Field(
        (), description="Regions in the order of their phases; the others come after them."
    )
    pairs: tuple[_Pair, ...] = Field(
        (), description="Pairs of regions of your own, besides those that Azure publishes."
    )
    zones: Literal["one_at_a_time", "together"] = Field(
        "one_at_a_time", description="Whether machines of two zones of a service are away at once."
    )
    service: Attribute = Field(
        "service", description="What machines have that names their service, such as tags.app."
    )
    update_domains: Literal["one_at_a_time", "together"] = Field(
        "one_at_a_time",
        description="Whether machines of two update domains of a set are away at once.",
    )
    quorum: tuple[Quorum, ...] = Field((), description="How many of which machines stay up.")
    order: tuple[Order, ...] = Field((), description="Which machines come after which.")
    apart: tuple[Apart, ...] = Field((), description="Machines that are never away together.")

    @model_validator(mode="after")
    def _regions_fit(self) -> Self:
        named = [plain(region) for phase in self.phases for region in phase]
        twice = sorted({region for region in named if named.count(region) > 1})
        if twice:
            raise ValueError(f"has {', '.join(twice)} in two phases; write each region once")
        if self.regions == "together" and (self.phases or self.pairs):
            raise ValueError(
                "has phases or pairs, and regions: together, which has none; "
                "write regions: paired_apart"
            )
        return self

    def region_phases(self, published: RegionPairs) -> Phases:
        """Return how regions become phases, with the published pairs and those that are written."""
        return Phases(self.regions, self.phases, published.and_of(self.pairs))

    def backwards(self) -> Availability:
        """Return the rules for going back: what came last goes first."""
        order = tuple(Order(first=o.then, then=o.first, each=o.each) for o in self.order)
        return self.model_copy(update={"order": order})
