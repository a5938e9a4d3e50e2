from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.value import Known
from patchyard.managers.windows_update.baselines import Month, Release, Table
from patchyard.managers.windows_update.hotpatch import (
    BY_BEHAVIOUR,
    BY_KB,
    BY_TITLE,
    State,
    judge,
    recognise,
)
from tests.managers.windows_update.facts_written_by_hand import (
    AZURE,
    DEFENDER,
    HOTPATCH,
    LCU,
    NOT_PREPARED,
    PREPARED,
    STACK,
    SYSTEM,
    assessed,
    update,
)

TABLE = Table(
    {
        "20348": (
            Month("2026-07", "planned", lcu=Release("KB5099540", "20348.5386")),
            Month(
                "2026-08",
                lcu=Release("KB5120242", "20348.5499"),
                hotpatch=Release("KB5120229", "20348.5440"),
            ),
        )
    }
)
TODAY = date(2026, 8, 20)
ENROLLED = st.sampled_from(list(Known))
texts = st.text("abc HOTPATCHhotpatch()", max_size=30)
updates = st.builds(
    update,
    st.sampled_from(["KB5120242", "KB5120229", "KB7", ""]),
    texts,
    description=texts,
    reboot_behavior=st.sampled_from([0, 1, 2]),
)


class TestRecognising:
    @given(updates, ENROLLED)
    def test_the_table_has_the_first_word_also_about_what_is_none(
        self, offered: dict[str, Any], enrolled: Known
    ) -> None:
        rule = recognise(offered, TABLE, enrolled)
        if "5120229" in offered["kbs"]:
            assert rule == BY_KB
        elif "5120242" in offered["kbs"]:
            assert rule == ""

    @given(updates, ENROLLED)
    def test_then_the_words_in_any_case(self, offered: dict[str, Any], enrolled: Known) -> None:
        if {"5120229", "5120242"} & set(offered["kbs"]):
            return
        said = f"{offered['title']} {offered['description']}".lower()
        rule = recognise(offered, TABLE, enrolled)
        assert (rule == BY_TITLE) == ("hotpatch" in said)

    @given(updates, ENROLLED)
    def test_a_behaviour_alone_is_enough_only_on_an_enrolled_machine(
        self, offered: dict[str, Any], enrolled: Known
    ) -> None:
        rule = recognise(offered, TABLE, enrolled)
        if rule == BY_BEHAVIOUR:
            assert enrolled == Known.YES
            assert offered["reboot_behavior"] == 0

    @pytest.mark.parametrize("offered", [STACK, DEFENDER])
    def test_what_never_reboots_anyway_is_no_hotpatch(self, offered: dict[str, Any]) -> None:
        assert recognise(offered, TABLE, Known.YES) == ""

    def test_the_enrolment_package_is_no_hotpatch(self) -> None:
        package = update("KB8", "Hotpatch Enrollment Package for Windows Server (KB8)")
        assert recognise(package, TABLE, Known.UNKNOWN) == ""

    def test_a_system_without_hotpatches_calls_no_update_cold(self) -> None:
        assert {u.hotpatch for u in assessed().updates} == {None}

    def test_one_with_them_says_of_each_update_by_which_rule(self) -> None:
        seen = assessed(updates=[LCU, HOTPATCH], system=AZURE, hotpatch=PREPARED, vbs=2)
        assert {u.name: u.hotpatch for u in seen.updates} == {"KB5120242": "", "KB5120229": BY_KB}

    def test_an_enrolled_machine_that_is_offered_the_whole_needs_a_baseline(self) -> None:
        seen = assessed(updates=[LCU], system=AZURE, hotpatch=PREPARED, vbs=2)
        assert "baseline required" in seen.updates[0].detail
        assert any("a hotpatch is expected" in finding for finding in seen.findings)

    def test_the_offer_decides_and_the_expectation_is_a_finding(self) -> None:
        seen = assessed(
            updates=[HOTPATCH], system=AZURE, hotpatch=PREPARED, vbs=2,
            now=assessed().taken_at.replace(month=10),
        )  # fmt: skip
        assert seen.updates[0].hotpatch == BY_KB
        assert any("a baseline is expected" in finding for finding in seen.findings)


def state(
    system: dict[str, Any] = AZURE,
    facts: dict[str, Any] | None = PREPARED,
    vbs: int | None = 2,
    last: dict[str, Any] | None = None,
    today: date = TODAY,
) -> State:
    return judge(system, facts, vbs, ["KB5003508"], last, table=TABLE, today=today)


ARC: dict[str, Any] = {**SYSTEM, "build": "26100", "ubr": 33158, "edition": "ServerStandard"}
SUBSCRIBED = {**PREPARED, "arc_agent": True, "arc_subscription": 1}


