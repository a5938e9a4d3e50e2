import base64
from datetime import timedelta
from typing import Any

import pytest

from patchyard.domain.inventory import Policy
from patchyard.domain.plan import MachinePlan, PlannedUpdate
from patchyard.domain.preflight import ObstacleKind, obstacles
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import Assessment, Compliance, compliance
from patchyard.domain.value import Known
from patchyard.errors import MalformedOutput, ScriptFailed
from patchyard.managers.windows_update.sources import winhttp_proxy
from tests.managers.windows_update.facts_written_by_hand import (
    ASSESS,
    NOW,
    POLICY,
    SYSTEM,
    assessed,
    failure,
)

SECURITY = Selection().classifications
NOTHING: dict[str, Any] = {"result_code": 2, "warnings": [], "updates": []}


def policy(**changes: Any) -> Assessment:
    return assessed(offered=NOTHING, policy={**POLICY, **changes})


class TestCompleteness:
    def test_a_fresh_search_that_finds_nothing_proves_that_nothing_is_missing(self) -> None:
        seen = policy()
        assert seen.complete == Known.YES
        assert compliance(seen, SECURITY) == Compliance.COMPLIANT

    @pytest.mark.parametrize(
        ("changes", "complete", "words"),
        [
            ({"disable_access": 1}, Known.NO, "forbids"),
            ({"paused_until": "2026-09-01T00:00:00Z"}, Known.NO, "2026-09-01"),
            ({"paused_since": "2026-08-01T00:00:00Z"}, Known.NO, "2026-09-05"),
            ({"paused_until": "2026-08-01T00:00:00Z"}, Known.YES, ""),
            ({"defer_quality": 1, "defer_quality_days": 14}, Known.UNKNOWN, "14 days"),
            ({"defer_quality": 0, "defer_quality_days": 14}, Known.YES, ""),
        ],
    )
    def test_policies_that_keep_updates_away_are_told(
        self, changes: dict[str, Any], complete: Known, words: str
    ) -> None:
        seen = policy(**changes)
        assert seen.complete == complete
        assert words in "; ".join(seen.incomplete_because)
        assert (compliance(seen, SECURITY) == Compliance.COMPLIANT) == (complete == Known.YES)

    def test_a_search_with_errors_is_told_with_its_warnings(self) -> None:
        warned = {**NOTHING, "result_code": 3,
                  "warnings": [{"hresult": 0x8024402C - 2**32, "message": ""}]}  # fmt: skip
        seen = assessed(offered=warned)
        assert seen.complete == Known.NO
        assert "cannot be resolved" in seen.incomplete_because[0]

    def test_a_search_that_was_aborted_proves_nothing(self) -> None:
        assert assessed(offered={**NOTHING, "result_code": 5}).complete == Known.NO

    def test_where_the_source_does_not_answer_the_agents_memory_is_read_and_called_so(self) -> None:
        seen = assessed(
            failed={"offered": failure("x", 0x80240438 - 2**32)}, cached=ASSESS["offered"]
        )
        assert len(seen.updates) == 3
        assert seen.complete == Known.NO
        assert "0x80240438" in seen.sources[0].error

    def test_a_look_without_a_fresh_search_proves_nothing(self) -> None:
        assert assessed(without=("offered",), cached=NOTHING).complete == Known.UNKNOWN

    def test_without_any_search_there_is_no_assessment(self) -> None:
        denied = {"offered": failure("x", 0x80070422 - 2**32)}
        with pytest.raises(ScriptFailed, match="a service is disabled"):
            assessed(failed={**denied, "cached": failure("x", 0x80070422 - 2**32)})

    def test_without_the_installed_updates_there_is_none_either(self) -> None:
        with pytest.raises(ScriptFailed):
            assessed(failed={"installed": failure("no")})
        with pytest.raises(MalformedOutput):
            assessed(installed={"result_code": 4, "updates": []})

    def test_a_release_that_gets_no_fixes_proves_nothing(self) -> None:
        old = assessed(offered=NOTHING, system={**SYSTEM, "build": "9600"})
        assert old.os.end_of_life == Known.YES
        assert old.complete == Known.NO


class TestSource:
    def test_wsus_is_named_without_its_login_and_what_it_hides_is_told(self) -> None:
        seen = policy(wu_server="http://user:word@wsus.example:8530", use_wu_server=1)
        assert seen.sources[0].name == "WSUS http://wsus.example:8530"
        assert any("not approved" in finding for finding in seen.findings)

    def test_a_server_that_is_not_used_is_not_the_source(self) -> None:
        assert policy(wu_server="http://w.example", use_wu_server=0).sources[0].name == (
            "Windows Update"
        )

    def test_the_proxy_is_read_from_its_binary_value(self) -> None:
        name = b"proxy.example:3128"
        data = b"\x18\0\0\0" + b"\0" * 4 + b"\x03\0\0\0" + len(name).to_bytes(4, "little") + name
        assert winhttp_proxy(base64.b64encode(data).decode()) == "proxy.example:3128"
        direct = data[:8] + b"\x01" + data[9:]
        assert winhttp_proxy(base64.b64encode(direct).decode()) == ""
        assert winhttp_proxy("") == winhttp_proxy("no base64") == ""

    @pytest.mark.parametrize(
        ("changes", "active"),
        [
            ({"au_options": 4}, Known.YES),
            ({"au_options": 3}, Known.NO),
            ({"au_options": 4, "no_auto_update": 1}, Known.NO),
            ({"au_options": None}, Known.UNKNOWN),
        ],
    )
    def test_automatic_updates_are_a_rival_where_they_install(
        self, changes: dict[str, Any], active: Known
    ) -> None:
        (rival,) = policy(**changes).rivals
        assert rival.active == active
        assert ("reboot by itself" in rival.detail) == (active == Known.YES)


