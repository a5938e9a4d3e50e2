"""Selection: which available updates a plan installs, and why the others are left out."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from pydantic import model_validator

from patchyard.domain.advisories import fixes
from patchyard.domain.masks import includes, matches, wrong_with
from patchyard.domain.plan import LeftOut, PlannedUpdate, WhyNot
from patchyard.domain.rings import versions
from patchyard.domain.updates import Assessment, Classification, Standing, Update
from patchyard.domain.value import Known, Value
from patchyard.errors import ConfigurationError, Problem

SECURITY = frozenset({Classification.CRITICAL, Classification.SECURITY})

LONGEST_CHAIN = 5
"""Links of a chain of needs that are named before its middle is only counted."""

_IMPOSSIBLE = MappingProxyType(
    {
        Standing.HELD: WhyNot.HELD,
        Standing.PINNED: WhyNot.PINNED,
        Standing.PHASED: WhyNot.PHASED,
        Standing.KEPT_BACK: WhyNot.KEPT_BACK,
        Standing.NEEDS_REMOVAL: WhyNot.NEEDS_REMOVAL,
    }
)

_UNPROVEN = WhyNot.NOT_PROMOTED
"""No reason for what nobody asked for: it is never said of that."""

_Reason = tuple[WhyNot, str]
_Needs = Mapping[str, tuple[str, ...]]


class Selection(Value):
    """What to install: classes, and masks that add and take away (azure.md 1.5).

    A mask is a shell wildcard on a package's name, or on `name:architecture`. An include may
    ask for a version, `name=version`, wildcards allowed. Exclude beats include and class.
    Each entry of `atomic` is a set of masks: the updates that they match are never installed
    apart from each other. With `hotpatch_only` a system that has hotpatches gets nothing else.
    Where `fixes` names vulnerabilities or advisories, what is known to fix one of them is asked
    for, whatever its class, and nothing else but what an include names.
    Where `promoted` is given, pairs of a key and a version, nothing else is installed.

    Raises:
        ConfigurationError: a mask cannot be used; all that cannot are named.
    """

    classifications: frozenset[Classification] = SECURITY
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    atomic: tuple[tuple[str, ...], ...] = ()
    hotpatch_only: bool = False
    fixes: tuple[str, ...] = ()
    promoted: tuple[tuple[str, str], ...] | None = None

    @cached_property
    def proven(self) -> dict[str, frozenset[str]]:
        """The versions that are promoted, by the package's key."""
        return versions(self.promoted or ())

    @model_validator(mode="after")
    def _masks_can_be_used(self) -> Selection:
        sets = ((f"atomic[{number}]", masks) for number, masks in enumerate(self.atomic))
        problems = [
            Problem(wrong, field=f"{field}[{number}]")
            for field, masks in (("include", self.include), ("exclude", self.exclude), *sets)
            for number, mask in enumerate(masks)
            if (wrong := wrong_with(mask, versions=field == "include"))
        ]
        if problems:
            raise ConfigurationError(problems)
        return self


def select(
    assessment: Assessment, selection: Selection
) -> tuple[tuple[PlannedUpdate, ...], tuple[LeftOut, ...]]:
    """Split the available updates into those to install and those left out, with the reason.

    Every update is in exactly one of the two, both in the order of their keys. What a selected
    update needs comes along, and an update that needs one that cannot come is left out.
    """
    updates = {u.key: u for u in sorted(assessment.updates, key=lambda update: update.key)}
    case = _Case.of(updates, selection)
    planned = tuple(_planned(u, selection) for key, u in updates.items() if key in case.taken)
    left = tuple(
        _left_out(u, case.why_not(u, selection))
        for key, u in updates.items()
        if key not in case.taken
    )
    return planned, left


@dataclass(frozen=True, slots=True)
class _Case:
    """What is decided about one machine's updates, all by their keys.

    `wanted` is all that was asked for, with what that needs, possible or not. `blocked` cannot
    or must not be installed by itself; `because_of` leads from an update to the one it needs
    that cannot come.
    """

    updates: Mapping[str, Update]
    wanted: frozenset[str]
    taken: frozenset[str]
    blocked: Mapping[str, _Reason]
    because_of: Mapping[str, str]

    @classmethod
    def of(cls, updates: Mapping[str, Update], selection: Selection) -> _Case:
        """Decide."""
        there = {key for key, update in updates.items() if update.installed == update.candidate}
        needs = {key: n for key, n in _needs(updates).items() if key not in there}
        blocked = {
            key: reason
            for key, update in updates.items()
            if key not in there and (reason := _blocked(update, selection))
        }
        because_of = _spread(blocked, needs)
        asked = [key for key in needs if _asked_for(updates[key], selection)]
        possible = [key for key in asked if key not in blocked and key not in because_of]
        return cls(
            updates=updates,
            wanted=_closure(asked, needs),
            taken=_closure(possible, needs),
            blocked=blocked,
            because_of=because_of,
        )

    def why_not(self, update: Update, selection: Selection) -> _Reason:
        """Say why an update that is not taken is left out."""
        key = update.key
        if update.installed == update.candidate:
            return WhyNot.ALREADY_INSTALLED, ""
        if key in self.blocked and (key in self.wanted or self.blocked[key][0] != _UNPROVEN):
            return self.blocked[key]
        if key in self.because_of and key in self.wanted:
            return WhyNot.REQUIRES_EXCLUDED, self._chain(key)
        if not update.installed and not update.by_itself:
            return WhyNot.NOT_INCLUDED, "a new package that nothing in the plan needs"
        return _not_asked_for(update, selection)

    def _chain(self, key: str) -> str:
        """Tell the shortest way from an update to what keeps it out."""
        links = []
        while key in self.because_of:
            key = self.because_of[key]
            links.append(self.updates[key].name)
        if len(links) > LONGEST_CHAIN:
            links[2:-2] = [f"{len(links) - 4} others in turn"]
        why, detail = self.blocked[key]
        told = detail if why == WhyNot.EXCLUDED else ": ".join(filter(None, (_words(why), detail)))
        return f"needs {', which needs '.join(links)}, which is left out ({told})"


