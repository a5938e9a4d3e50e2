"""An interpreter for the part of Windows PowerShell 5.1 that Patchyard's templates use.

It runs the shipped text itself. What is outside of that part raises `NotSimulated` with the
construct and its line; nothing is guessed. docs/powershell-subset.md tells what is known.
"""

from __future__ import annotations

from patchyard.testing.windows.powershell.engine import Ran, run
from patchyard.testing.windows.powershell.statements import parse

__all__ = ["Ran", "parse", "run"]
