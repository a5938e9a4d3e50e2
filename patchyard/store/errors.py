"""What can go wrong with the memory.

StoreError                  (a PatchyardError)
|-- StoreUnavailable        the database cannot be reached or used
|-- NotRecorded             asked for, or told about, something that is not recorded
`-- DamagedRecord           a record is there but cannot be trusted or read
StepStillOpen               (a Refused) a machine's last step has not ended
"""

from __future__ import annotations

from patchyard.errors import PatchyardError, Refused


class StoreError(PatchyardError):
    """The memory could not do what was asked."""


class StoreUnavailable(StoreError):
    """The database cannot be reached or used: down, locked, full, or of a later version."""


class NotRecorded(StoreError):
    """There is no such run, machine, plan or step."""


class DamagedRecord(StoreError):
    """A record was altered, or cannot be read by this version."""


class StepStillOpen(Refused):
    """A new step was asked for while the machine's last one has not ended."""
