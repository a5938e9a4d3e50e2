"""Selection: which available updates a plan installs, and why the others are left out."""

from __future__ import annotations

from fnmatch import fnmatchcase

from patchyard.domain.plan import LeftOut, PlannedUpdate, WhyNot
from patchyard.domain.updates import Assessment, Classification, Standing, Update
from patchyard.domain.value import Value

SECURITY = frozenset({Classification.CRITICAL, Classification.SECURITY})

_IMPOSSIBLE = {
    Standing.HELD: WhyNot.HELD,
    Standing.PINNED: WhyNot.PINNED,
    Standing.PHASED: WhyNot.PHASED,
    Standing.KEPT_BACK: WhyNot.KEPT_BACK,
    Standing.NEEDS_REMOVAL: WhyNot.NEEDS_REMOVAL,
}


class Selection(Value):
    """What to install: classes, and masks that add and take away (azure.md 1.5).

    A mask is a shell wildcard on a package's name, `name` or `name:architecture`; an include
    may pin a version, `name=version`. Exclude beats include and class.
    """

    classifications: frozenset[Classification] = SECURITY
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def select(
    assessment: Assessment, selection: Selection
) -> tuple[tuple[PlannedUpdate, ...], tuple[LeftOut, ...]]:
    """Split the available updates into those to install and those left out, with the reason.

    Every update is in exactly one of the two. What a selected update needs comes along.
    """
    updates = {update.name: update for update in assessment.updates}
    blocked = _blocked(updates, selection)
    wanted = {n for n, u in updates.items() if n not in blocked and _asked_for(u, selection)}
    taken = _closure(wanted, updates)
    planned = tuple(_planned(updates[name]) for name in sorted(taken))
    left = tuple(
        _left_out(updates[name], blocked.get(name), selection)
        for name in sorted(set(updates) - taken)
    )
    return planned, left


def _blocked(updates: dict[str, Update], selection: Selection) -> dict[str, tuple[WhyNot, str]]:
    """Name what cannot or must not be installed, and then all that needs it."""
    blocked: dict[str, tuple[WhyNot, str]] = {}
    for name, update in updates.items():
        mask = next((m for m in selection.exclude if _matches(m, update)), None)
        if mask is not None:
            blocked[name] = (WhyNot.EXCLUDED, f"excluded by {mask}")
        elif update.standing in _IMPOSSIBLE:
            blocked[name] = (_IMPOSSIBLE[update.standing], update.detail)
    grown = True
    while grown:
        grown = False
        for name, update in updates.items():
            cause = next((need for need in update.requires if need in blocked), None)
            if name not in blocked and cause is not None:
                why = f"needs {cause}, which is left out ({blocked[cause][1] or blocked[cause][0]})"
                blocked[name] = (WhyNot.REQUIRES_EXCLUDED, why)
                grown = True
    return blocked


def _matches(mask: str, update: Update) -> bool:
    name = mask.partition("=")[0]
    return fnmatchcase(update.name, name) or fnmatchcase(update.key, name)


def _asked_for(update: Update, selection: Selection) -> bool:
    """A new package is never asked for by itself: it comes along with what needs it."""
    if not update.installed:
        return False
    if update.classification in selection.classifications:
        return True
    return any(_includes(mask, update) for mask in selection.include)


def _includes(mask: str, update: Update) -> bool:
    version = mask.partition("=")[2]
    return _matches(mask, update) and (not version or fnmatchcase(update.candidate, version))


def _closure(wanted: set[str], updates: dict[str, Update]) -> set[str]:
    taken: set[str] = set()
    waiting = sorted(wanted)
    while waiting:
        name = waiting.pop()
        if name in taken:
            continue
        taken.add(name)
        waiting += [need for need in updates[name].requires if need in updates]
    return taken


def _planned(update: Update) -> PlannedUpdate:
    return PlannedUpdate(
        name=update.name,
        architecture=update.architecture,
        from_version=update.installed,
        to_version=update.candidate,
        classification=update.classification,
        origin=update.origin,
        source=update.source,
        requires=update.requires,
        download_bytes=update.download_bytes,
        installed_bytes=update.installed_bytes,
        restorable=update.restorable,
    )


def _left_out(update: Update, blocked: tuple[WhyNot, str] | None, selection: Selection) -> LeftOut:
    why, detail = blocked or _not_asked_for(update, selection)
    return LeftOut(
        name=update.name,
        architecture=update.architecture,
        installed=update.installed,
        candidate=update.candidate,
        classification=update.classification,
        why=why,
        detail=detail,
    )


def _not_asked_for(update: Update, selection: Selection) -> tuple[WhyNot, str]:
    if not update.installed:
        return WhyNot.NOT_INCLUDED, "a new package that nothing selected needs"
    if selection.classifications:
        return WhyNot.CLASSIFICATION, f"its class is {update.classification}"
    return WhyNot.NOT_INCLUDED, "no include mask names it"
