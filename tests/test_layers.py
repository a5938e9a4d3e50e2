"""The layers hold: imports look down only, and the rules know nothing of the world."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("flows", "tasks", "patchyard")
PURE = ("patchyard/domain", "patchyard/managers")
FORBIDDEN_IN_PURE = {
    "prefect",
    "paramiko",
    "winrm",
    "subprocess",
    "socket",
    "os",
    "logging",
    "jinja2",
    "time",
    "random",
    "sqlalchemy",
    "io",
    "pathlib",
    "importlib",
    "pkgutil",
    "shutil",
    "tempfile",
    "glob",
    "urllib",
    "http",
    "ssl",
    "requests",
    "threading",
    "asyncio",
    "patchyard.settings",
    "patchyard.systems",
    "patchyard.transports",
    "patchyard.store",
}
"""What reaches out of the program: modules of others, and our own that do so."""

REACHING = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "joinpath"}
"""Calls that read or write a file, however what they are called on was come by."""
CLOCKS = {"now", "utcnow", "today"}


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_look_down_only(layer: str) -> None:
    above = LAYERS[: LAYERS.index(layer)]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _files(layer)
        for name in _imports(path)
        if name.split(".")[0] in above
    ]
    assert wrong == []


def test_the_library_imports_prefect_nowhere_but_where_a_block_is_read() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in _files("patchyard")
        for name in _imports(path)
        if name.split(".")[0] == "prefect"
    }
    assert users <= {"patchyard/secrets.py"}


@pytest.mark.parametrize("folder", PURE)
def test_the_rules_do_no_input_or_output(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _files(folder)
        for name in _imports(path)
        if any(f"{name}.".startswith(f"{forbidden}.") for forbidden in FORBIDDEN_IN_PURE)
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", PURE)
def test_the_rules_read_no_file(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} calls {called}"
        for path in _files(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (called := getattr(node.func, "attr", getattr(node.func, "id", ""))) in REACHING
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", PURE)
def test_the_rules_read_no_clock(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _files(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"datetime", "date"}
    ]
    assert wrong == []


def test_the_domain_knows_only_itself_and_the_errors() -> None:
    allowed = ("patchyard.domain", "patchyard.errors")
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _files("patchyard/domain")
        for name in _imports(path)
        if name.startswith("patchyard") and not name.startswith(allowed)
    ]
    assert wrong == []


def test_flows_tasks_and_library_come_from_one_root() -> None:
    """Somebody else's `tasks` on the path would be run instead of ours."""
    roots = {
        Path(str(importlib.import_module(name).__file__)).resolve().parents[1]
        for name in (*LAYERS, "templates")
    }
    assert roots == {ROOT}
