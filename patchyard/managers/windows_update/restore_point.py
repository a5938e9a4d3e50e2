"""The restore point: which of the coming updates can go back, and by which way."""

from __future__ import annotations

from patchyard.domain.restore import Kept, RestorePoint
from patchyard.domain.value import Known
from patchyard.managers.windows_update.baselines import Table, of_text
from patchyard.managers.windows_update.categories import kind_of
from patchyard.managers.windows_update.facts import Facts, rows_of, value_of, word
from patchyard.managers.windows_update.hotpatch import recognise
from patchyard.managers.windows_update.ways import way_back
from patchyard.transcript import Transcript

BETWEEN = "|"
"""What stands between the masks of packages in `file`; no name of a package has it."""


def parse_restore_point(transcript: Transcript) -> RestorePoint:
    """Read the answers of the script `restore_point`.

    Nothing is kept on the machine but the list of its packages: the way back is to remove what
    came. `version` is the revision that comes, `file` the masks of the packages it brings.

    Raises:
        ScriptFailed: the folder or the list of packages could not be written.
        MalformedOutput: an answer is missing or cannot be read.
    """
    folder = word(value_of(transcript["folder"]))
    value_of(transcript["packages"])
    rows = rows_of(transcript["coming"])
    table = of_text(transcript.reference)
    return RestorePoint(folder=folder, kept=tuple(_kept(row, table) for row in rows))


def _kept(row: Facts, table: Table) -> Kept:
    key, version = word(row.get("key")), word(row.get("version"))
    if not row.get("found"):
        problem = "it is not offered any more, so what it brings is not known"
        return Kept(key=key, version=version, problem=problem)
    kind = kind_of(row, recognise(row, table, Known.UNKNOWN))
    way = way_back(kind)
    if way.problem:
        return Kept(key=key, version=version, problem=way.problem)
    masks = BETWEEN.join(way.packages).format(kb=key.partition(":")[0])
    return Kept(key=key, version=version, file=masks, method=way.method)
