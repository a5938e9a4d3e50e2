"""Transports: how a script gets to a machine and its output back."""

from patchyard.transports.base import (
    Completed,
    Parameters,
    Transport,
    TransportSpec,
    open_transport,
)

__all__ = ["Completed", "Parameters", "Transport", "TransportSpec", "open_transport"]
