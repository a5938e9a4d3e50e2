"""Secrets: what a reference stands for, read when it is needed and never shown.

No message holds a value. A reference that is not well-formed is not shown either: it may be one.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from patchyard.domain.credential import is_reference
from patchyard.errors import ConfigurationError

_OTHERS = 0o007
"""Permissions of everyone who is neither the owner nor in the file's group."""


def resolve(reference: str, folder: Path) -> SecretStr:
    """Return the secret behind a reference.

    Args:
        reference: `env:VARIABLE`, `file:PATH` or `prefect-block:TYPE/NAME`.
        folder: the inventory's folder, which file paths are relative to.

    Raises:
        ConfigurationError: it cannot be had; the message says what is wrong, and where.
    """
    kind, rest = _split(reference)
    if kind == "env":
        return _from_environment(rest)
    if kind == "file":
        return _from_file(reference, folder)
    return _from_block(reference, rest)


def key_path(reference: str, folder: Path) -> Path | None:
    """Return the file behind a reference, or None where the secret is in no file.

    Raises:
        ConfigurationError: the file is missing, or everyone may read it.
    """
    kind, rest = _split(reference)
    if kind != "file":
        return None
    path = folder / Path(rest).expanduser()
    _must_be_private(path, reference)
    return path


def _split(reference: str) -> tuple[str, str]:
    if not is_reference(reference):
        raise ConfigurationError.of(
            "this is no reference to a secret; write env:VARIABLE, file:PATH "
            "or prefect-block:TYPE/NAME"
        )
    kind, _, rest = reference.partition(":")
    return kind, rest


def _from_environment(variable: str) -> SecretStr:
    value = os.environ.get(variable)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise ConfigurationError.of(
            f"env:{variable}: the environment variable {variable} {state} here; "
            "set it where Patchyard or its worker runs"
        )
    return SecretStr(value)


def _must_be_private(path: Path, reference: str) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError.of(
            f"{reference}: {path} cannot be read: {error.strerror}"
        ) from error
    if not path.is_file():
        raise ConfigurationError.of(f"{reference}: {path} is no file")
    if mode & _OTHERS:
        raise ConfigurationError.of(
            f"{reference}: everyone on this machine may use {path}; run: chmod 600 {path}"
        )


def _from_file(reference: str, folder: Path) -> SecretStr:
    path = key_path(reference, folder)
    assert path is not None  # noqa: S101 - the caller has looked at the kind
    text = _text(path)
    if text is None:
        raise ConfigurationError.of(f"{reference}: {path} cannot be read, or is no text in UTF-8")
    if not text.strip():
        raise ConfigurationError.of(f"{reference}: {path} is empty")
    return SecretStr(text.removesuffix("\n").removesuffix("\r"))


def _text(path: Path) -> str | None:
    # An error of decoding holds the bytes: it must not become the cause of ours.
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _from_block(reference: str, rest: str) -> SecretStr:
    block, failure = _load(rest)
    if failure:
        raise ConfigurationError.of(
            f"{reference}: the Prefect block cannot be loaded ({failure}); "
            "is it saved on the server that PREFECT_API_URL names?"
        )
    value = _value(block)
    if value is None:
        raise ConfigurationError.of(
            f"{reference}: this kind of block holds no single secret; use one of type secret"
        )
    return value


def _load(slug: str) -> tuple[Any, str]:
    """Load a block: it, or the name of what went wrong. An error of Prefect may hold values."""
    try:
        # Found by name and only now: the library works, and starts quickly, without Prefect.
        core = import_module("prefect.blocks.core")
        import_module("prefect.blocks.system")
        return core.Block.load(slug, _sync=True), ""
    except Exception as error:  # noqa: BLE001 - whatever a server or a block type raises
        return None, type(error).__name__


def _value(block: Any) -> SecretStr | None:
    """Return the value of a block of type secret, or the only secret that another one has."""
    value = block.get() if block.get_block_type_slug() == "secret" else None
    if value is None:
        fields = (getattr(block, name) for name in type(block).model_fields)
        found = [field for field in fields if isinstance(field, SecretStr)]
        value = found[0] if len(found) == 1 else None
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    return SecretStr(value) if isinstance(value, str) else None
