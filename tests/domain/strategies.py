"""What the tests of the rules draw: updates, planned sets, fleets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from random import Random
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from patchyard.domain.inventory import Machine
from patchyard.domain.plan import PlannedUpdate
from patchyard.domain.updates import Assessment, Classification, Standing, Update
from patchyard.errors import ConfigurationError, Problem
from patchyard.testing.assessments import assessment, planned

unhurried = settings(deadline=None, max_examples=75, suppress_health_check=[HealthCheck.too_slow])
"""What holds, holds on a slow machine too: nothing is judged by how long it took."""


def problems_of(act: Callable[[], object]) -> tuple[Problem, ...]:
    """Return what an act says is written wrong; nothing where it takes it."""
    try:
        act()
    except ConfigurationError as error:
        return error.problems
    return ()


Item = TypeVar("Item")


def mixed(items: Sequence[Item], random: Random) -> tuple[Item, ...]:
    """Return the same in another order."""
    return tuple(random.sample(items, len(items)))


NAMES = tuple("abcdef")
KEYS = tuple(f"{name}:{arch}" for name in NAMES for arch in ("amd64", "i386", "all"))

_NEEDED = (*NAMES, *KEYS[::2], "absent")
needs = st.just(()) | st.sampled_from([*product(_NEEDED), *product(_NEEDED, repeat=2)])
"""What an update needs: by name, or by name and architecture; some of it has no update."""

classes = st.sampled_from([Classification.CRITICAL, Classification.SECURITY, Classification.OTHER])
_states: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {
            "installed": installed,
            "candidate": candidate,
            "standing": standing,
            "hotpatch": hotpatch,
            "by_itself": by_itself,
        }
        for installed, candidate, by_itself in (
            ("1", "2", False),
            ("1", "3", False),
            ("", "2", False),
            ("", "2", True),
            ("2", "2", False),
        )
        for standing in (*[Standing.INSTALLABLE] * 8, *Standing)
        for hotpatch in (None, "", "by its title")
    ]
)


def update(key: str = "a:amd64", **changes: Any) -> Update:
    """Return one available security update from version 1 to 2."""
    name, _, architecture = key.partition(":")
    fields: dict[str, Any] = {
        "name": name,
        "architecture": architecture,
        "installed": "1",
        "candidate": "2",
        "classification": Classification.SECURITY,
        "origin": "debian-security",
    }
    return Update.model_validate({**fields, **changes})


def offering(*updates: Update) -> Assessment:
    """Return the assessment of a machine that could have these updates."""
    installed = {each.key: each.installed for each in updates if each.installed}
    return assessment(updates=updates, packages=installed)


@st.composite
def update_sets(draw: st.DrawFn) -> tuple[Update, ...]:
    """Draw the updates of one machine: each package once, in any order."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=8))
    return tuple(
        update(key, **draw(_states), classification=draw(classes), requires=draw(needs))
        for key in keys
    )


_bonds: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"source": source, "together": together}
        for source in ("", "", "", "a", "src-1", "src-2")
        for together in ((), (), ("x y",), ("x y", "z"))
    ]
)


@st.composite
def planned_sets(draw: st.DrawFn, most: int = 12) -> tuple[PlannedUpdate, ...]:
    """Draw the planned updates of one machine: each package once, in any order."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=most))
    return tuple(
        planned(name, architecture=architecture, **draw(_bonds), requires=draw(needs))
        for name, _, architecture in (key.partition(":") for key in keys)
    )


def machine(name: str, **fields: Any) -> Machine:
    """Return a machine of an inventory."""
    return Machine.model_validate({"name": name, "address": f"{name}.example", **fields})


shapes = st.fixed_dictionaries(
    {
        "region": st.sampled_from([None, None, "north"]),
        "zone": st.sampled_from([None, "1", "2", "3"]),
        "availability_set": st.sampled_from([None, "web", "db"]),
        "cluster": st.sampled_from([None, None, "blue", "green"]),
        "tags": st.sampled_from([{}, {}, {}, {}, {"canary": True}, {"canary": "Yes"}]),
    }
)
"""What a machine is, apart from its name."""


def named(fleet: Sequence[Mapping[str, Any]]) -> tuple[Machine, ...]:
    """Give machines their names."""
    return tuple(machine(f"m{number:02}", **fields) for number, fields in enumerate(fleet))


fleets = st.lists(shapes, max_size=24).map(named)
