"""Masks: shell wildcards by which an operator names packages."""

from __future__ import annotations

from fnmatch import fnmatchcase

from patchyard.domain.updates import Update


def wrong_with(mask: str, *, versions: bool) -> str:
    """Say what is wrong with a mask; empty where nothing is.

    Args:
        mask: what was written.
        versions: whether the mask may name a version.
    """
    name, equals, version = mask.partition("=")
    if any(character.isspace() or character == "," for character in mask):
        return f"{mask!r} holds a space or a comma; write each mask as an entry of its own"
    if not name or (equals and not version):
        return f"{mask!r} is no mask; write a package's name, such as openssl or nginx*"
    if equals and not versions:
        return f"{mask!r} names a version, which only an include can; write {name}"
    return ""


def matches(mask: str, update: Update) -> bool:
    """True where a mask names an update's package, whatever version it asks for.

    A mask with a colon is about name and architecture, one without about the name alone.
    """
    name = mask.partition("=")[0]
    return fnmatchcase(update.key if ":" in name else update.name, name)


def includes(mask: str, update: Update) -> bool:
    """True where a mask names an update's package and, if it asks for one, its new version."""
    version = mask.partition("=")[2]
    return matches(mask, update) and (not version or fnmatchcase(update.candidate, version))
