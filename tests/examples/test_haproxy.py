"""The HAProxy recipe against a real HAProxy before real web servers, called as a run calls it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.outcome import Status
from patchyard.hooks.occasion import Ended
from tests.examples.calling import NAMES, called
from tests.examples.daemons import HAProxy, haproxy, until


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[HAProxy]:
    with haproxy(tmp_path, *NAMES) as proxy:
        yield proxy


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def drain(proxy: HAProxy, name: str = "web/{name}", **more: Any) -> Ended:
    return called("haproxy.py", proxy.where, name, **more)


def undrain(proxy: HAProxy, status: Status = Status.SUCCEEDED, **more: Any) -> Ended:
    return drain(proxy, when="after", status=status, **more)


def test_a_drained_server_gets_no_request_not_even_from_a_client_bound_to_it(
    proxy: HAProxy,
) -> None:
    assert {proxy.get() for _ in range(4)} == set(NAMES)
    assert proxy.get(bound_to="web-1") == "web-1"
    done = drain(proxy)
    assert (done.code, done.detail) == ("", "web/web-1 is drained")
    assert proxy.states() == {"web-1": "maint", "web-2": "ready"}
    before = proxy.servers["web-1"].served
    assert {proxy.get() for _ in range(4)} == {"web-2"}
    assert proxy.get(bound_to="web-1") == "web-2"
    assert proxy.servers["web-1"].served == before

    done = undrain(proxy)
    assert done.code == "", done.detail
    assert done.detail.endswith("web/web-1 is ready")
    assert proxy.states() == {"web-1": "ready", "web-2": "ready"}
    assert proxy.status("web-1") == "UP"
    assert {proxy.get() for _ in range(4)} == set(NAMES)


def in_progress(proxy: HAProxy, threads: ThreadPoolExecutor) -> Future[str]:
    """Begin a request at web-1 that it does not answer until it is let go."""
    request = threads.submit(proxy.get, "/slow", "web-1")
    assert proxy.servers["web-1"].slow.wait(10)
    return request


def test_a_session_in_progress_is_waited_for(proxy: HAProxy, threads: ThreadPoolExecutor) -> None:
    request = in_progress(proxy, threads)
    draining = threads.submit(drain, proxy)
    until("drain", lambda: proxy.states()["web-1"] == "drain")
    assert {proxy.get() for _ in range(4)} == {"web-2"}
    assert not draining.done()
    assert proxy.states()["web-1"] == "drain"

    proxy.servers["web-1"].go.set()
    assert request.result(10) == "web-1"
    done = draining.result(10)
    assert (done.code, proxy.states()["web-1"]) == ("", "maint")


def test_a_session_that_stays_makes_the_hook_fail_in_time_and_is_not_cut(
    proxy: HAProxy, threads: ThreadPoolExecutor
) -> None:
    request = in_progress(proxy, threads)
    done = drain(proxy, timeout="1s")
    assert done.code == "hook_timed_out"
    assert "web/web-1: 1 sessions left" in done.detail
    assert undrain(proxy, Status.REFUSED).code == ""
    assert proxy.states()["web-1"] == "ready"
    proxy.servers["web-1"].go.set()
    assert request.result(10) == "web-1"


def test_a_machine_that_ended_badly_is_ready_and_gets_no_request_before_it_passes_its_checks(
    tmp_path: Path,
) -> None:
    # Checks so far apart that HAProxy, left to itself, takes it for well meanwhile.
    with haproxy(tmp_path, *NAMES, inter="30s") as proxy:
        drain(proxy)
        proxy.servers["web-1"].well = False
        done = undrain(proxy, Status.FAILED)
        assert (done.code, done.detail) == ("", "web/web-1 is ready")
        assert (proxy.states()["web-1"], proxy.status("web-1")) == ("ready", "DOWN")
        assert {proxy.get() for _ in range(4)} == {"web-2"}


def test_after_a_good_end_it_is_waited_until_the_server_passes_its_checks(
    proxy: HAProxy, threads: ThreadPoolExecutor
) -> None:
    server = proxy.servers["web-1"]
    drain(proxy)
    server.well = False
    late = undrain(proxy, timeout="1s")
    assert late.code == "hook_timed_out"
    assert "web/web-1 is ready, and does not pass its checks yet" in late.detail

    waiting = threads.submit(undrain, proxy)
    until("ready", lambda: proxy.states()["web-1"] == "ready")
    assert not waiting.done()
    server.well = True
    assert waiting.result(20).code == ""
    assert proxy.status("web-1") == "UP"


def test_a_server_without_checks_of_its_own_is_let_in_at_once(proxy: HAProxy) -> None:
    for backend, status in (("plain", "no check"), ("tracks", "UP")):
        assert drain(proxy, f"{backend}/one").code == ""
        assert proxy.status("one", backend) == "MAINT"
        assert drain(proxy, f"{backend}/one", when="after").code == ""
        assert proxy.status("one", backend) == status


def test_the_admin_socket_may_be_an_address(proxy: HAProxy) -> None:
    assert called("haproxy.py", proxy.admin, "web/{name}").code == ""
    assert proxy.states()["web-1"] == "maint"


def test_what_haproxy_does_not_know_is_told_in_its_words(proxy: HAProxy) -> None:
    for name, said in (
        ("web/other", "No such server."),
        ("other/web-1", "No such backend."),
        ("web", "Require 'backend/server'."),
    ):
        done = drain(proxy, name)
        assert done.code == "hook_failed"
        assert done.detail == f"ended with status 1: {name} was not set to state drain: {said}"
    assert proxy.states() == {"web-1": "ready", "web-2": "ready"}


def test_a_socket_without_the_right_and_one_that_is_not_there_are_failures(proxy: HAProxy) -> None:
    done = called("haproxy.py", f"{proxy.folder}/operator", "web/web-1")
    assert (
        done.detail
        == "ended with status 1: web/web-1 was not set to state drain: Permission denied"
    )
    assert called("haproxy.py", "127.0.0.1:1", "web/web-1").code == "hook_failed"
    assert called("haproxy.py", f"{proxy.folder}/none", "web/web-1").code == "hook_failed"


def test_haproxy_is_only_asked_in_a_test(proxy: HAProxy) -> None:
    done = drain(proxy, test=True)
    assert done.detail == "a test: web/web-1 has 0 sessions"
    assert proxy.states()["web-1"] == "ready"
    missing = drain(proxy, "web/other", test=True)
    assert missing.detail.endswith(f"HAProxy at {proxy.where} knows no server web/other")
