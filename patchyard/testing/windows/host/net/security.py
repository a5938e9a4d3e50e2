"""Importing this makes the types of access control known."""

from __future__ import annotations

from patchyard.testing.windows.host import access

LOADED = (access,)
