from __future__ import annotations

from pathlib import Path

import pytest

from patchyard.errors import ConfigurationError
from patchyard.secrets import key_path, resolve


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_secret_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("YARD_SECRET", "hunter2")
    secret = resolve("env:YARD_SECRET", tmp_path)
    assert secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(secret) + str(secret)


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str | None
) -> None:
    monkeypatch.delenv("YARD_SECRET", raising=False)
    if value is not None:
        monkeypatch.setenv("YARD_SECRET", value)
    with pytest.raises(ConfigurationError, match="environment variable YARD_SECRET is"):
        resolve("env:YARD_SECRET", tmp_path)


def test_a_secret_comes_from_a_file_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    path = private(tmp_path / "keys" / "password", " two words \n")
    assert resolve("file:keys/password", tmp_path).get_secret_value() == " two words "
    assert resolve(f"file:{path}", Path("/nowhere")).get_secret_value() == " two words "
    assert key_path("file:keys/password", tmp_path) == path


def test_a_key_keeps_its_lines(tmp_path: Path) -> None:
    private(tmp_path / "key", "-----BEGIN-----\nabc\n-----END-----\n")
    text = resolve("file:key", tmp_path).get_secret_value()
    assert text == "-----BEGIN-----\nabc\n-----END-----"


def test_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    private(tmp_path / "key", "x")
    assert key_path("file:~/key", Path("/nowhere")) == tmp_path / "key"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o666])
@pytest.mark.parametrize("ask", [resolve, key_path])
def test_a_file_that_everyone_may_use_is_refused(tmp_path: Path, mode: int, ask: object) -> None:
    path = private(tmp_path / "key", "hunter2")
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}") as caught:
        ask("file:key", tmp_path)  # type: ignore[operator]  # both take the same
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_missing_empty_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"file:nothing: .*No such file"):
        resolve("file:nothing", tmp_path)
    private(tmp_path / "empty", "\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        resolve("file:empty", tmp_path)
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="is no file"):
        resolve("file:folder", tmp_path)


def test_bytes_that_are_no_text_stay_out_of_the_error(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"hunter2\xff")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="no text in UTF-8") as caught:
        resolve("file:key", tmp_path)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_other_references_have_no_file(tmp_path: Path) -> None:
    assert key_path("env:KEY", tmp_path) is None
    assert key_path("prefect-block:secret/key", tmp_path) is None


@pytest.mark.parametrize("ask", [resolve, key_path])
def test_what_is_no_reference_is_refused_and_not_repeated(tmp_path: Path, ask: object) -> None:
    with pytest.raises(ConfigurationError, match="env:VARIABLE") as caught:
        ask("hunter2", tmp_path)  # type: ignore[operator]  # both take the same
    assert "hunter2" not in str(caught.value)
