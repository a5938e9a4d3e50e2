"""Updates as data: their shape is that of real ones, their numbers are of one real month.

Baselines and hotpatches have no numbers of their own here: an entry with `month` and `release`
gets its article and its build from the table that comes with the package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from patchyard._windows_tables import hotpatch_table
from patchyard.managers.windows_update.baselines import Month, Release, parse

FILE = Path(__file__).with_name("catalogue.json")
Kind = Literal["lcu", "hotpatch", "dotnet", "definition", "ssu", "plain", "driver"]
EULA = "MICROSOFT SOFTWARE LICENSE TERMS ..."


@dataclass(frozen=True)
class Update:
    """One update that can be offered.

    `minutes` is how long its installation takes, `reboot_minutes` how much longer the reboot
    after it does. `impact` 2 asks to be installed alone; `type` 2 is a driver.
    """

    key: str
    id: str
    revision: int
    kb: str
    title: str
    classification: str
    product: str
    severity: str
    kind: Kind
    build: str
    os: str
    size: int
    reboot: bool
    reboot_behavior: int
    minutes: float
    released: str
    servicing: str = ""
    reboot_minutes: float = 0
    impact: int = 0
    eula: bool = False
    type: int = 1
    browse_only: bool = False
    can_request_input: bool = False
    needs_network: bool = False
    supersedes: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, int]:
        """What it is found by."""
        return self.id, self.revision

    @property
    def package(self) -> str:
        """The name of its package in the component store; empty where it has none."""
        token = "31bf3856ad364e35~amd64~~"  # noqa: S105 - the public key of Microsoft's packages
        names = {
            "lcu": f"Package_for_RollupFix~{token}{self.build}.1.4",
            "hotpatch": f"Package_for_HotpatchRollupFix~{token}{self.build}.1.2",
            "dotnet": f"Package_for_DotNetRollup_481~{token}{self.build}",
            "ssu": f"Package_for_ServicingStack_{self.build.rpartition('.')[2]}~{token}"
            f"{self.build}.1.0",
            "plain": "",
        }
        return names.get(self.kind, "")

    @property
    def servicing_package(self) -> str:
        """The name of the servicing stack inside a combined update."""
        if not self.servicing:
            return ""
        stack = self.servicing.rpartition(".")[2]
        return f"Package_for_ServicingStack_{stack}~31bf3856ad364e35~amd64~~{self.servicing}.1.0"


@cache
def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


@cache
def known() -> dict[str, Update]:
    """Return all updates of the catalogue by their key."""
    return {entry["key"]: update_of(_numbered(entry)) for entry in _document()["updates"]}


def released(product: str, month: str, release: str) -> Release:
    """Return what the table has of one month, or nothing: `release` is lcu or hotpatch."""
    months = parse(hotpatch_table()).months(product)
    found = next((m for m in months if m.name == month), Month(month))
    return found.hotpatch if release == "hotpatch" else found.lcu


def _numbered(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with its article and its build, from the table where it names a month."""
    if "month" not in entry:
        return entry
    found = released(entry["os"], entry["month"], entry["release"])
    title = entry["title"].format(month=entry["month"], kb=found.kb)
    return {**entry, "kb": found.kb.removeprefix("KB"), "build": found.build, "title": title}


def update_of(entry: dict[str, Any]) -> Update:
    """Return an update from its entry in a file."""
    names = {field.name for field in fields(Update)}
    given = {name: value for name, value in entry.items() if name in names}
    lists = {name: tuple(given.get(name, ())) for name in ("supersedes", "cves")}
    return Update(**{**given, **lists})


def category_id(name: str) -> str:
    """Return the id of a classification or a product."""
    found: str = _document()["categories"][name]
    return found


LCU_2022 = known()["LCU_2022"]
LCU_2022_JULY = known()["LCU_2022_JULY"]
HOTPATCH_2022 = known()["HOTPATCH_2022"]
LCU_2025 = known()["LCU_2025"]
HOTPATCH_2025 = known()["HOTPATCH_2025"]
DOTNET = known()["DOTNET"]
DEFENDER = known()["DEFENDER"]
SSU = known()["SSU"]
MSRT = known()["MSRT"]
PREVIEW = known()["PREVIEW"]
DRIVER = known()["DRIVER"]
