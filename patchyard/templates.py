"""Templates: what is sent to machines, and what is shown to people.

In a shell template every value goes through the filter `sh`, which quotes it for a POSIX shell.
A name that was not given is an error, not an empty string.
"""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

ROOT = Path(__file__).resolve().parents[1] / "templates"


def _quote(value: object) -> str:
    return shlex.quote(str(value))


@cache
def environment() -> Environment:
    """Return the one Jinja environment. HTML is escaped, shell is quoted by `sh`."""
    made = Environment(
        loader=FileSystemLoader(ROOT),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html", "html.j2"), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # A template is read once: a run asks for the same few of them thousands of times.
        auto_reload=False,
    )
    made.filters["sh"] = _quote
    return made


def render(name: str, /, **values: object) -> str:
    """Render `templates/<name>`.

    Raises:
        jinja2.TemplateNotFound: there is no such template.
        jinja2.UndefinedError: the template asks for a value that was not given.
    """
    return environment().get_template(name).render(**values)