def _words(why: WhyNot) -> str:
    return why.replace("_", " ")


def _needs(updates: Mapping[str, Update]) -> dict[str, tuple[str, ...]]:
    """Return the keys that each update needs. What has no update of its own is there already."""
    by_name: dict[str, list[Update]] = defaultdict(list)
    for update in updates.values():
        by_name[update.name].append(update)
        by_name[update.key].append(update)
    return {
        key: tuple(need for name in update.requires for need in _meant(update, by_name.get(name)))
        for key, update in updates.items()
    }


def _meant(update: Update, found: list[Update] | None) -> Iterator[str]:
    """A bare name means the package whose architecture fits, and all of that name if none does."""
    fitting = [u for u in found or () if u.architecture in {update.architecture, "all"}]
    return (u.key for u in fitting or found or ())


def _blocked(update: Update, selection: Selection) -> _Reason | None:
    mask = next((mask for mask in selection.exclude if matches(mask, update)), None)
    if mask is not None:
        return WhyNot.EXCLUDED, f"excluded by {mask}"
    if update.standing in _IMPOSSIBLE:
        return _IMPOSSIBLE[update.standing], update.detail
    if selection.hotpatch_only and update.hotpatch == "":
        return WhyNot.NOT_HOTPATCH, ""
    if selection.promoted is not None:
        return _not_promoted(update, selection.proven.get(update.key, frozenset()))
    return None


def _not_promoted(update: Update, proven: frozenset[str]) -> _Reason | None:
    if update.candidate in proven:
        return None
    if proven:
        return WhyNot.NOT_PROMOTED, f"the ring before it has {', '.join(sorted(proven))}"
    return WhyNot.NOT_PROMOTED, "the ring before it does not have it"


def _spread(blocked: Iterable[str], needs: _Needs) -> dict[str, str]:
    """Follow needs backwards: lead from each update that cannot come to the one it needs."""
    needed_by: dict[str, list[str]] = defaultdict(list)
    for key, needed in needs.items():
        for need in needed:
            needed_by[need].append(key)
    because_of: dict[str, str] = {}
    waiting = deque(blocked)
    seen = set(waiting)
    while waiting:
        culprit = waiting.popleft()
        fresh = [key for key in needed_by[culprit] if key not in seen]
        because_of |= dict.fromkeys(fresh, culprit)
        seen.update(fresh)
        waiting.extend(dict.fromkeys(fresh))
    return because_of


def _closure(start: Iterable[str], needs: _Needs) -> frozenset[str]:
    """Return these and all that they need, and that needs in turn."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        key = waiting.pop()
        if key in needs and key not in found:
            found.add(key)
            waiting.extend(needs[key])
    return frozenset(found)


def _asked_for(update: Update, selection: Selection) -> bool:
    """A new package is never asked for by itself: it comes along with what needs it."""
    if not update.installed and not update.by_itself:
        return False
    if _wanted_for_what_it_is(update, selection):
        return True
    return any(includes(mask, update) for mask in selection.include)


def _wanted_for_what_it_is(update: Update, selection: Selection) -> bool:
    if selection.fixes:
        return fixes(update, selection.fixes) == Known.YES
    return update.classification in selection.classifications


def _not_asked_for(update: Update, selection: Selection) -> _Reason:
    near = next((mask for mask in selection.include if matches(mask, update)), None)
    if near is not None:
        return WhyNot.NOT_INCLUDED, f"include {near} asks for another version"
    if selection.fixes:
        return _no_fix(update, selection)
    if selection.classifications:
        return WhyNot.CLASSIFICATION, f"its class is {update.classification}"
    return WhyNot.NOT_INCLUDED, "no include mask names it"


def _no_fix(update: Update, selection: Selection) -> _Reason:
    """Tell what is known not to fix what is named from what nobody tells of."""
    if fixes(update, selection.fixes) == Known.UNKNOWN:
        return WhyNot.UNKNOWN_FIX, f"nobody tells whether it fixes {', '.join(selection.fixes)}"
    return WhyNot.NOT_A_FIX, f"it fixes none of {', '.join(selection.fixes)}"


def _planned(update: Update, selection: Selection) -> PlannedUpdate:
    return PlannedUpdate(
        name=update.name,
        architecture=update.architecture,
        from_version=update.installed,
        to_version=update.candidate,
        classification=update.classification,
        origin=update.origin,
        source=update.source,
        requires=update.requires,
        together=tuple(
            " ".join(masks)
            for masks in selection.atomic
            if any(matches(mask, update) for mask in masks)
        ),
        download_bytes=update.download_bytes,
        installed_bytes=update.installed_bytes,
        restorable=update.restorable,
        title=update.title,
        alone=update.alone,
        hotpatch=update.hotpatch,
        build=update.build,
        severity=update.severity,
        fixes=tuple(each for each in selection.fixes if fixes(update, [each]) == Known.YES),
    )


def _left_out(update: Update, reason: _Reason) -> LeftOut:
    why, detail = reason
    return LeftOut(
        name=update.name,
        architecture=update.architecture,
        installed=update.installed,
        candidate=update.candidate,
        classification=update.classification,
        why=why,
        detail=detail,
    )
