from __future__ import annotations

import re
from pathlib import Path

import pytest

from patchyard.domain.scope import parse
from patchyard.providers import load_inventory

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "inventory.md").read_text()
SCOPES = re.findall(r"^\| `(.+?)` \|", PAGE.partition("## Scope")[2], re.MULTILINE)


def test_the_inventory_of_the_page_loads(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "page.yaml").write_text(text)
    assert len(load_inventory(tmp_path).machines) == 2


@pytest.mark.parametrize("text", SCOPES)
def test_the_scopes_of_the_page_can_be_read(text: str) -> None:
    parse(text)


def test_the_page_shows_scopes() -> None:
    assert len(SCOPES) >= 9
