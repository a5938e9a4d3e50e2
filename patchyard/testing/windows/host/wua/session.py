"""IUpdateSession."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchyard.testing.windows.host.com import ComObject, Strings, com_class, com_info
from patchyard.testing.windows.host.wua.agent import must_be_allowed
from patchyard.testing.windows.host.wua.installer import Downloader, Installer
from patchyard.testing.windows.host.wua.searcher import HistoryEntry, Searcher
from patchyard.testing.windows.powershell.convert import to_int
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside


@com_class("Microsoft.Update.Session")
class Session(ComObject):
    """IUpdateSession3."""

    net = com_info("IUpdateSession")

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.client = ""
        self.locale = 1033

    @net.property("ClientApplicationID")
    def _client(self) -> Value:
        return self.client

    @net.setter("ClientApplicationID")
    def _set_client(self, value: Value) -> None:
        self.client = text_of(value)

    @net.property("UserLocale")
    def _locale(self) -> Value:
        return self.locale

    @net.setter("UserLocale")
    def _set_locale(self, value: Value) -> None:
        self.locale = to_int(value)

    @net.method("CreateUpdateSearcher")
    def _searcher(self, _rt: Value) -> Value:
        must_be_allowed(self.inside)
        return Searcher(self.inside)

    @net.method("CreateUpdateDownloader")
    def _downloader(self, _rt: Value) -> Value:
        must_be_allowed(self.inside)
        return Downloader(self.inside, self.client)

    @net.method("CreateUpdateInstaller")
    def _installer(self, _rt: Value) -> Value:
        must_be_allowed(self.inside)
        return Installer(self.inside, self.client)

    @net.method("QueryHistory")
    def _history(self, _rt: Value, criteria: Value, start: Value, count: Value) -> Value:
        must_be_allowed(self.inside)
        wanted = text_of(criteria)
        entries = [
            past
            for past in self.inside.computer.updates.history
            if not wanted or past.client == wanted
        ]
        chosen = entries[to_int(start) : to_int(start) + to_int(count)]
        return Strings([HistoryEntry(self.inside, past) for past in chosen])
