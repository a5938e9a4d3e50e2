"""References to secrets. An inventory says where a secret is, never what it is."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_REFERENCE = re.compile(r"^(env|file|prefect-block):.+", re.DOTALL)


def _must_be_reference(text: str) -> str:
    if _REFERENCE.match(text):
        return text
    # The value itself must not be repeated here: it may be the secret.
    raise ValueError(
        "a secret may not stand in a file; write a reference: env:VARIABLE, "
        "file:PATH (relative to the inventory folder) or prefect-block:TYPE/NAME"
    )


CredentialReference = Annotated[str, AfterValidator(_must_be_reference)]
"""`env:VARIABLE`, `file:PATH` or `prefect-block:TYPE/NAME`."""
