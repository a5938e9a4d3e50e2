"""What the operator's table of advisories tells of machines, where there is one.

Assessments are kept as the machines were seen, without it: those of long ago are judged by the
table of now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from patchyard._advisory_tables import advisory_table
from patchyard.domain.updates import Assessment
from patchyard.managers.apt.advisories import Table, told, told_all
from patchyard.settings import settings

_MANAGER = "apt"
"""The one whose tools tell no advisories."""


def ready(fixes: Collection[str]) -> None:
    """Read the table before anything begins that is to judge by it.

    Raises:
        ConfigurationError: it cannot be used; the place is named.
    """
    if fixes:
        _table()


def advised(seen: Mapping[str, Assessment], fixes: Collection[str]) -> dict[str, Assessment]:
    """Add to assessments what the table tells of the ids that are to be fixed.

    Raises:
        ConfigurationError: the table cannot be used; the place is named.
    """
    return _each(seen, lambda one, table: told(one, table, fixes)) if fixes else dict(seen)


def fully_advised(seen: Mapping[str, Assessment]) -> dict[str, Assessment]:
    """Add to assessments every id that an update fixes.

    Raises:
        ConfigurationError: the table cannot be used; the place is named.
    """
    return _each(seen, told_all)


def _each(
    seen: Mapping[str, Assessment], tell: Callable[[Assessment, Table], Assessment]
) -> dict[str, Assessment]:
    table = _table() if seen else None
    if table is None:
        return dict(seen)
    return {
        name: tell(one, table) if one.manager == _MANAGER else one for name, one in seen.items()
    }


def _table() -> Table | None:
    file = settings().advisories
    return None if file is None else advisory_table(file)
