"""The Kubernetes recipe, called as a run calls it: the real kubectl, and a stand-in for its API."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patchyard.domain.outcome import Status
from patchyard.hooks.occasion import Ended
from tests.examples.calling import EXAMPLES, called
from tests.examples.stand_ins import Kubernetes, web


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
