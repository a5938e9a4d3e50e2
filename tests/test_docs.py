"""The pages lead somewhere, and the repository names no host, no address and no machine's path."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
ADDRESS = re.compile(r"(?<![\d.v-])(?:\d{1,3}\.){3}\d{1,3}(?![\d.+~-])")
# What a release says of its own home page, in a capture, is no mirror of packages.
HOSTS = re.compile(
    r"(?<!www\.)(?<!bugs\.)(?<!wiki\.)\b(?:debian|ubuntu|pypi|pythonhosted|npmjs)\.(?:org|com)\b"
)
HOME = re.compile(r"/root/\.|/home/(?!patchyard|operator)\w+/|/work/")
ALLOWED_ADDRESS = re.compile(r"^(?:127\.|0\.0\.0\.0$|255\.)")
VERSIONS = {".lock", ".out", ".tsv"}
"""Here four numbers with dots between them are versions of packages."""
NUMBERED = re.compile(r"MS-[A-Z]+ [\d.]+|[Vv]ersion\W{1,4}[\d.]+")
"""A section of a specification, or a version: four numbers that are no address."""
TEXT = {".py", ".md", ".yaml", ".toml", ".j2", ".sh", ".json", ".lock", ".out", ".tsv", ""}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    missing = [
        target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()
    ]
    assert missing == []


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        return [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_names_a_registry_an_address_or_a_machines_path() -> None:
    found = []
    for path in _tracked():
        if path.suffix not in TEXT or path == Path(__file__) or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            data = path.suffix in VERSIONS or "fixtures" in path.parts
            addresses = [] if data else ADDRESS.findall(NUMBERED.sub("", line))
            strange = [a for a in addresses if not ALLOWED_ADDRESS.match(a)]
            if strange or HOSTS.search(line) or HOME.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []
