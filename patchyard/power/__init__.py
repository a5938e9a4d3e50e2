"""Power: machines that are off are started, and put back as they were."""

from patchyard.power.base import (
    PowerFailed,
    PowerProvider,
    PowerSwitch,
    known_providers,
    open_switch,
)

__all__ = ["PowerFailed", "PowerProvider", "PowerSwitch", "known_providers", "open_switch"]
