"""Updates: the newer versions of what is installed, and what would come along with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from patchyard.domain.updates import Classification, Standing, Update
from patchyard.domain.value import Known
from patchyard.managers.apt.outlook import Outlook
from patchyard.managers.apt.relations import Change, Needs, requirements
from patchyard.managers.apt.versions import Offer, Origin, Release, Table

Record = Mapping[str, str]
"""The fields of one package's entry in a repository's index."""

SHOWN = 5
"""Names told in one detail before it only counts them."""


@dataclass(frozen=True, slots=True)
class Market:
    """All that is known about what a machine could have."""

    native: str
    packages: Mapping[str, str]
    provided: Collection[str]
    tables: tuple[Table, ...]
    releases: Mapping[str, Release]
    origins: Mapping[str, Origin]
    reluctant: Collection[Release]
    records: Mapping[tuple[str, str], tuple[Record, ...]]
    relations: Mapping[str, Needs]
    holds: Collection[str]
    full: Outlook
    with_new: Outlook
    plain: Outlook
    simulated: bool = True

    def key(self, name: str) -> str:
        """Return the key of an installed package from its name as apt writes it."""
        if ":" in name:
            return name
        native = f"{name}:{self.native}"
        return native if native in self.packages else f"{name}:all"

    def record(self, name: str, version: str) -> Record:
        """Return the index entry of one version of a package; empty where there is none."""
        bare, _, architecture = name.partition(":")
        wanted = {architecture} if architecture else {self.native, "all"}
        for record in self.records.get((bare, version), ()):
            if record.get("Architecture") in wanted:
                return record
        return {}


@dataclass(frozen=True, slots=True)
class _Found:
    """One package with something newer, before its relations to the others are known."""

    table: Table
    key: str
    installed: str
    candidate: str
    offer: Offer | None
    standing: Standing
    record: Record
    detail: str = ""


def available_updates(market: Market) -> tuple[Update, ...]:
    """Return all updates, those that come along as new packages included, by name."""
    found = [entry for table in market.tables if (entry := _find(table, market)) is not None]
    required = requirements(
        [_change(entry, market) for entry in found],
        {key.rpartition(":")[0]: version for key, version in market.packages.items()},
        market.provided,
    )
    updates = (_update(entry, required[entry.key], market) for entry in found)
    return tuple(sorted(updates, key=lambda update: update.key))


def _find(table: Table, market: Market) -> _Found | None:
    if table.installed is None:
        return _find_new(table, market)
    key = market.key(table.name)
    standing, detail = _standing(table, market)
    candidate = table.candidate
    if standing == Standing.PINNED:
        wanted = _willing(table, market)
        if not wanted:
            return None
        candidate, detail = wanted[0].version, _pin(table, wanted[0])
    return _checked(
        _Found(
            table=table,
            key=key,
            installed=market.packages.get(key, table.installed.version),
            candidate=candidate,
            offer=next((o for o in table.newer if o.version == candidate), None),
            standing=standing,
            record=market.record(table.name, candidate),
            detail=detail,
        )
    )


def _find_new(table: Table, market: Market) -> _Found | None:
    """A package that is not installed matters only where an update would bring it along."""
    if table.name in market.with_new.new:
        standing = Standing.INSTALLABLE
    elif table.name in market.full.new:
        standing = Standing.NEEDS_REMOVAL
    else:
        return None
    record = market.record(table.name, table.candidate)
    bare, _, foreign = table.name.partition(":")
    architecture = record.get("Architecture") or foreign or market.native
    return _Found(
        table, f"{bare}:{architecture}", "", table.candidate, table.takes, standing, record,
        detail="comes along as a new dependency",
    )  # fmt: skip


def _standing(table: Table, market: Market) -> tuple[Standing, str]:
    """Say whether apt would install the candidate, by the mildest upgrade that does."""
    name = table.name
    offer = table.takes
    if offer is None:
        return Standing.PINNED, ""
    if name in market.holds:
        return Standing.HELD, "held with apt-mark"
    if not market.simulated or name in market.plain.upgraded:
        return Standing.INSTALLABLE, ""
    if name in market.with_new.upgraded:
        return Standing.NEEDS_NEW, ""
    return _hindrance(name, offer, market)


def _hindrance(name: str, offer: Offer, market: Market) -> tuple[Standing, str]:
    """Say why apt would not install an update that it may install."""
    if name in market.full.deferred or offer.phased:
        return Standing.PHASED, f"released to {offer.phased or 'some'} of machines so far"
    if name in market.full.upgraded and market.full.removed:
        return Standing.NEEDS_REMOVAL, ""
    return Standing.KEPT_BACK, "apt keeps it back"


def _willing(table: Table, market: Market) -> list[Offer]:
    """Newer versions from repositories that offer themselves; backports must be asked for."""
    return [
        offer
        for offer in table.newer
        if any(
            market.releases.get(s, Release()) not in market.reluctant for s in offer.repositories
        )
    ]


def _pin(table: Table, offer: Offer) -> str:
    old = table.installed.priority if table.installed else ""
    return f"preferences give it priority {offer.priority}, the installed version {old}"


def _checked(found: _Found) -> _Found:
    """Keep back what would change its architecture: it would no longer be the same package."""
    installed = found.key.rpartition(":")[2]
    offered = found.record.get("Architecture", installed)
    if offered == installed:
        return found
    detail = f"its architecture changes from {installed} to {offered}; install it by hand"
    return replace(found, standing=Standing.KEPT_BACK, detail=detail)


def _change(found: _Found, market: Market) -> Change:
    record = found.record
    return Change(
        key=found.key,
        name=found.key.rpartition(":")[0],
        old=found.installed,
        new=found.candidate,
        before=market.relations.get(found.key, Needs()),
        after=Needs(
            depends=f"{record.get('Pre-Depends', '')},{record.get('Depends', '')}",
            breaks=f"{record.get('Breaks', '')},{record.get('Conflicts', '')}",
        ),
    )


def _update(found: _Found, required: Collection[str], market: Market) -> Update:
    name, _, architecture = found.key.rpartition(":")
    source, _, of_source = found.record.get("Source", name).partition(" ")
    removing = found.standing == Standing.NEEDS_REMOVAL
    return Update(
        name=name,
        architecture=architecture,
        installed=found.installed,
        candidate=found.candidate,
        classification=_classify(found, market.origins),
        origin=_origin(found, market.origins),
        source=source,
        source_version=of_source.strip("()"),
        standing=found.standing,
        detail=found.detail or _needs_new(found, required, market),
        requires=tuple(sorted({key.rpartition(":")[0] for key in required} - {name})),
        removes=tuple(sorted(map(market.key, market.full.removed))) if removing else (),
        download_bytes=_number(found.record.get("Size"), 1),
        installed_bytes=_number(found.record.get("Installed-Size"), 1024),
        restorable=_restorable(found.table),
    )


def _classify(found: _Found, origins: Mapping[str, Origin]) -> Classification:
    """A fix for security counts until it is installed, also when a later version carries it."""
    sources = (source for offer in found.table.newer for source in offer.repositories)
    security = any(origins[source].security for source in sources)
    return Classification.SECURITY if security else Classification.OTHER


def _origin(found: _Found, origins: Mapping[str, Origin]) -> str:
    if found.offer is None or not found.offer.repositories:
        return ""
    sources = [origins[source] for source in found.offer.repositories]
    return next((origin for origin in sources if origin.security), sources[0]).name


def _needs_new(found: _Found, required: Iterable[str], market: Market) -> str:
    if found.standing != Standing.NEEDS_NEW:
        return ""
    new = sorted(key for key in required if key not in market.packages)
    more = f" and {len(new) - SHOWN} more" if len(new) > SHOWN else ""
    return f"needs new packages: {', '.join(new[:SHOWN])}{more}" if new else "needs new packages"


def _number(text: str | None, unit: int) -> int | None:
    return int(text) * unit if text and text.isdigit() else None


def _restorable(table: Table) -> Known:
    """What is not installed yet can go back by being removed."""
    installed = table.installed
    return Known.of(installed is None or bool(installed.repositories))
