from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.inventory import Inventory
from patchyard.domain.updates import Rival
from patchyard.domain.value import Known
from patchyard.domain.watch import GONE, Kind, Sighting, Watched, by_machine, watch
from patchyard.testing.assessments import assessment
from tests.domain.test_conflicts import DAYS, NOW, case, machine, made

OLD, NEW = "ssh-ed25519 SHA256:old", "ssh-ed25519 SHA256:new"


def inventory(*names: str) -> Inventory:
    return Inventory(name="x", folder="/x", machines=tuple(machine(name) for name in names))


def looks(*rows: dict[str, Any], name: str = "a") -> list[Sighting]:
    """Sightings, newest first, a day apart; the newest was made now."""
    return [Sighting(machine=name, at=NOW - n * DAYS, **row) for n, row in enumerate(rows)]


def told(sightings: list[Sighting], kind: Kind, **more: Any) -> list[str]:
    found = watch(Watched(inventory("a", "b"), NOW, by_machine(sightings), **more))
    return [each.text for each in found if each.kind == kind]


SEEN: dict[str, Any] = {"machine_id": "1", "host_key": OLD}
SILENT = {"fault": "unreachable"}


# Vanished


def test_a_machine_that_did_not_answer_three_times_has_vanished() -> None:
    assert told(looks(SILENT, {"fault": "timed_out"}, SILENT, SEEN), Kind.VANISHED) == [
        (
            "a did not answer to 3 assessments in a row, the first of them 2026-02-27 12:00 UTC; "
            "last seen 2026-02-26 12:00 UTC"
        )
    ]


def test_how_often_is_asked_for_and_one_that_was_never_seen_is_told_as_such() -> None:
    assert told(looks(SILENT, SILENT), Kind.VANISHED) == []
    (text,) = told(looks(SILENT, SILENT), Kind.VANISHED, unreachable=2)
    assert text.endswith("it was not seen before that")


def test_a_machine_that_answers_and_refuses_has_not_vanished() -> None:
    refused = {"fault": "authentication_failed"}
    assert told(looks(refused, refused, refused), Kind.VANISHED) == []
    assert told(looks(SILENT, SILENT, refused, SILENT), Kind.VANISHED) == []


@given(
    st.lists(st.sampled_from(["", "unreachable", "timed_out", "script_failed"]), max_size=8),
    st.integers(1, 5),
)
def test_vanished_is_exactly_so_many_silent_looks_and_none_after_them(
    faults: list[str], needed: int
) -> None:
    silent = 0
    for fault in faults:
        if fault not in GONE:
            break
        silent += 1
    sightings = looks(*({"fault": fault} for fault in faults))
    assert bool(told(sightings, Kind.VANISHED, unreachable=needed)) == (silent >= needed)


def test_what_is_remembered_of_machines_that_the_inventory_has_no_more_is_not_told() -> None:
    assert watch(Watched(inventory("b"), NOW, by_machine(looks(SILENT, SILENT, SILENT)))) == ()


# Recreated


def test_another_machine_id_and_another_host_key_are_told_with_when() -> None:
    new = {"machine_id": "2", "host_key": NEW}
    assert told(looks(new, new, SEEN), Kind.RECREATED) == [
        (
            "a has another machine-id and another host key since 2026-02-28 12:00 UTC "
            "(before that seen 2026-02-27 12:00 UTC)"
        )
    ]


def test_a_change_is_told_across_looks_that_saw_nothing_and_only_while_it_is_recent() -> None:
    rows = looks({"machine_id": "2"}, SILENT, SEEN)
    assert told(rows, Kind.RECREATED) == [
        (
            "a has another machine-id since 2026-03-01 12:00 UTC "
            "(before that seen 2026-02-27 12:00 UTC)"
        )
    ]
    assert told(rows, Kind.RECREATED, recent=timedelta(seconds=-1)) == []


def test_what_was_not_told_or_is_a_key_of_another_kind_is_no_change() -> None:
    unknown = {"machine_id": "", "host_key": ""}
    assert told(looks(unknown, SEEN), Kind.RECREATED) == []
    other_kind = {"machine_id": "1", "host_key": "ssh-rsa SHA256:rsa"}
    assert told(looks(other_kind, SEEN), Kind.RECREATED) == []


def test_a_known_machine_whose_host_key_is_rejected_now_is_told_and_a_new_one_is_not() -> None:
    rejected = {"fault": "host_key_rejected", "detail": "the host key has changed"}
    assert told(looks(rejected, SEEN), Kind.RECREATED) == [
        "a is not known any more, last seen 2026-02-28 12:00 UTC: the host key has changed"
    ]
    assert told(looks(rejected, rejected), Kind.RECREATED) == []


@given(st.lists(st.sampled_from(["1", "2", ""]), max_size=6))
def test_recreated_is_told_exactly_where_two_known_ids_in_a_row_differ(ids: list[str]) -> None:
    sightings = looks(*({"machine_id": each} for each in ids))
    known = itertools.pairwise(ids)
    expected = any(one and other and one != other for one, other in known)
    assert bool(told(sightings, Kind.RECREATED)) == expected


def test_two_machines_with_one_machine_id_are_told() -> None:
    sightings = looks(SEEN) + looks(SEEN, name="b")
    assert told(sightings, Kind.TWIN) == [
        "a, b have one machine-id: copies, or one machine listed twice"
    ]
    assert told(looks(SEEN) + looks({"machine_id": "2"}, name="b"), Kind.TWIN) == []


# Rivals, overlaps, scopes


def test_rivals_that_are_on_and_those_that_may_be_are_told_apart() -> None:
    def with_rival(name: str, active: Known) -> Any:
        return assessment(name, rivals=(Rival(name="unattended-upgrades", active=active),))

    seen = {"a": with_rival("a", Known.YES), "b": with_rival("b", Known.UNKNOWN)}
    off = {"a": with_rival("a", Known.NO)}
    assert sorted(told([], Kind.RIVAL, assessments=seen)) == [
        "unattended-upgrades installs updates by itself on a",
        "unattended-upgrades may install updates by itself on b",
    ]
    assert told([], Kind.RIVAL, assessments=off) == []


def test_overlaps_and_machines_in_no_scope_are_told_and_without_maintenance_they_are_not() -> None:
    two = (
        made("daily", "Day", "01:00", scope="a"),
        made("weekly", "Week Sunday", "02:00", scope="a"),
    )
    (overlap,) = told([], Kind.OVERLAP, case=case(*two))
    assert overlap.startswith("daily and weekly overlap on a, 12 times; first daily@2026-03-08")
    assert told([], Kind.NO_SCOPE, case=case(*two)) == [
        "in the scope of no maintenance configuration: b"
    ]
    assert told([], Kind.NO_SCOPE) == []


def test_a_configuration_of_hosts_covers_no_machine() -> None:
    hosts = made("hosts", "Day", "01:00", kind="host", scope="all")
    assert told([], Kind.NO_SCOPE, case=case(hosts)) == [
        "in the scope of no maintenance configuration: a, b"
    ]
