"""The shape of a check: a name, its options, and how the question is asked and judged.

A check's module ends in `CHECK = Check(...)`. What is asked on the machine is a script in
`templates/checks/`, for each language that it can be asked in, and a function that judges what it
printed. A shell script is rendered with the options; a PowerShell script finds them as $Parameters.
What is asked from outside is a function that the controller calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from patchyard.domain.health import Finding
from patchyard.domain.inventory import CheckSpec, Machine
from patchyard.registry import load
from patchyard.systems.base import Language
from patchyard.templates import render
from patchyard.transcript import Section

LONGEST_DETAIL = 300
"""Characters of what a machine said that an answer repeats."""

_FIELD = re.compile(r"(?<![$%])\{([A-Za-z_]\w*)\}")


def _no_other_field(text: str) -> str:
    """Refuse what looks like a field of the machine and is none.

    Raises:
        ValueError: a word in braces is left after the machine's own values were filled in.
    """
    found = _FIELD.search(text)
    if found is not None:
        raise ValueError(
            f"holds {found[0]}, which is no field of a machine; write {{address}}, {{port}}, "
            f"{{user}} or {{name}}, or with spaces where braces are meant: {{ {found[1]} }}"
        )
    return text


Text = Annotated[str, AfterValidator(_no_other_field)]
"""Text in which {address}, {port}, {user} and {name} stand for the machine's values."""


class Options(BaseModel):
    """What every check can be told."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", coerce_numbers_to_str=True, hide_input_in_errors=True
    )

    timeout: Annotated[float, Field(strict=True)] = Field(
        10, gt=0, le=50, description="Longest time until the answer, in seconds."
    )


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of health question.

    Attributes:
        name: what an inventory says.
        options: what the question can be told.
        subject: the option that tells two questions of a kind apart in a report.
        script: the shell template below `templates/checks/` that is asked on the machine.
        powershell: the same in Windows PowerShell; its value is the section's output, as JSON.
        judge: what the output means; goes with a script. It may raise a MachineError for output
            that it cannot read.
        probe: asks from the controller. A check that can be asked both ways has an option `via`.
        own: whether it runs what the operator wrote, who alone knows how long that takes.
    """

    name: str
    options: type[Options]
    subject: str = ""
    script: str | None = None
    powershell: str | None = None
    judge: Callable[[Any, Section], Finding] | None = None
    probe: Callable[[Any, Machine], Finding] | None = None
    own: bool = False

    def __post_init__(self) -> None:
        scripts = [text for text in (self.script, self.powershell) if text]
        if bool(scripts) != (self.judge is not None):
            raise ValueError(f"check {self.name}: script and judge go together")
        if not scripts and self.probe is None:
            raise ValueError(f"check {self.name}: it can be asked in no way")
        if scripts and self.probe and "via" not in self.options.model_fields:
            raise ValueError(f"check {self.name}: two ways, and no option `via` to choose")
        if self.subject and self.subject not in self.options.model_fields:
            raise ValueError(f"check {self.name}: {self.subject} is not one of its options")

    def template(self, language: Language) -> str | None:
        """Return the template that asks in a language; None where there is none."""
        return {"sh": self.script, "ps1": self.powershell}[language]


@dataclass(frozen=True, slots=True)
class Question:
    """A check with its options, put to one machine. `label` is its own among the machine's."""

    label: str
    check: Check
    options: Options

    @property
    def on_machine(self) -> bool:
        """True where the machine itself is asked, and not from outside."""
        return self.check.probe is None or getattr(self.options, "via", "") == "machine"

    def script(self, language: Language = "sh") -> str:
        """Return the script that asks; one in PowerShell is the same for all options.

        Raises:
            ValueError: the check cannot be asked in this language.
        """
        template = self.check.template(language)
        if template is None:
            systems = {"sh": "Linux", "ps1": "Windows"}
            raise ValueError(f"{self.check.name} cannot be asked of {systems[language]}")
        return render(f"checks/{template}", **self.options.model_dump())

    def judge(self, section: Section) -> Finding:
        """Say what the machine's answer means.

        Raises:
            MachineError: it cannot be read.
        """
        assert self.check.judge is not None  # noqa: S101 - goes with script
        return self.check.judge(self.options, section)

    def probe(self, machine: Machine) -> Finding:
        """Ask from here."""
        assert self.check.probe is not None  # noqa: S101 - `on_machine` is False
        return self.check.probe(self.options, machine)


def kinds() -> Mapping[str, Check]:
    """Return every kind of check by its name."""
    return load("patchyard.checks", "CHECK", Check)


def question(spec: CheckSpec, machine: Machine) -> Question:
    """Make a question of what an inventory says, with the machine's values filled in.

    Raises:
        ValueError: there is no such kind, or its options are wrong. An inventory that was
            loaded from files has neither.
    """
    check = kinds().get(spec.kind)
    if check is None:
        raise ValueError(f"{spec.kind} is no kind of check")
    fields = check.options.model_fields.items()
    defaults = {name: field.default for name, field in fields if isinstance(field.default, str)}
    try:
        options = check.options.model_validate(_filled({**defaults, **spec.options}, machine))
    except ValidationError as error:
        raise ValueError(_wrong(error)) from error
    subject = getattr(options, check.subject, "") if check.subject else ""
    return Question(f"{check.name} {subject}".strip(), check, options)


def _filled(options: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
    return {
        key: machine.fill(value) if isinstance(value, str) else value
        for key, value in options.items()
    }


def _wrong(error: ValidationError) -> str:
    told = (": ".join([*map(str, each["loc"]), each["msg"]]) for each in error.errors())
    return "; ".join(told)


def excerpt(text: str) -> str:
    """Return what a machine said on one line, and no longer than an answer should be."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_DETAIL else f"{line[: LONGEST_DETAIL - 3]}..."
