"""From when on a ring may have a fix: by what the ring before has, and by its next window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.forecast import Forecast, Outlook, forecast
from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.maintenance import Maintenance
from patchyard.domain.preview import Case
from patchyard.domain.rings import Proof, Ring
from patchyard.domain.updates import Assessment
from patchyard.domain.ways import Sight
from tests.domain.test_forecast import NOW, made, seen, update, words

DAY = timedelta(days=1)
OPENSSL = "openssl:amd64"
HAS_IT = {OPENSSL: frozenset({"2"})}


def fleet(soak: str = "3 days", otherwise: str = "wait", **test: Any) -> Case:
    """Machine `t` is in ring `test`, whose windows are on Tuesdays; `p` is patched every day."""
    schedule = {"start": "2026-01-01 02:00"}
    ring = {"after": "test", "soak": soak, "otherwise": otherwise}
    first = made("test", "Week Tuesday", **{"scope": "t", "schedule": schedule, **test})
    last = made("production", "Day", scope="p", ring=ring)
    machines = tuple(Machine(name=name, address="x") for name in ("t", "p"))
    inventory = Inventory(name="x", folder="/x", machines=machines)
    both = {machine.name: seen(update()) for machine in machines}
    return Case(Maintenance((first, last), {}), inventory, NOW, both)


def of_production(case: Case, **sight: Any) -> Forecast:
    return next(row for row in forecast(case, Sight(**sight)) if row.machine == "p")


def on(day: int, hour: int = 22) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def test_a_ring_waits_for_the_window_of_the_ring_before_and_its_soak() -> None:
    row = of_production(fleet())
    assert (row.outlook, row.at, words(row)) == (Outlook.WAITS, on(6), ["ring"])
    assert row.in_the_way[0].detail == (
        "test must run it well first: its window test@2026-03-03 ends 2026-03-03 06:00 UTC; "
        "3d of soak later it is 2026-03-06 06:00 UTC"
    )
    assert of_production(fleet("10 days")).at == on(13)


def test_a_window_of_the_ring_before_that_is_skipped_or_taken_proves_nothing() -> None:
    skip = {"start": "2026-01-01 02:00", "skip": [{"date": "2026-03-03"}]}
    assert of_production(fleet(schedule=skip)).at == on(13)
    taken = {"test@2026-03-03": "patch-1"}
    assert of_production(fleet(), taken=taken).at == on(13)


def test_where_nobody_was_asked_yet_a_person_may_be_after_the_window() -> None:
    row = of_production(fleet(otherwise="ask"))
    assert row.at == on(3)
    assert row.in_the_way[0].detail.endswith(
        "2026-03-06 06:00 UTC, and until then a person is asked"
    )
    earlier = Proof(good=True, release={OPENSSL: frozenset({"1"})})
    of = replace(fleet(otherwise="ask"), proofs={"production": earlier})
    assert of_production(of).at == on(6)


def test_what_the_ring_before_has_proven_comes_at_once_and_what_it_only_has_must_soak() -> None:
    proven = replace(fleet(), proofs={"production": Proof(good=True, release=HAS_IT)})
    assert (of_production(proven).outlook, of_production(proven).at) == (Outlook.SCHEDULED, on(2))
    assert words(of_production(proven)) == []
    has = Proof(good=True, newest=HAS_IT, since=NOW - DAY)
    soaks = of_production(replace(fleet(), proofs={"production": has}))
    assert (soaks.outlook, soaks.at) == (Outlook.WAITS, on(4))
    assert soaks.in_the_way[0].detail == (
        "test has it since 2026-03-01 12:00 UTC, and must run it well until 2026-03-04 12:00 UTC"
    )


def test_a_bad_end_of_the_ring_before_is_told_and_a_person_may_be_asked_now() -> None:
    bad = Proof(bad=True, told="test@2026-02-24: 1 of 1 machines", release=HAS_IT, newest=HAS_IT)
    waits = of_production(replace(fleet(), proofs={"production": bad}))
    assert (waits.outlook, waits.at) == (Outlook.WAITS, on(6))
    assert "well first (test@2026-02-24: 1 of 1 machines): its window" in waits.in_the_way[0].detail
    asks = of_production(replace(fleet(otherwise="ask"), proofs={"production": bad}))
    assert (asks.outlook, asks.at) == (Outlook.WAITS, on(2))
    assert asks.in_the_way[0].detail == "test@2026-02-24: 1 of 1 machines; a person is asked"


def test_what_the_ring_before_never_gets_is_blocked_unless_its_machines_were_never_seen() -> None:
    without: dict[str, Assessment] = {"t": seen(), "p": seen(update())}
    row = of_production(replace(fleet(), assessments=without))
    assert (row.outlook, row.at) == (Outlook.BLOCKED, None)
    assert row.in_the_way[0].text == "ring: no machine of test gets it, so it is never proven"
    excludes = of_production(fleet(linux={"exclude": ["openssl"]}))
    assert excludes.outlook == Outlook.BLOCKED
    unseen = of_production(replace(fleet(), assessments={"p": seen(update())}))
    assert (unseen.outlook, unseen.at) == (Outlook.WAITS, on(6))
    has = seen(packages={OPENSSL: "2"})
    there = of_production(replace(fleet(), assessments={"t": has, "p": seen(update())}))
    assert there.outlook == Outlook.WAITS


def test_where_the_ring_before_has_no_window_none_takes_the_fix() -> None:
    row = of_production(fleet(schedule={"start": "2026-01-01 02:00", "expires": "2026-02-01"}))
    assert (row.outlook, row.at) == (Outlook.BLOCKED, None)
    assert "test, which must prove it, has no window for it within 90d" in row.in_the_way[0].detail


def test_rings_wait_for_each_other() -> None:
    of = fleet()
    test, production = of.maintenance.configurations
    dev = made("dev", "Week Monday", scope="d", schedule={"start": "2026-01-01 20:00"})
    after = test.model_copy(update={"ring": Ring(after="dev", soak=3 * DAY)})
    chain = replace(
        of,
        maintenance=Maintenance((dev, after, production), {}),
        inventory=of.inventory.model_copy(
            update={"machines": (Machine(name="d", address="x"), *of.inventory.machines)}
        ),
        assessments={**of.assessments, "d": seen(update())},
    )
    # dev ends on the 3rd at 0:00 and soaks till the 6th; then test's next Tuesday is the 10th.
    assert [(row.machine, row.at) for row in forecast(chain, Sight())] == [
        ("d", on(2, 20)),
        ("t", on(10, 2)),
        ("p", on(13)),
    ]
    never = replace(chain, assessments={**chain.assessments, "d": seen()})
    blocked = of_production(never)
    assert blocked.outlook == Outlook.BLOCKED
    assert blocked.in_the_way[0].detail == (
        "test never gets it: no machine of dev gets it, so it is never proven"
    )


DAYS = st.integers(0, 20)


@given(DAYS, DAYS, st.sampled_from(["wait", "ask"]), st.sampled_from([None, 0, 1, 9]))
def test_a_longer_soak_brings_nothing_forward(
    one: int, two: int, otherwise: str, has: int | None
) -> None:
    """Whether the ring before has it or not, and since whenever."""

    def when(soak: int) -> datetime:
        since = None if has is None else NOW - has * DAY
        good = since is not None and since + soak * DAY <= NOW
        there = HAS_IT if since else {}
        proof = Proof(good=good, release=there, newest=there, since=since)
        row = of_production(replace(fleet(f"{soak} days", otherwise), proofs={"production": proof}))
        assert row.outlook == (Outlook.SCHEDULED if good else Outlook.WAITS)
        assert row.at is not None
        return row.at

    least, most = sorted((one, two))
    assert on(2) <= when(least) <= when(most)
