"""A stand-in for Kubernetes' API, on the loopback address: Debian has kubectl, and no API server.

It answers as much as kubectl asks to cordon and drain a node, as the documentation has it.
"""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield int(str(server.server_address[1]))  # type: ignore[index]
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


@dataclass
class Web:
    """A JSON API: what was asked, and how it is answered."""

    url: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        raise NotImplementedError


class Kubernetes(Web):
    """As much of the API as kubectl asks for to cordon and drain a node with one pod on it."""

    def __init__(self) -> None:
        super().__init__()
        self.unschedulable = False
        self.pods = ["web-abc"]
        self.budget = True

    def _pod(self, name: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": f"uid-{name}",
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u",
                     "controller": True}
                ],
            },
            "spec": {"nodeName": "web-1", "containers": []},
            "status": {"phase": "Running"},
        }  # fmt: skip

    def _resources(self, version: str, *names: tuple[str, str]) -> dict[str, Any]:
        rows = [
            {"name": name, "singularName": "", "namespaced": name != "nodes", "kind": kind,
             "verbs": ["get", "list", "patch", "create"],
             **({"group": "policy", "version": "v1"} if kind == "Eviction" else {})}
            for name, kind in names
        ]  # fmt: skip
        return {"kind": "APIResourceList", "groupVersion": version, "resources": rows}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        bare = path.partition("?")[0]
        fixed: dict[str, Any] = {
            "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": "policy", "versions": [{"groupVersion": "policy/v1", "version": "v1"}],
                 "preferredVersion": {"groupVersion": "policy/v1", "version": "v1"}}]},
            "/api/v1": self._resources(
                "v1", ("nodes", "Node"), ("pods", "Pod"), ("pods/eviction", "Eviction")),
            "/apis/policy/v1": self._resources("policy/v1", ("poddisruptionbudgets", "PDB")),
        }  # fmt: skip
        if bare in fixed:
            return 200, fixed[bare]
        if bare == "/api/v1/nodes/web-1":
            if method == "PATCH" and "dryRun" not in path:
                self.unschedulable = bool(body["spec"].get("unschedulable"))
            return 200, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "web-1"},
                         "spec": {"unschedulable": self.unschedulable}}  # fmt: skip
        if bare == "/api/v1/pods":
            items = [self._pod(name) for name in self.pods]
            return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        return self._of_pod(method, bare, body)

    def _of_pod(self, method: str, bare: str, body: Any) -> tuple[int, Any]:
        name = bare.removeprefix("/api/v1/namespaces/shop/pods/").partition("/")[0]
        if name not in self.pods:
            return 404, _status(404, "NotFound")
        if method == "POST" and not body.get("deleteOptions", {}).get("dryRun"):
            if not self.budget:
                return 429, _status(429, "TooManyRequests")
            self.pods.remove(name)
        return (201 if method == "POST" else 200), self._pod(name)


def _status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": reason, "message": f"{reason}: the budget"}  # fmt: skip


@contextmanager
def web(told: Web) -> Iterator[None]:
    """Serve an API."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(text) if text[:1] in {b"{", b"["} else None
            told.asked.append((self.command, self.path, body))
            told.headers.append(dict(self.headers))
            status, answer = told.answer(self.command, self.path, body)
            given = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(given)))
            self.end_headers()
            self.wfile.write(given)

        do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815 - as the base has them

        def log_message(self, *_told: object) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        told.url = f"http://127.0.0.1:{port}"
        yield
