"""Wording: what pydantic finds wrong, in plain sentences that say what to write instead.

No sentence repeats a value: it may be a secret that was written in a wrong place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from patchyard.domain.spelling import suggestion

Path = tuple[str | int, ...]

_SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "int_type": "must be a whole number, written plainly and without quotes, such as 22",
    "int_parsing": "must be a whole number, such as 22",
    "int_from_float": "must be a whole number, such as 22",
    "float_type": "must be a number, written plainly and without quotes, such as 1.5",
    "float_parsing": "must be a number, such as 1.5",
    "bool_type": "must be true or false, without quotes",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "dict_type": "must be a mapping: lines of `key: value`, indented below it",
    "model_type": "must be a mapping: lines of `key: value`, indented below it",
    "model_attributes_type": "must be a mapping: lines of `key: value`, indented below it",
    "tuple_type": "must be a list: lines that begin with a dash, indented below it",
    "list_type": "must be a list: lines that begin with a dash, indented below it",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "holds characters that may not stand there",
}


def sentences(
    error: ValidationError, model: type[BaseModel], *, written: Callable[[Path], bool]
) -> Iterator[tuple[Path, str]]:
    """Tell each field that is wrong, once.

    Args:
        error: what pydantic raised.
        model: what was validated.
        written: says whether something is written under a path.
    """
    told: dict[Path, dict[str, None]] = {}
    for details in error.errors(include_url=False, include_input=True):
        path = _written_part(details, written)
        told.setdefault(path, {})[_sentence(details, path, model)] = None
    for path, said in told.items():
        yield path, _joined(tuple(said))


def _written_part(details: ErrorDetails, written: Callable[[Path], bool]) -> Path:
    """Leave out what pydantic adds to a path, such as the members of a union."""
    path = tuple(details["loc"])
    end = len(path) - 1 if details["type"] == "missing" else len(path)
    while end and not written(path[:end]):
        end -= 1
    return path if details["type"] == "missing" and end == len(path) - 1 else path[:end]


def _sentence(details: ErrorDetails, path: Path, model: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return f"is not known here; {_instead(str(path[-1]), _fields_at(model, path[:-1]))}"
    if kind in {"value_error", "assertion_error"}:
        return str(context.get("error", "is not valid"))
    if details["input"] is None and kind != "missing":
        return "is empty; write a value, or leave the line out"
    if kind in {"enum", "literal_error"}:
        return _choice(details["input"], str(context["expected"]))
    if kind == "string_type" and isinstance(details["input"], bool):
        return "must be text; put the word in quotes"
    limits = {name: f"{v:g}" if isinstance(v, float) else v for name, v in context.items()}
    return _SENTENCES.get(kind, f"is not valid ({kind})").format(**limits)


def _choice(given: object, expected: str) -> str:
    """Name the possible values, the nearest one first asked for."""
    words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    said = suggestion(str(given), words)
    choices = f"must be one of {', '.join(words)}"
    return f"{choices}; {said}" if said.startswith("did you") else choices


def _joined(said: tuple[str, ...]) -> str:
    """Join what the members of a union said into one sentence."""
    first, *others = said
    if not others:
        return first
    short = (each.removeprefix("must be ").split(",")[0].split(":")[0] for each in said)
    return f"must be {' or '.join(short)}"


def _instead(key: str, fields: Mapping[str, Any]) -> str:
    """Say where an unknown key belongs, or which known one is near."""
    for name, annotation in fields.items():
        inner = _model_of(annotation)
        if inner is not None and key in inner.model_fields:
            return f"write it below {name}"
    return suggestion(key, fields)


def _fields_at(annotation: Any, path: Path) -> Mapping[str, Any]:
    """Return the fields, with their types, of the model that a path leads to."""
    for step in path:
        annotation = _inner(_model_of(annotation), annotation, step)
    found = _model_of(annotation)
    fields = found.model_fields if found else {}
    return {name: field.annotation for name, field in fields.items()}


def _inner(model: type[BaseModel] | None, annotation: Any, step: str | int) -> Any:
    if model is not None:
        field = model.model_fields.get(str(step))
        return field.annotation if field else None
    arguments = [a for a in get_args(_bare(annotation)) if a is not Ellipsis]
    return arguments[-1] if arguments else None


def _bare(annotation: Any) -> Any:
    """Take Annotated and Optional away."""
    while get_origin(annotation) in {Annotated, Union, UnionType}:
        annotation = next((a for a in get_args(annotation) if a is not type(None)), None)
    return annotation


def _model_of(annotation: Any) -> type[BaseModel] | None:
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None
