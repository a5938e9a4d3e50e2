"""What is offered and what is installed: updates and packages in the words of the domain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from patchyard.domain.updates import BUILD, Classification, Standing, Update
from patchyard.domain.value import Known
from patchyard.managers.windows_update.baselines import Table
from patchyard.managers.windows_update.categories import (
    Kind,
    classification,
    kbs,
    kind_of,
    name_of,
    severity,
)
from patchyard.managers.windows_update.facts import Facts, number, word
from patchyard.managers.windows_update.hotpatch import NEVER_REBOOTS, expected_build, recognise
from patchyard.managers.windows_update.ways import restorable

EXCLUSIVE = 2
"""InstallationImpact of an update that must be installed with nothing else."""

ALWAYS_REBOOTS = 1
"""InstallationRebootBehavior of an update after which a restart is certain."""

_IN_TITLE = re.compile(r"\((\d{5}\.\d+)\)")
"""The build that newer titles of cumulative updates end with: `(KB5120233) (26100.33296)`."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What an offered update is judged against.

    `has_hotpatches` is None where the system can have none, so that no update is called cold.
    `managed_by` names who alone may approve updates here.
    """

    packages: Mapping[str, str]
    origin: str
    table: Table
    build: str
    enrolled: Known
    has_hotpatches: bool
    managed_by: str = ""


def key_of(update: Facts) -> str:
    """Return the identity of an update on a machine: its name and its UpdateID."""
    return f"{name_of(update)}:{word(update.get('id')).lower()}"


def revision(update: Facts) -> str:
    """Return the revision of an update as text: a later one is another candidate."""
    return str(number(update.get("revision")) or 0)


def packages(installed: Iterable[Facts], build: str) -> dict[str, str]:
    """Return the installed updates by key, and beside them the machine's build."""
    found = {key_of(row): revision(row) for row in installed if word(row.get("id"))}
    return {**found, BUILD: build}


def updates(offered: Iterable[Facts], ground: Ground) -> tuple[Update, ...]:
    """Return the offered updates in the order of their keys; what could not be read is left out."""
    rows = {key_of(row): row for row in offered if word(row.get("id")) and not row.get("error")}
    return tuple(_update(key, row, ground) for key, row in sorted(rows.items()))


def _update(key: str, row: Facts, ground: Ground) -> Update:
    name, _, identity = key.rpartition(":")
    rule = recognise(row, ground.table, ground.enrolled)
    kind = kind_of(row, rule)
    standing, why = _standing(row, kind, ground)
    said = [why, *_details(row, kind, rule, ground)]
    return Update(
        name=name,
        architecture=identity,
        installed=ground.packages.get(key, ""),
        candidate=revision(row),
        classification=classification(row) or Classification.UPDATES,
        origin=ground.origin,
        standing=standing,
        detail="; ".join(text for text in said if text),
        download_bytes=number(row.get("download_bytes")),
        restorable=restorable(kind),
        title=word(row.get("title")),
        alone=number(row.get("impact")) == EXCLUSIVE,
        hotpatch=rule if ground.has_hotpatches or rule else None,
        build=_build(row, kind, ground),
        severity=severity(row),
        by_itself=True,
        advisories=(*kbs(row), *_texts(row.get("bulletins"))),
        cves=_texts(row.get("cves")) or None,
    )


def _texts(given: object) -> tuple[str, ...]:
    """Return the texts of a list. An empty list of vulnerabilities is what Windows mostly tells."""
    return tuple(word(each) for each in given if word(each)) if isinstance(given, list) else ()


def _standing(row: Facts, kind: Kind, ground: Ground) -> tuple[Standing, str]:
    """Say whether an update may be installed here without anybody's hand, and if not, why not."""
    if ground.managed_by:
        return Standing.HELD, f"{ground.managed_by} decides about updates on this machine"
    if row.get("hidden"):
        return Standing.HELD, "hidden on the machine"
    reasons = {
        "a driver; these are installed by hand": kind == Kind.DRIVER,
        "an upgrade to another release": kind == Kind.UPGRADE,
        "it may ask a person something": bool(row.get("can_request_input")),
        "optional: offered only to who picks it by hand": bool(row.get("browse_only")),
    }
    why = next((reason for reason, so in reasons.items() if so), "")
    return (Standing.KEPT_BACK, why) if why else (Standing.INSTALLABLE, "")


def _details(row: Facts, kind: Kind, rule: str, ground: Ground) -> Iterator[str]:
    behaviour = number(row.get("reboot_behavior"))
    words = {NEVER_REBOOTS: "never reboots", ALWAYS_REBOOTS: "always reboots"}
    yield words.get(behaviour if behaviour is not None else -1, "may ask for a reboot")
    if row.get("eula_accepted") is False:
        yield "its license terms are accepted where it is planned"
    if classification(row) is None:
        yield "of no class that is known here"
    if kind == Kind.CUMULATIVE and ground.enrolled == Known.YES and not rule:
        yield "baseline required: the cumulative update is offered, which needs a reboot"


def _build(row: Facts, kind: Kind, ground: Ground) -> str:
    """Return the build after an update: from the table, else from its title."""
    listed = expected_build(row, ground.table)
    if listed or kind not in {Kind.CUMULATIVE, Kind.HOTPATCH}:
        return listed
    found = _IN_TITLE.search(word(row.get("title")))
    same = found is not None and found[1].partition(".")[0] == ground.build.partition(".")[0]
    return found[1] if found is not None and same else ""
