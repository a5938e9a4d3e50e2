"""What an update is: its class by CategoryID, and its kind, which decides how it goes back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from patchyard.domain.updates import Classification
from patchyard.managers.windows_update.facts import Facts, as_list, number, word

CLASSES: Mapping[str, Classification] = MappingProxyType(
    {
        "e6cf1350-c01b-414d-a61f-263d14d133b4": Classification.CRITICAL,
        "0fa1201d-4330-4fa8-8ae9-b877473b6441": Classification.SECURITY,
        "28bc880e-0592-4cbf-8f95-c79b17911d5f": Classification.UPDATE_ROLL_UP,
        "b54e7d24-7add-428f-8b75-90a396fa584f": Classification.FEATURE_PACK,
        "68c5b0a3-d1a6-4553-ae49-01d3a7827828": Classification.SERVICE_PACK,
        "e0789628-ce08-4437-be74-2495b842f43b": Classification.DEFINITION,
        "b4832bd8-e735-4761-8daf-37f882276dab": Classification.TOOLS,
        "cd5ffd1e-e932-4e3a-bf74-18bf0b1bbd83": Classification.UPDATES,
    }
)
"""Classes by CategoryID, most telling first (WSUS Classification GUIDs). Names are localised."""

UPGRADES = "3689bdc8-b205-4af4-8d4a-a63924c5e9d5"
DRIVERS = "ebfc1fc5-71a4-4f7b-9aca-3b9a503104a0"

DRIVER_TYPE = 2
"""UpdateType of a driver (wuapi.h)."""

UNSPECIFIED = "Unspecified"
"""The severity of what has none: usual for rollups, .NET and definitions. It is not Low."""


class Kind(StrEnum):
    """What an update is made of, and so how it goes back (windows.md 1.6)."""

    CUMULATIVE = "cumulative update"
    HOTPATCH = "hotpatch"
    DOTNET = "cumulative update for .NET"
    SERVICING_STACK = "servicing stack"
    DEFINITIONS = "definitions"
    REMOVAL_TOOL = "removal tool"
    DRIVER = "driver"
    UPGRADE = "upgrade"
    STANDALONE = "standalone update"
    OTHER = "other product"


_DEFENDER = "KB2267602"
_REMOVAL_TOOL = "KB890830"

_TITLES: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"\bservicing stack\b", re.IGNORECASE), Kind.SERVICING_STACK),
    (re.compile(r"\.NET Framework\b", re.IGNORECASE), Kind.DOTNET),
    (re.compile(r"\bcumulative update\b", re.IGNORECASE), Kind.CUMULATIVE),
)
"""Titles are localised but for a few terms: the package on the machine has the last word."""

_OTHER_PRODUCTS = re.compile(
    r"\b(SQL Server|Exchange|SharePoint|Office|Visual (?:Studio|C\+\+)|Edge|PowerShell)\b"
    r"|\.NET (?!Framework)"
)
"""What brings an installer of its own, which CBS knows nothing of."""


def category_ids(update: Facts) -> list[str]:
    """Return the CategoryIDs of an update, in lower case."""
    found = (entry for entry in as_list(update.get("categories")) if isinstance(entry, dict))
    return [word(entry.get("id")).lower() for entry in found]


def classification(update: Facts) -> Classification | None:
    """Return the class of an update; None where no known category says one."""
    ids = set(category_ids(update))
    return next((found for identity, found in CLASSES.items() if identity in ids), None)


_ARTICLE = re.compile(r"\bKB(\d{5,8})\b")


def kbs(update: Facts) -> list[str]:
    """Return the numbers of an update's articles, such as `KB5120242`. One can cover several.

    The history has no field for them: there they are in the title.
    """
    given = update.get("kbs", _ARTICLE.findall(word(update.get("title"))))
    digits = (word(kb).upper().removeprefix("KB") for kb in as_list(given))
    return [f"KB{kb}" for kb in digits if kb]


def severity(update: Facts) -> str:
    """Return the severity that Microsoft gave; an empty one is none, not a low one."""
    return word(update.get("severity")) or UNSPECIFIED


def is_security(update: Facts) -> bool:
    """True where its category is Security Updates or Critical Updates."""
    return classification(update) in {Classification.SECURITY, Classification.CRITICAL}


def kind_of(update: Facts, hotpatch: str | None = "") -> Kind:
    """Say what an update is; `hotpatch` is the rule by which it was recognised as one."""
    ids, articles = category_ids(update), kbs(update)
    definitions = classification(update) == Classification.DEFINITION or _DEFENDER in articles
    told = {
        Kind.DRIVER: number(update.get("type")) == DRIVER_TYPE or DRIVERS in ids,
        Kind.UPGRADE: UPGRADES in ids,
        Kind.DEFINITIONS: definitions,
        Kind.REMOVAL_TOOL: _REMOVAL_TOOL in articles,
        Kind.HOTPATCH: bool(hotpatch),
    }
    return next((kind for kind, so in told.items() if so), None) or _by_title(update)


def _by_title(update: Facts) -> Kind:
    title = word(update.get("title"))
    if _OTHER_PRODUCTS.search(title):
        return Kind.OTHER
    named = next((kind for pattern, kind in _TITLES if pattern.search(title)), None)
    return named or (Kind.STANDALONE if kbs(update) else Kind.OTHER)


def name_of(update: Facts) -> str:
    """Return the name of an update: its article, or its title made short and plain."""
    return next(iter(kbs(update)), "") or _slug(word(update.get("title")))


def _slug(title: str) -> str:
    words: Iterable[str] = re.findall(r"[a-z0-9]+(?:\.[0-9]+)*", title.lower())
    return "-".join(words)[:60].strip("-.") or "untitled"
