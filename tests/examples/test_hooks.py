"""The example hooks, called as a run calls them, against stand-ins: none is the real product.

What is real: the hooks themselves, how they are called and told, the sockets, and kubectl where
this box has it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.around import Hook
from patchyard.domain.inventory import Machine
from patchyard.domain.outcome import Status
from patchyard.hooks.calling import call
from patchyard.hooks.occasion import Ended, Occasion, told_of_machine
from tests.examples.stand_ins import Alertmanager, HAProxy, Kubernetes, haproxy, web

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/hooks"
MACHINES = tuple(Machine(name=name, address="127.66.0.1") for name in ("web-1", "web-2"))


def called(
    name: str,
    *arguments: str,
    when: str = "before",
    of: str = "machine",
    status: Status = Status.SUCCEEDED,
    test: bool = False,
    **more: Any,
) -> Ended:
    """Call an example hook as a run does."""
    hook = Hook.model_validate(
        {"name": "x", "when": when, "of": of, "command": [str(EXAMPLES / name), *arguments], **more}
    )
    end = datetime.now(UTC) + timedelta(hours=3)
    window = {"key": "web@2026-03-14", "start": end.isoformat(), "end": end.isoformat()}
    occasion = Occasion(
        hook=hook,
        key="k",
        run={"id": "patch-1", "window": window},
        machines=tuple(told_of_machine(machine, machine.name) for machine in MACHINES),
        machine=MACHINES[0] if of == "machine" else None,
        status=status if when == "after" else None,
        test=test,
    )
    return call(occasion)


# --- HAProxy ---


@pytest.fixture
def proxy() -> Iterator[HAProxy]:
    with haproxy() as proxy:
        yield proxy


def test_haproxy_gives_a_server_no_new_sessions_and_waits_for_those_it_has(proxy: HAProxy) -> None:
    proxy.sessions = 2
    done = called("haproxy.py", proxy.where, "web/{name}")
    assert (done.code, proxy.states, proxy.sessions) == ("", ["drain"], 0)
    assert done.detail.endswith("web/web-1 is drained")
    done = called("haproxy.py", proxy.where, "web/{name}", when="after", status=Status.FAILED)
    assert (done.detail, proxy.states) == ("web/web-1 is ready", ["drain", "ready"])


def test_haproxy_sessions_that_stay_make_the_hook_fail_in_time(proxy: HAProxy) -> None:
    proxy.sessions = 10**6
    done = called("haproxy.py", proxy.where, "web/{name}", timeout="2s")
    assert done.code == "hook_timed_out"


def test_haproxy_that_does_not_know_the_server_or_is_not_there_is_a_failure(
    proxy: HAProxy,
) -> None:
    assert (
        "was not set to drain: No such server."
        in called("haproxy.py", proxy.where, "web/other").detail
    )
    assert called("haproxy.py", "127.0.0.1:1", "web/web-1").code == "hook_failed"


def test_haproxy_is_only_asked_in_a_test(proxy: HAProxy) -> None:
    done = called("haproxy.py", proxy.where, "web/{name}", test=True)
    assert (done.detail, proxy.states) == ("a test: web/web-1 has 0 sessions", [])


# --- Alertmanager ---


@pytest.fixture
def alerts() -> Iterator[Alertmanager]:
    alerts = Alertmanager()
    with web(alerts):
        yield alerts


def silencer(alerts: Alertmanager, **more: Any) -> Ended:
    return called("alertmanager.py", alerts.url, "instance", of="run", **more)


def test_a_silence_is_made_once_for_the_runs_machines_and_ended_after(
    alerts: Alertmanager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERTMANAGER_TOKEN", "t0ken")
    assert silencer(alerts).code == ""
    assert "is there already" in silencer(alerts).detail
    (made,) = alerts.silences.values()
    (matcher,) = made["matchers"]
    assert matcher == {
        "name": "instance",
        "isRegex": True,
        "isEqual": True,
        "value": r"(web\-1|web\-2)(:[0-9]+)?",
    }
    start, end = (datetime.fromisoformat(made[name]) for name in ("startsAt", "endsAt"))
    assert timedelta(hours=3, minutes=59) < end - start < timedelta(hours=4, minutes=1)
    assert made["comment"] == "patchyard run patch-1"
    assert {headers["Authorization"] for headers in alerts.headers} == {"Bearer t0ken"}
    assert silencer(alerts, when="after").detail == "ended silence-0"
    assert made["status"] == {"state": "expired"}
    assert silencer(alerts, when="after").code == ""


def test_other_silences_are_left_alone(alerts: Alertmanager) -> None:
    alerts.silences["other"] = {
        "id": "other",
        "comment": "somebody's",
        "status": {"state": "active"},
    }
    silencer(alerts, when="after")
    assert alerts.silences["other"]["status"] == {"state": "active"}


def test_alertmanager_is_only_asked_in_a_test_and_missed_where_it_is_not_there(
    alerts: Alertmanager,
) -> None:
    assert silencer(alerts, test=True).detail == "a test: Alertmanager 0.27.0 answers"
    assert alerts.silences == {}
    done = called("alertmanager.py", "http://127.0.0.1:1", "instance", of="run")
    assert done.code == "hook_failed"


# --- Kubernetes ---


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    """An API that the real kubectl talks to."""
    if shutil.which("kubectl") is None:
        pytest.skip("this box has no kubectl")
    cluster = Kubernetes()
    with web(cluster):
        config = tmp_path / "config"
        config.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
            f"clusters: [{{name: x, cluster: {{server: '{cluster.url}'}}}}]\n"
            "contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {}}]\n"
        )
        monkeypatch.setenv("KUBECONFIG", str(config))
        monkeypatch.setenv("HOME", str(tmp_path))
        yield cluster


def node(**more: Any) -> Ended:
    return called("kubernetes.sh", "{name}", "3", **more)


def test_a_node_is_cordoned_and_emptied_and_let_in_again(cluster: Kubernetes) -> None:
    done = node()
    assert done.code == "", done.detail
    assert (cluster.unschedulable, cluster.pods) == (True, [])
    done = node(when="after")
    assert done.code == "", done.detail
    assert cluster.unschedulable is False


def test_a_pod_that_may_not_go_makes_the_hook_fail(cluster: Kubernetes) -> None:
    cluster.budget = False
    assert node().code == "hook_failed"
    assert cluster.pods == ["web-abc"]
    node(when="after", status=Status.REFUSED)
    assert cluster.unschedulable is False


@pytest.mark.parametrize("status", [Status.FAILED, Status.NEEDS_REPAIR, Status.LOST_CONTACT])
def test_a_node_that_came_to_no_good_end_stays_cordoned(
    cluster: Kubernetes, status: Status
) -> None:
    cluster.unschedulable = True
    done = node(when="after", status=status)
    assert (done.code, cluster.unschedulable) == ("", True)
    assert f"ended as {status} and stays cordoned" in done.detail


def test_in_a_test_the_server_is_asked_for_a_dry_run(cluster: Kubernetes) -> None:
    done = node(test=True)
    assert done.code == "", done.detail
    assert (cluster.unschedulable, cluster.pods) == (False, ["web-abc"])


def test_without_kubectl_here_what_is_asked_of_it_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in its place that notes what it is asked, and fails where it is told to."""
    stub = tmp_path / "kubectl"
    stub.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\nexit "${{FAIL:-0}}"\n')
    stub.chmod(0o755)
    monkeypatch.setenv("KUBECTL", str(stub))
    assert node().code == ""
    assert node(when="after").code == ""
    assert node(when="after", status=Status.LOST_CONTACT).code == ""
    monkeypatch.setenv("FAIL", "1")
    assert node().code == "hook_failed"
    drain = "drain web-1 --ignore-daemonsets --delete-emptydir-data --timeout=3s"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [drain, "uncordon web-1", drain]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_shell_example_passes_shellcheck() -> None:
    done = subprocess.run(
        ["shellcheck", str(EXAMPLES / "kubernetes.sh")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
