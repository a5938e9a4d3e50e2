"""The shipped health questions, asked of a simulated machine."""

from __future__ import annotations

from datetime import timedelta

from patchyard.domain.health import Outcome
from patchyard.domain.inventory import CheckSpec
from patchyard.questions import ask
from tests.simulated.conftest import Workplace

CHECKS = (
    CheckSpec(kind="systemd_unit", options={"unit": "nginx.service"}),
    CheckSpec(kind="failed_units", options={}),
    CheckSpec(kind="listening_ports", options={}),
    CheckSpec(kind="disk", options={"path": "/var", "min_free_percent": 5}),
    CheckSpec(kind="default_route", options={}),
    CheckSpec(kind="dns", options={"name": "one.yard"}),
    CheckSpec(kind="command", options={"command": "systemctl is-active --quiet ssh"}),
    CheckSpec(kind="http", options={"url": "http://127.0.0.1/", "via": "machine"}),
)


def outcomes(workplace: Workplace, name: str) -> dict[str, Outcome]:
    machine = workplace.machine(name).model_copy(update={"checks": CHECKS})
    with workplace.link(name) as link:
        answers = ask(link, machine, nonce="n0n5e", timeout=timedelta(seconds=20))
    return dict(zip((spec.kind for spec in CHECKS), (a.outcome for a in answers), strict=True))


def test_all_is_well_on_a_fresh_machine(workplace: Workplace) -> None:
    assert set(outcomes(workplace, "sim-0001").values()) == {Outcome.PASSED}


def test_a_stopped_web_server_fails_what_depends_on_it(workplace: Workplace) -> None:
    workplace.run("sim-0002", "systemctl stop nginx")
    found = outcomes(workplace, "sim-0002")
    failed = {kind for kind, outcome in found.items() if outcome == Outcome.FAILED}
    assert failed >= {"systemd_unit", "http"}
    assert found["disk"] == Outcome.PASSED
