"""IUpdate and what hangs on it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from patchyard.testing.windows.host.catalogue import category_id
from patchyard.testing.windows.host.com import ComObject, Strings, com_class, com_info
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.updating import Offer
from patchyard.testing.windows.powershell.convert import to_int, truth
from patchyard.testing.windows.powershell.dates import DateTime
from patchyard.testing.windows.powershell.errors import ComError, NetError
from patchyard.testing.windows.powershell.values import NOTHING, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside

NO_SUCH_ITEM = 0x80240007
INVALID_INDEX = 0x80240007
TYPE_LIBRARY = 0x8002801D


class Pair(ComObject):
    """IUpdateIdentity."""

    net = com_info("IUpdateIdentity")

    def __init__(self, identity: str, revision: int) -> None:
        self.identity, self.revision = identity, revision

    net.property("UpdateID")(lambda target: target.identity)
    net.property("RevisionNumber")(lambda target: target.revision)


class Category(ComObject):
    """ICategory."""

    net = com_info("ICategory")

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind

    net.property("Name")(lambda target: target.name)
    net.property("CategoryID")(lambda target: category_id(target.name))
    net.property("Type")(lambda target: target.kind)


class Behavior(ComObject):
    """IInstallationBehavior."""

    net = com_info("IInstallationBehavior")

    def __init__(self, offer: Offer) -> None:
        self.update = offer.update

    net.property("RebootBehavior")(lambda target: target.update.reboot_behavior)
    net.property("Impact")(lambda target: target.update.impact)
    net.property("CanRequestUserInput")(lambda target: target.update.can_request_input)
    net.property("RequiresNetworkConnectivity")(lambda target: target.update.needs_network)


class UpdateObject(ComObject):
    """IUpdate5."""

    net = com_info("IUpdate")

    def __init__(self, inside: Inside, offer: Offer) -> None:
        self.inside = inside
        self.offer = offer

    @property
    def update(self) -> Value:
        """The update of the catalogue."""
        return self.offer.update

    @net.property("Title")
    def _title(self) -> Value:
        broken = self.inside.computer.faults.look(Fault.BROKEN_TYPE_LIBRARY, update=self.update.id)
        if broken is not None:
            raise ComError(TYPE_LIBRARY)
        return self.update.title

    @net.property("MaxDownloadSize")
    def _size(self) -> Value:
        return Decimal(self.update.size)

    @net.property("MinDownloadSize")
    def _least_size(self) -> Value:
        return Decimal(0)

    @net.property("KBArticleIDs")
    def _articles(self) -> Value:
        return Strings([self.update.kb] if self.update.kb else [])

    @net.property("Categories")
    def _categories(self) -> Value:
        return Strings(
            [
                Category(self.update.classification, "UpdateClassification"),
                Category(self.update.product, "Product"),
            ]
        )

    @net.property("LastDeploymentChangeTime")
    def _released(self) -> Value:
        moment = datetime.fromisoformat(self.update.released).astimezone(UTC)
        return DateTime.of(moment)

    @net.property("IsInstalled")
    def _is_installed(self) -> Value:
        return self.inside.computer.updates.counts_as_installed(self.offer)

    @net.property("IsUninstallable")
    def _is_uninstallable(self) -> Value:
        return self.update.kind in {"plain", "driver"}

    @net.setter("IsHidden")
    def _hide(self, value: Value) -> None:
        self.offer.hidden = truth(value)

    @net.method("AcceptEula")
    def _accept(self, _rt: Value) -> Value:
        self.offer.eula_accepted = True
        return NOTHING

    net.property("Identity")(lambda target: Pair(*target.update.identity))
    net.property("Description")(lambda target: f"Install this update. {target.update.title}")
    net.property("MsrcSeverity")(lambda target: target.update.severity or None)
    net.property("SecurityBulletinIDs")(lambda _target: Strings([]))
    net.property("CveIDs")(lambda target: Strings(list(target.update.cves)))
    net.property("SupersededUpdateIDs")(lambda target: Strings(list(target.update.supersedes)))
    net.property("MoreInfoUrls")(lambda _target: Strings([]))
    net.property("SupportUrl")(lambda _target: "https://support.microsoft.com")
    net.property("IsDownloaded")(lambda target: target.offer.downloaded)
    net.property("IsHidden")(lambda target: target.offer.hidden)
    net.property("IsMandatory")(lambda _target: False)
    net.property("IsBeta")(lambda _target: False)
    net.property("IsPresent")(lambda target: target.offer.installed)
    net.property("EulaAccepted")(lambda target: target.offer.eula_accepted)
    net.property("EulaText")(lambda target: target.offer.eula_text or None)
    net.property("RebootRequired")(lambda target: target.offer.reboot_required)
    net.property("BrowseOnly")(lambda target: target.update.browse_only)
    net.property("AutoSelectOnWebSites")(lambda target: not target.update.browse_only)
    net.property("AutoSelection")(lambda _target: 0)
    net.property("Type")(lambda target: target.update.type)
    net.property("DeploymentAction")(lambda _target: 1)
    net.property("DownloadPriority")(lambda _target: 2)
    net.property("Deadline")(lambda _target: None)
    net.property("InstallationBehavior")(lambda target: Behavior(target.offer))
    net.property("BundledUpdates")(lambda _target: UpdateCollection())


@com_class("Microsoft.Update.UpdateColl")
class UpdateCollection(ComObject):
    """IUpdateCollection."""

    net = com_info("IUpdateCollection")

    def __init__(self, _inside: Inside | None = None) -> None:
        self.items: list[UpdateObject] = []
        self.version = 0

    def enumerate(self) -> list[Value] | None:
        """Return the updates."""
        return list(self.items)

    def get_item(self, index: Value) -> Value:
        """Return one update.

        Raises:
            ComError: there is none at that place.
        """
        at = to_int(index)
        if not 0 <= at < len(self.items):
            raise ComError(INVALID_INDEX)
        return self.items[at]

    @net.property("Count")
    def _count(self) -> Value:
        return len(self.items)

    @net.property("ReadOnly")
    def _read_only(self) -> Value:
        return False

    @net.method("Item")
    def _item(self, _rt: Value, index: Value) -> Value:
        return self.get_item(index)

    @net.method("Add")
    def _add(self, _rt: Value, update: Value) -> Value:
        if not isinstance(update, UpdateObject):
            raise NetError("System.ArgumentException", "Specified cast is not valid.")
        self.items.append(update)
        self.version += 1
        return len(self.items) - 1

    @net.method("Clear")
    def _clear(self, _rt: Value) -> Value:
        self.items.clear()
        self.version += 1
        return NOTHING

    @net.method("RemoveAt")
    def _remove_at(self, _rt: Value, index: Value) -> Value:
        self.get_item(index)
        del self.items[to_int(index)]
        return NOTHING

    @net.method("Copy")
    def _copy(self, _rt: Value) -> Value:
        made = UpdateCollection()
        made.items = list(self.items)
        return made


def collection(inside: Inside, offers: list[Offer]) -> UpdateCollection:
    """Return offers as a collection of COM objects."""
    made = UpdateCollection()
    made.items = [UpdateObject(inside, offer) for offer in offers]
    return made
