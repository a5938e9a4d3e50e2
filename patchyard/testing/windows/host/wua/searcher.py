"""IUpdateSearcher: criteria, results, history."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.catalogue import category_id
from patchyard.testing.windows.host.com import ComObject, Strings, com_info, kept
from patchyard.testing.windows.host.faults import Fault
from patchyard.testing.windows.host.updating import SUCCEEDED, WITH_ERRORS, Offer, Past
from patchyard.testing.windows.host.wua.agent import must_be_allowed, must_work
from patchyard.testing.windows.host.wua.update import Pair, UpdateCollection, collection
from patchyard.testing.windows.powershell.convert import to_int, truth
from patchyard.testing.windows.powershell.dates import DateTime
from patchyard.testing.windows.powershell.errors import ComError, signed
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside

INVALID_CRITERIA = 0x80240032
NO_ROUTE = 0x80240438
CLAUSE = re.compile(
    r"\s*(?:(?P<name>\w+)\s*(?P<op>=|!=)\s*(?:'(?P<text>[^']*)'|(?P<number>\d+))"
    r"|CategoryIDs\s+contains\s+'(?P<category>[^']*)')\s*",
    re.IGNORECASE,
)
Test = Callable[["Inside", Offer], Value]
FIELDS: dict[str, Test] = {
    "isinstalled": lambda inside, o: int(inside.computer.updates.counts_as_installed(o)),
    "ishidden": lambda _inside, o: int(o.hidden),
    "ispresent": lambda _inside, o: int(o.installed),
    "browseonly": lambda _inside, o: int(o.update.browse_only),
    "rebootrequired": lambda _inside, o: int(o.reboot_required),
    "type": lambda _inside, o: "driver" if o.update.type == 2 else "software",  # noqa: PLR2004
    "updateid": lambda _inside, o: o.update.id,
    "revisionnumber": lambda _inside, o: o.update.revision,
    "deploymentaction": lambda _inside, _o: "installation",
    "isassigned": lambda _inside, o: int(not o.update.browse_only),
}


def parse_criteria(text: str) -> list[list[re.Match[str]]]:
    """Return criteria as alternatives of clauses that must all hold.

    Raises:
        ComError: they are none.
    """
    plain = text.strip()
    alternatives: list[list[re.Match[str]]] = [[]]
    at = 0
    while plain:
        found = CLAUSE.match(plain, at)
        if found is None or (found["name"] and found["name"].lower() not in FIELDS):
            raise ComError(INVALID_CRITERIA)
        alternatives[-1].append(found)
        at = found.end()
        if at >= len(plain):
            break
        word = re.compile(r"(and|or)\b", re.IGNORECASE).match(plain, at)
        if word is None:
            raise ComError(INVALID_CRITERIA)
        at = word.end()
        if word[1].lower() == "or":
            alternatives.append([])
    return alternatives


def matches(inside: Inside, offer: Offer, clause: re.Match[str]) -> bool:
    """True where an offer fulfils a clause."""
    if clause["category"] is not None:
        mine = {category_id(offer.update.classification), category_id(offer.update.product)}
        return clause["category"].lower() in mine
    value = FIELDS[clause["name"].lower()](inside, offer)
    if clause["number"] is not None:
        wanted: Value = int(clause["number"])
    else:
        wanted = clause["text"].lower()
    same = (value.lower() if isinstance(value, str) else value) == wanted
    return bool(same == (clause["op"] == "="))


class Warning_(ComObject):  # noqa: N801 - Warning is Python's
    """IUpdateException."""

    net = com_info("IUpdateException")

    def __init__(self, hresult: int) -> None:
        self.hresult = hresult

    net.property("HResult")(lambda target: signed(target.hresult))
    net.property("Message")(lambda _target: "")
    net.property("Context")(lambda _target: 1)


class SearchResult(ComObject):
    """ISearchResult."""

    net = com_info("ISearchResult")

    def __init__(self, found: UpdateCollection, warnings: list[Value]) -> None:
        self.updates: UpdateCollection = found
        self.warnings = warnings

    net.property("ResultCode")(lambda target: WITH_ERRORS if target.warnings else SUCCEEDED)
    net.property("Updates")(lambda target: target.updates)
    net.property("Warnings")(lambda target: Strings(target.warnings))


class HistoryEntry(ComObject):
    """IUpdateHistoryEntry2."""

    net = com_info("IUpdateHistoryEntry2")

    def __init__(self, inside: Inside, past: Past) -> None:
        self.inside, self.past = inside, past

    @net.property("Date")
    def _date(self) -> Value:
        # The agent gives UTC and does not say so.
        return DateTime(DateTime.at(self.past.time).ticks)

    net.property("Title")(lambda target: target.past.title)
    net.property("Description")(lambda _target: "")
    net.property("Operation")(lambda target: target.past.operation)
    net.property("ResultCode")(lambda target: target.past.code)
    net.property("HResult")(lambda target: signed(target.past.hresult))
    net.property("UnmappedResultCode")(lambda target: signed(target.past.hresult))
    net.property("ClientApplicationID")(lambda target: target.past.client)
    net.property("UpdateIdentity")(lambda target: Pair(target.past.update, target.past.revision))
    net.property("ServerSelection")(lambda _target: 2)
    net.property("ServiceID")(lambda _target: "")


class Searcher(ComObject):
    """IUpdateSearcher3."""

    net = com_info("IUpdateSearcher")

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.values: dict[str, Value] = {
            "serverselection": 0,
            "serviceid": "00000000-0000-0000-0000-000000000000",
            "online": True,
            "clientapplicationid": "",
            "includepotentiallysupersededupdates": False,
            "canautomaticallyupgradeservice": False,
            "searchscope": 0,
            "ignoredownloadpriority": False,
        }

    kept(
        net,
        *("ServerSelection", "ServiceID", "Online", "ClientApplicationID", "SearchScope"),
        *("IncludePotentiallySupersededUpdates", "CanAutomaticallyUpgradeService"),
        "IgnoreDownloadPriority",
    )

    @net.method("Search")
    def _search(self, _rt: Value, criteria: Value) -> Value:
        must_work(self.inside)
        alternatives = parse_criteria(text_of(criteria))
        computer = self.inside.computer
        if to_int(self.values["serverselection"]) not in {0, 1, 2, 3}:
            raise NotSimulated("an unknown ServerSelection")
        if truth(self.values["online"]):
            self._ask_source()
        warning = computer.faults.strike(Fault.SEARCH_WARNS)
        warnings: list[Value] = (
            [] if warning is None else [Warning_(int(warning.get("hresult", 0x8024402C)))]
        )
        superseded = truth(self.values["includepotentiallysupersededupdates"])
        offers = (
            list(computer.updates.offers.values())
            if superseded
            else (computer.updates.applicable())
        )
        found = [
            offer
            for offer in offers
            if self._remembered(offer)
            and any(all(matches(self.inside, offer, c) for c in one) for one in alternatives)
        ]
        return SearchResult(collection(self.inside, found), warnings)

    def _ask_source(self) -> None:
        computer = self.inside.computer
        self.inside.sleep(computer.updates.searching_seconds)
        failing = computer.faults.strike(Fault.SEARCH_FAILS)
        if failing is not None:
            raise ComError(int(failing.get("hresult", NO_ROUTE)))
        computer.updates.cached |= set(computer.updates.offers)

    def _remembered(self, offer: Offer) -> bool:
        """True where even a search offline knows of an update."""
        known = offer.installed or offer.reboot_required or offer.downloaded
        return known or offer.update.id in self.inside.computer.updates.cached

    @net.method("GetTotalHistoryCount")
    def _history_count(self, _rt: Value) -> Value:
        must_be_allowed(self.inside)
        return len(self.inside.computer.updates.history)

    @net.method("QueryHistory")
    def _query_history(self, _rt: Value, start: Value, count: Value) -> Value:
        must_be_allowed(self.inside)
        history = self.inside.computer.updates.history
        first, number = to_int(start), to_int(count)
        if number <= 0:
            # With nothing to return the agent refuses; scripts ask for the count first.
            raise ComError(0x80240004 if history else 0x80240024)
        chosen = history[first : first + number]
        return Strings([HistoryEntry(self.inside, past) for past in chosen])

    @net.method("EscapeString")
    def _escape(self, _rt: Value, text: Value) -> Value:
        return text_of(text).replace("'", "\\'")
