"""apt, the package manager of Debian and Ubuntu: what its tools say, parsed."""

from __future__ import annotations

from patchyard.managers.apt.assessment import parse_assessment
from patchyard.managers.apt.restore_point import parse_restore_point
from patchyard.managers.apt.transaction import parse_transaction
from patchyard.managers.base import PackageManager

MANAGER = PackageManager(
    name="apt",
    os_families=frozenset({"debian"}),
    parse_assessment=parse_assessment,
    parse_transaction=parse_transaction,
    parse_restore_point=parse_restore_point,
)
