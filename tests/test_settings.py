from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from patchyard.errors import ConfigurationError
from patchyard.settings import settings
from patchyard.systems.windows import SYSTEM

NAMES = (
    "PATCHYARD_HOME",
    "PATCHYARD_DATABASE_URL",
    "PATCHYARD_PREFECT_PORT",
    "PATCHYARD_HOTPATCH_TABLE",
)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_without_settings_all_is_kept_in_the_users_own_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    found = settings()

    assert found.home == tmp_path / ".local/share/patchyard"
    assert found.database_url.get_secret_value() == f"sqlite:///{found.home}/patchyard.db"


def test_the_database_goes_with_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATCHYARD_HOME", str(tmp_path))

    assert settings().database_url.get_secret_value() == f"sqlite:///{tmp_path}/patchyard.db"


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATCHYARD_HOME", "state")

    assert settings().home == tmp_path / "state"


def test_a_variable_that_is_empty_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = settings()
    for name in NAMES:
        monkeypatch.setenv(name, "")

    assert settings() == expected


def test_the_database_url_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://joe:hunter2@127.0.0.1/patchyard"
    monkeypatch.setenv("PATCHYARD_DATABASE_URL", url)

    found = settings()

    assert found.database_url == SecretStr(url)
    assert "hunter2" not in repr(found) + str(found) + found.model_dump_json()


def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHYARD_PREFECT_PORT", "many")

    with pytest.raises(ConfigurationError, match="PATCHYARD_PREFECT_PORT"):
        settings()


def test_a_table_of_hotpatches_of_ones_own_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text('schema: 1\nproducts: {"20348": {months: {"2026-12": {}}}}\n')
    monkeypatch.setenv("PATCHYARD_HOTPATCH_TABLE", str(own))

    assert settings().hotpatch_table == own
    transcript = SYSTEM.read('{"sections": []}', "n")
    assert transcript.reference == own.read_text()


MONTH = 'schema: 1\nproducts:\n  "20348":\n    months:\n      "2026-08":\n        lcu: '
LCU = "6: products.20348.months.2026-08.lcu"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema: 1\nproducts: {x: [}", "2"),
        (MONTH + "{kb: 5120242}", f"{LCU}.kb: write the article as KB5120242"),
        (MONTH + "{build: 20348.5440}", f"{LCU}.build: would be read as another number"),
    ],
)
def test_a_table_that_is_written_wrong_is_told_by_file_line_and_field(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str
) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(text)
    monkeypatch.setenv("PATCHYARD_HOTPATCH_TABLE", str(own))

    with pytest.raises(ConfigurationError, match=re.escape(f"{own}:{said}")):
        settings()


def test_a_table_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATCHYARD_HOTPATCH_TABLE", str(tmp_path / "none.yaml"))

    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot be read"):
        settings()
