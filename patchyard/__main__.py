"""`python -m patchyard`: the command line."""

from __future__ import annotations

import sys

from patchyard.cli import main

sys.exit(main())
