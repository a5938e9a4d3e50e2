from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from patchyard.domain.hooking import FAILED, TIMED_OUT
from patchyard.hooks.occasion import Ended
from patchyard.hooks.webhook import post
from tests.conftest import free_port
from tests.hooks.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def call(place: str, folder: Path, seconds: float = 10) -> Ended:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k1"}
    return post(place, str(folder), '{"a": 1}', headers=headers, timeout=timedelta(seconds=seconds))


def test_it_posts_once_with_its_key(receiver: Receiver, tmp_path: Path) -> None:
    assert call(receiver.url, tmp_path) == Ended("", "answered 204")
    (posted,) = receiver.posted
    assert (posted.path, posted.body) == ("/hook", '{"a": 1}')
    assert posted.headers["Idempotency-Key"] == "k1"
    assert posted.headers["Content-Type"] == "application/json"


def test_an_answer_that_is_not_good_is_a_failure_with_its_beginning(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.status, receiver.said = 503, b"not now"
    assert call(receiver.url, tmp_path) == Ended(FAILED, "answered 503: not now")


def test_a_redirect_is_not_followed(receiver: Receiver, tmp_path: Path) -> None:
    receiver.status, receiver.location = 302, "/other"
    assert call(receiver.url, tmp_path).detail == "answered 302"
    assert len(receiver.posted) == 1


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.status, receiver.said, receiver.drip = 200, b"x" * 100, 0.2
    began = time.monotonic()
    assert call(receiver.url, tmp_path, 1) == Ended(TIMED_OUT, "no whole answer within 1 s")
    assert time.monotonic() - began < 4


def test_nobody_there_is_a_failure(tmp_path: Path) -> None:
    done = call(f"http://127.0.0.1:{free_port()}/", tmp_path)
    assert done.code == FAILED
    assert done.detail.startswith("could not be called: ConnectError")


@pytest.mark.parametrize("there", [True, False])
def test_a_secret_url_is_in_no_message(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    receiver.status, receiver.said = 400, b"/s3cret is unknown"
    base = receiver.url if there else f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("HOOK_URL", f"{base}/s3cret?token=s3cret")
    done = call("env:HOOK_URL", tmp_path)
    assert done.code == FAILED
    assert "s3cret" not in done.detail
    assert len(receiver.posted) == there


@pytest.mark.parametrize("value", ["", "s3cret", "ftp://127.0.0.1/s3cret"])
def test_a_reference_to_no_url_is_a_failure_that_names_the_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HOOK_URL", value)
    done = call("env:HOOK_URL", tmp_path)
    assert done.code == FAILED
    assert "env:HOOK_URL" in done.detail
    assert "s3cret" not in done.detail


@pytest.mark.parametrize("key", ["B\N{LATIN SMALL LETTER U WITH DIAERESIS}ro/r1", "a\r\nEvil: yes"])
def test_a_key_that_no_header_may_hold_is_sent_quoted_and_adds_no_header(
    receiver: Receiver, tmp_path: Path, key: str
) -> None:
    done = post(
        receiver.url, str(tmp_path), "{}", headers={"Idempotency-Key": key},
        timeout=timedelta(seconds=10),
    )  # fmt: skip
    assert done == Ended("", "answered 204")
    (posted,) = receiver.posted
    assert unquote(posted.headers["Idempotency-Key"]) == key
    assert "Evil" not in posted.headers


def test_a_secret_url_is_in_no_log(
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HOOK_URL", f"{receiver.url}/s3cret?token=s3cret")
    with caplog.at_level("DEBUG"):
        assert call("env:HOOK_URL", tmp_path).code == ""
    assert receiver.posted[0].path.endswith("token=s3cret")
    assert "s3cret" not in caplog.text


def test_whatever_the_client_raises_is_a_failure_and_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object, **_more: object) -> None:
        raise RuntimeError("http://127.0.0.1/s3cret")

    monkeypatch.setattr("httpx.Client", broken)
    monkeypatch.setenv("HOOK_URL", "http://127.0.0.1/s3cret")
    secret = call("env:HOOK_URL", tmp_path)
    assert secret == Ended(FAILED, "could not be called: RuntimeError")


def test_the_proxy_of_the_environment_counts(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", receiver.url.removesuffix("/hook"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert call("http://hooks.invalid/drain", tmp_path) == Ended("", "answered 204")
    assert receiver.posted[0].path == "http://hooks.invalid/drain"
