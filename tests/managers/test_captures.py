from pathlib import Path

import pytest

from patchyard.errors import ScriptFailed
from patchyard.transcript import Section, Transcript
from tests.managers.captures import (
    as_json,
    captures,
    managers,
    read,
    reader,
    transcript_of,
    verb_of,
)

VERBS = {"assess", "download", "install", "repair", "restore_point", "undo"}


@pytest.mark.parametrize("capture", captures(), ids=lambda path: path.stem)
def test_every_capture_is_read_as_its_json_says(capture: Path) -> None:
    assert as_json(read(capture)) == capture.with_suffix(".json").read_text()


@pytest.mark.parametrize("name", managers())
def test_every_manager_has_a_capture_of_every_verb(name: str) -> None:
    seen = {verb_of(path) for path in captures() if path.parent.name == name}

    assert seen >= VERBS


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize("name", managers())
def test_failed_and_silent_tools_are_an_error_and_never_an_empty_answer(
    name: str, verb: str
) -> None:
    whole = next(p for p in captures() if p.parent.name == name and verb_of(p) == verb)
    answers = transcript_of(whole)
    failed = {n: Section(n, "", "", 1) for n in answers.sections}
    if verb == "assess":
        failed["clock"] = answers["clock"]
    read_verb = reader(managers()[name], verb)

    with pytest.raises(ScriptFailed):
        read_verb(Transcript(failed))
