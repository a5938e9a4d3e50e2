"""A file system has room left."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from patchyard.checks.base import Check, Options, Text
from patchyard.domain.health import Finding, failed, passed
from patchyard.errors import MalformedOutput
from patchyard.transcript import Section


class Disk(Options):
    """Options of the check `disk`."""

    path: Text = Field("/", pattern=r"^/", description="A path on the file system, in full.")
    min_free_percent: Annotated[float, Field(strict=True)] | None = Field(
        None, ge=0, le=100, description="Share that should be free, in percent."
    )
    min_free_mb: Annotated[int, Field(strict=True)] | None = Field(
        None, ge=0, description="Space that should be free, in MiB."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Disk:
        if self.min_free_percent is None and self.min_free_mb is None:
            raise ValueError("write how much should be free: min_free_percent or min_free_mb")
        return self


def judge(options: Disk, section: Section) -> Finding:
    """Compare the free space with what should be free.

    Raises:
        ScriptFailed: there is no such path, or it could not be asked.
        MalformedOutput: the machine tells no numbers.
    """
    used, free = _blocks(section.require())
    percent = 100 * free / (used + free) if used + free else 0.0
    mb = free // 1024
    detail = f"{mb} MiB free, {percent:.1f} %"
    if options.min_free_percent is not None and percent < options.min_free_percent:
        return failed(f"{detail}; {options.min_free_percent:g} % should be")
    if options.min_free_mb is not None and mb < options.min_free_mb:
        return failed(f"{detail}; {options.min_free_mb} MiB should be")
    return passed(detail)


def _blocks(text: str) -> tuple[int, int]:
    """Read the last line of `df -Pk`: used and available, in KiB."""
    lines = [line for line in text.splitlines() if line.strip()]
    # A device may have spaces in its name, so the columns are found from the percent sign.
    words = lines[-1].split() if lines else []
    at = next((i for i, word in enumerate(words) if i > 2 and word.endswith("%")), 0)  # noqa: PLR2004
    if not at or not words[at - 1].isdigit() or not words[at - 2].isdigit():
        raise MalformedOutput(f"df tells no numbers: {text.strip()[-80:]!r}")
    return int(words[at - 2]), int(words[at - 1])


CHECK = Check(name="disk", options=Disk, subject="path", script="disk.sh.j2", judge=judge)
