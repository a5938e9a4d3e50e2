"""Which updates a maintenance configuration installs on Linux, and which on Windows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from patchyard.domain.masks import wrong_with
from patchyard.domain.selection import Selection
from patchyard.domain.updates import Classification
from patchyard.domain.value import Value

LinuxClass = Literal["Critical", "Security", "Other"]
WindowsClass = Literal[
    "Critical",
    "Security",
    "UpdateRollUp",
    "FeaturePack",
    "ServicePack",
    "Definition",
    "Tools",
    "Updates",
]
_SPELT = {each.value.lower(): each.value for each in Classification}


def _spelt(written: object) -> object:
    """Take a class in any case: Azure's own pages write UpdateRollup and UpdateRollUp."""
    return _SPELT.get(written.lower(), written) if isinstance(written, str) else written


def _mask(text: str) -> str:
    if wrong := wrong_with(text, versions=True):
        raise ValueError(wrong)
    return text


def _mask_without_version(text: str) -> str:
    if wrong := wrong_with(text, versions=False):
        raise ValueError(wrong)
    return text


_Include = tuple[Annotated[str, AfterValidator(_mask)], ...]
_Exclude = tuple[Annotated[str, AfterValidator(_mask_without_version)], ...]
_INCLUDE = "Also install what these masks name, such as nginx* or curl=7.88*."
_EXCLUDE = "Never install what these masks name, nor what needs it."


class _Updates(Value):
    """Which updates are installed on one kind of system."""

    include: _Include = Field((), description=_INCLUDE)
    exclude: _Exclude = Field((), description=_EXCLUDE)

    def _classes(self) -> tuple[str, ...]:
        return ()

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self._classes() and not self.include:
            raise ValueError("asks for no update; write classifications or include")
        return self

    def selection(self, *, hotpatch_only: bool = False) -> Selection:
        """Return it as the plan takes it."""
        return Selection(
            classifications=frozenset(Classification(name) for name in self._classes()),
            include=self.include,
            exclude=self.exclude,
            hotpatch_only=hotpatch_only,
        )


class LinuxUpdates(_Updates):
    """Which updates are installed on Linux machines."""

    classifications: tuple[Annotated[LinuxClass, BeforeValidator(_spelt)], ...] = Field(
        ("Critical", "Security"), description="Classes of updates."
    )

    def _classes(self) -> tuple[str, ...]:
        return self.classifications


class WindowsUpdates(_Updates):
    """Which updates are installed on Windows machines."""

    classifications: tuple[Annotated[WindowsClass, BeforeValidator(_spelt)], ...] = Field(
        ("Critical", "Security"), description="Classes of updates."
    )

    def _classes(self) -> tuple[str, ...]:
        return self.classifications
