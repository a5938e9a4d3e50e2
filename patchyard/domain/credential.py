"""References to secrets. An inventory says where a secret is, never what it is."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_REFERENCE = re.compile(
    r"env:[A-Za-z_][A-Za-z0-9_]*"
    r"|file:[^\s\0][^\r\n\0]*"
    r"|prefect-block:[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+"
)


def is_reference(text: str) -> bool:
    """Say whether a text is a well-formed reference, and so no secret itself."""
    return _REFERENCE.fullmatch(text) is not None


def _must_be_reference(written: object) -> object:
    if isinstance(written, str) and is_reference(written):
        return written
    # The value itself must not be repeated here: it may be the secret.
    raise ValueError(
        "a secret may not stand in a file; write a reference: env:VARIABLE, "
        "file:PATH (relative to the inventory folder) or prefect-block:TYPE/NAME"
    )


CredentialReference = Annotated[
    str,
    BeforeValidator(_must_be_reference),
    Field(json_schema_extra={"pattern": r"^(env|file|prefect-block):.+"}),
]
"""`env:VARIABLE`, `file:PATH` or `prefect-block:TYPE/NAME`."""
