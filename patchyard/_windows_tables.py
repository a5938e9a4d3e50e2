"""The table of baselines and hotpatches: the operator's own, or the one that comes with us.

The managers are pure and read no file: what they judge against is handed to them as text.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from patchyard.errors import ConfigurationError, Problem
from patchyard.managers.windows_update.baselines import parse

SHIPPED = files("patchyard.managers.windows_update").joinpath("data/hotpatch.yaml")


@cache
def hotpatch_table(own: Path | None = None) -> str:
    """Return the text of the table, good to be read. A process reads a file once.

    Raises:
        ConfigurationError: it cannot be used; every place is named by file, line and field.
    """
    if own is None:
        return SHIPPED.read_text(encoding="utf-8")
    try:
        text = own.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([Problem(f"cannot be read: {error.strerror}", str(own))]) from None
    except UnicodeDecodeError:
        problem = Problem("is no text in UTF-8; save it as UTF-8", str(own))
        raise ConfigurationError([problem]) from None
    parse(text, str(own))
    return text
