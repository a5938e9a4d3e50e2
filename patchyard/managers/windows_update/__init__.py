"""Windows Update: what the agent, DISM and the registry say, parsed.

The scripts collect facts or do single acts; every decision, table and comparison is made here.
"""

from __future__ import annotations

from patchyard.managers.base import PackageManager
from patchyard.managers.windows_update.assessment import parse_assessment
from patchyard.managers.windows_update.restore_point import parse_restore_point
from patchyard.managers.windows_update.transaction import parse_transaction

MANAGER = PackageManager(
    name="windows_update",
    os_families=frozenset({"windows"}),
    parse_assessment=parse_assessment,
    parse_transaction=parse_transaction,
    parse_restore_point=parse_restore_point,
)
