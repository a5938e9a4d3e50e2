from __future__ import annotations

import gc
import gzip
import lzma
import os
import re
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from patchyard._advisory_tables import advisory_table
from patchyard.advised import ready
from patchyard.errors import ConfigurationError
from patchyard.managers.apt.advisories import told, told_all
from patchyard.settings import settings
from patchyard.systems.windows import SYSTEM
from patchyard.testing.assessments import assessment

NAMES = (
    "PATCHYARD_HOME",
    "PATCHYARD_DATABASE_URL",
    "PATCHYARD_PREFECT_PORT",
    "PATCHYARD_HOTPATCH_TABLE",
    "PATCHYARD_ADVISORIES",
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


OWN = "- {ids: [CVE-2026-7], release: bookworm, source: openssl, fixed: '2'}\n"
RESOLVED = '{"status": "resolved", "fixed_version": "2"}'
TRACKER = f' {{"openssl": {{"CVE-2026-7": {{"releases": {{"bookworm": {RESOLVED}}}}}}}}}'


@pytest.mark.parametrize("text", [OWN, TRACKER])
@pytest.mark.parametrize("packed", [bytes, gzip.compress, lzma.compress])
def test_a_table_of_advisories_is_taken_in_both_forms_and_packed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, packed: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "advisories"
    file.write_bytes(packed(text.encode()))
    monkeypatch.setenv("PATCHYARD_ADVISORIES", str(file))

    assert settings().advisories == file
    table = advisory_table(file)
    assert table.ruling("openssl", "bookworm", "CVE-2026-7") == "2"
    assert bool(table.covered) is (text == TRACKER)


def test_a_table_of_advisories_is_read_once_and_anew_where_it_was_refreshed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "advisories.yaml"
    file.write_text(OWN)
    before = advisory_table(file)
    assert advisory_table(file) is before
    seen = assessment(updates=())
    assert told_all(told(seen, before, ["CVE-2026-7"]), before) == seen

    file.write_text(OWN.replace("'2'", "'3'"))
    os.utime(file, (1, 1))

    assert advisory_table(file).ruling("openssl", "bookworm", "CVE-2026-7") == "3"
    # The old one may be large: nothing holds on to it.
    gone = weakref.ref(before)
    del before
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: b", "1: write a list"),
        (OWN.replace("'2'", "2").encode(), "1: 0.fixed: write the first version with the fix in"),
        (b"\xff\xfe", " is no text in UTF-8"),
        (gzip.compress(OWN.encode(), mtime=0)[:-9], " cannot be read: "),
        (lzma.compress(OWN.encode())[:-9], " cannot be read: "),
    ],
)
def test_a_table_of_advisories_that_cannot_be_used_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "mine"
    file.write_bytes(content)
    monkeypatch.setenv("PATCHYARD_ADVISORIES", str(file))

    with pytest.raises(ConfigurationError, match=re.escape(f"{file}:{said}")):
        settings()


def test_a_table_of_advisories_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATCHYARD_ADVISORIES", str(tmp_path / "none.json"))

    with pytest.raises(ConfigurationError, match=r"none\.json: cannot be read: No such file"):
        settings()


def test_what_the_tracker_publishes_is_read_when_it_is_needed_and_not_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "tracker.json"
    file.write_text(TRACKER[:-1])
    monkeypatch.setenv("PATCHYARD_ADVISORIES", str(file))

    assert settings().advisories == file
    ready([])
    with pytest.raises(ConfigurationError, match=r"tracker\.json:1: is no valid JSON"):
        ready(["CVE-2026-7"])
