"""The COM objects of the Windows Update Agent; importing this package makes them known."""

from __future__ import annotations

from patchyard.testing.windows.host.wua import agent, installer, searcher, session

LOADED = (agent, installer, searcher, session)