class TestEligible:
    @pytest.mark.parametrize(
        ("system", "facts", "vbs", "known"),
        [
            (AZURE, PREPARED, 2, Known.YES),
            ({**AZURE, "edition": "ServerTurbineCor", "caption": ""}, PREPARED, 2, Known.YES),
            (SYSTEM, PREPARED, 2, Known.NO),
            ({**AZURE, "build": "17763"}, PREPARED, 2, Known.NO),
            (AZURE, PREPARED, 1, Known.NO),
            (AZURE, PREPARED, None, Known.UNKNOWN),
            (AZURE, NOT_PREPARED, 2, Known.NO),
            (AZURE, None, 2, Known.UNKNOWN),
            (ARC, SUBSCRIBED, 2, Known.YES),
            (ARC, PREPARED, 2, Known.NO),
            (ARC, {**PREPARED, "arc_agent": True}, 2, Known.UNKNOWN),
            ({**ARC, "ubr": 1000}, SUBSCRIBED, 2, Known.NO),
            ({**AZURE, "product_type": 1}, PREPARED, 2, Known.UNKNOWN),
            ({**AZURE, "build": None}, PREPARED, 2, Known.UNKNOWN),
        ],
    )
    def test_build_edition_table_size_and_vbs_must_all_be_right(
        self, system: dict[str, Any], facts: dict[str, Any] | None, vbs: int | None, known: Known
    ) -> None:
        found = state(system, facts, vbs).eligible
        assert found.known == known
        assert found.reasons

    @given(
        st.sampled_from([AZURE, SYSTEM, ARC]),
        st.sampled_from([PREPARED, SUBSCRIBED, NOT_PREPARED]),
        st.sampled_from([0, 1, 2]),
    )
    def test_not_seeing_something_never_makes_it_certain_the_other_way(
        self, system: dict[str, Any], facts: dict[str, Any], vbs: int
    ) -> None:
        known = state(system, facts, vbs).eligible.known
        for blind in (state(system, None, vbs), state(system, facts, None)):
            assert blind.eligible.known in {known, Known.UNKNOWN}


class TestEnrolled:
    @pytest.mark.parametrize(
        ("facts", "known"),
        [
            (PREPARED, Known.YES),
            (NOT_PREPARED, Known.NO),
            (None, Known.UNKNOWN),
            ({**NOT_PREPARED, "arc_subscription": 1}, Known.UNKNOWN),
            ({**NOT_PREPARED, "enrolment": [{"name": "Something else"}]}, Known.NO),
        ],
    )
    def test_the_enrolment_package_says_so(
        self, facts: dict[str, Any] | None, known: Known
    ) -> None:
        assert state(facts=facts).enrolled.known == known

    def test_the_table_size_alone_says_nothing(self) -> None:
        assert state(facts={**NOT_PREPARED, "table_size": 4096}).enrolled.known == Known.NO


class TestActive:
    @pytest.mark.parametrize(
        ("ubr", "lcu", "known"),
        [
            (5440, 5386, Known.YES),
            (5440, 5440, Known.YES),
            (5499, 5499, Known.NO),
            (5386, 5386, Known.NO),
            (5000, 5000, Known.UNKNOWN),
        ],
    )
    def test_it_is_on_the_baseline_and_was_hotpatched_last(
        self, ubr: int, lcu: int, known: Known
    ) -> None:
        system = {**AZURE, "ubr": ubr, "lcu_version": f"10.0.20348.{lcu}"}
        assert state(system).active.known == known

    def test_a_whole_update_in_a_month_of_hotpatches_leaves_the_baseline(self) -> None:
        system = {**AZURE, "ubr": 5499, "lcu_version": "10.0.20348.5499"}
        assert any("the baseline is 20348.5386" in r for r in state(system).active.reasons)

    def test_the_history_helps_where_the_table_has_no_such_build(self) -> None:
        system = {**AZURE, "ubr": 5401}
        last = {"title": "2026-08 Security Update (Hotpatch) (KB777777)"}
        assert state(system, last=last).active.known == Known.YES
        assert state(system).active.known == Known.UNKNOWN

    def test_a_machine_that_is_not_enrolled_is_not_active(self) -> None:
        assert state(facts=NOT_PREPARED).active.known == Known.NO

    def test_without_a_known_baseline_it_is_unknown(self) -> None:
        system = {**AZURE, "ubr": 5440}
        assert state(system, today=date(2026, 11, 20)).active.known == Known.YES
        bare = judge(system, PREPARED, 2, [], None, table=Table(), today=TODAY)
        assert bare.active.known == Known.UNKNOWN