class TestPrechecks:
    def test_the_drive_of_windows_has_one_name_on_every_machine(self) -> None:
        volumes = [{**v, "letter": "E:"} if v["boot"] else v for v in ASSESS["volumes"]]
        assert assessed(volumes=volumes).filesystem("C:") == assessed().filesystem("C:")

    @pytest.mark.parametrize(("free", "fits"), [(10, False), (12, True)])
    def test_too_little_space_stands_in_the_way(self, free: int, *, fits: bool) -> None:
        volumes = [{**v, "free": free * 2**30} for v in ASSESS["volumes"]]
        seen = assessed(volumes=volumes)
        plan = MachinePlan(machine="win-1", updates=select(seen, Selection())[0])
        found = {o.kind for o in obstacles(seen, plan, Policy())}
        assert found == (set() if fits else {ObstacleKind.DISK})

    def test_large_downloads_need_more(self) -> None:
        seen = assessed()
        big: list[PlannedUpdate] = [
            u.model_copy(update={"download_bytes": 25 * 2**30})
            for u in select(seen, Selection())[0]
        ]
        plan = MachinePlan(machine="win-1", updates=tuple(big))
        assert obstacles(seen, plan, Policy())[0].kind == ObstacleKind.DISK

    @pytest.mark.parametrize(
        ("name", "used", "msi", "held"),
        [
            ("TiWorker", 2.0, False, True),
            ("TiWorker", 0.0, False, False),
            ("TrustedInstaller", 0.5, False, True),
            ("msiexec", 0.0, False, False),
            ("msiexec", 0.0, True, True),
            ("wusa", 0.0, False, True),
            ("setuphost", 0.0, False, True),
        ],
    )
    def test_only_an_installer_that_works_is_waited_for(
        self, name: str, used: float, *, msi: bool, held: bool
    ) -> None:
        process = {"name": name, "pid": 7, "cpu_before": 1.0, "cpu_after": 1.0 + used}
        seen = assessed(busy={"processes": [process], "msi": msi, "agent": False})
        assert bool(seen.lock_holders) == held

    def test_another_client_of_the_agent_is_waited_for(self) -> None:
        assert assessed(busy={"processes": [], "msi": False, "agent": True}).lock_holders

    @pytest.mark.parametrize(
        ("health", "broken"), [("Healthy", False), ("Repairable", True), ("NonRepairable", True)]
    )
    def test_a_damaged_component_store_is_a_broken_database(
        self, health: str, *, broken: bool
    ) -> None:
        assert bool(assessed(store={"health": health}).database_problems) == broken

    def test_a_store_that_could_not_be_asked_is_told_and_is_not_broken(self) -> None:
        seen = assessed(failed={"store": failure("no DISM")})
        assert seen.database_problems == ()
        assert any("no DISM" in finding for finding in seen.findings)

    def test_disabled_services_and_roles_are_told(self) -> None:
        services = [
            {"name": "wuauserv", "state": "Stopped", "start": "Disabled"},
            {"name": "NTDS", "state": "Running", "start": "Auto"},
        ]
        told = "; ".join(assessed(services=services).findings)
        assert "wuauserv" in told
        assert "domain controller" in told

    def test_only_services_that_start_with_the_machine_must_run_afterwards(self) -> None:
        assert assessed().running_services == ("W3SVC",)

    def test_the_clock_is_compared_with_the_controllers(self) -> None:
        assert assessed(now=NOW - timedelta(seconds=90)).clock_skew == 90.0
        assert assessed(failed={"clock": failure("x")}).clock_skew is None

    def test_what_failed_before_and_is_offered_still_is_told(self) -> None:
        past = {"title": "x (KB5120242)", "operation": 1, "result_code": 4,
                "hresult": 0x80070643 - 2**32, "date": "2026-08-12T02:00:00.0000000Z",
                "id": ASSESS["offered"]["updates"][0]["id"], "revision": 200}  # fmt: skip
        assert any("KB5120242 failed on 2026-08-12" in f for f in assessed(history=[past]).findings)
        later = {**past, "result_code": 2, "date": "2026-08-13T02:00:00.0000000Z"}
        assert not any("failed on" in f for f in assessed(history=[past, later]).findings)
