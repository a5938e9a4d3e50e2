"""Every machine is in one wave, the canaries in the first, and no wave has all of one domain."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.inventory import Machine
from patchyard.domain.spread import spread
from patchyard.domain.waves import REST, WaveRule, make_waves, parse_waves
from tests.domain.strategies import fleets, machine, mixed, named, problems_of, unhurried

counts = st.integers(1, 9).map(lambda count: (str(count), count, None))
shares = st.integers(1, 10_000).map(lambda share: (f"{share / 100:.2f}%", None, share))
rule_sets = st.lists(counts | shares, max_size=4)
"""Rules as they are written, and what they mean: a count, or hundredths of a percent."""

Rules = list[tuple[str, int | None, int | None]]


def written(rules: Rules) -> list[str]:
    return [text for text, _, _ in rules]


def size(rule: tuple[str, int | None, int | None], fleet: int) -> int:
    _, count, share = rule
    return count if count is not None else max(1, -(-fleet * (share or 0) // 10_000))


def is_canary(each: Machine) -> bool:
    return each.tags.get("canary", False) in {True, "Yes"}


def names(fleet: tuple[Machine, ...]) -> list[str]:
    return [each.name for each in fleet]


@unhurried
@given(fleets, rule_sets)
def test_every_machine_is_in_exactly_one_wave(fleet: tuple[Machine, ...], rules: Rules) -> None:
    waves = make_waves(fleet, written(rules))
    assert sorted(name for wave in waves for name in wave) == sorted(names(fleet))
    assert all(waves)


@unhurried
@given(fleets, rule_sets, st.randoms(use_true_random=False))
def test_the_same_fleet_in_any_order_has_the_same_waves(
    fleet: tuple[Machine, ...], rules: Rules, random: Random
) -> None:
    again = make_waves(mixed(fleet, random), written(rules))
    assert again == make_waves(fleet, written(rules))


@unhurried
@given(fleets, rule_sets)
def test_all_canaries_are_in_the_first_wave_and_come_first(
    fleet: tuple[Machine, ...], rules: Rules
) -> None:
    canaries = sorted(each.name for each in fleet if is_canary(each))
    waves = make_waves(fleet, written(rules))
    assert list(waves[0][: len(canaries)] if waves else ()) == canaries


@unhurried
@given(fleets, rule_sets)
def test_sizes_obey_the_rules_and_the_rest_is_one_more_wave(
    fleet: tuple[Machine, ...], rules: Rules
) -> None:
    canaries = sum(is_canary(each) for each in fleet)
    left, sizes = len(fleet), []
    for number, rule in enumerate(rules):
        wanted = size(rule, len(fleet))
        sizes.append(min(left, wanted if number else max(wanted, canaries)))
        left -= sizes[-1]
    waves = make_waves(fleet, written(rules))
    assert [len(wave) for wave in waves] == [number for number in [*sizes, left] if number]


@unhurried
@given(fleets, rule_sets)
def test_rest_is_what_no_rule_says(fleet: tuple[Machine, ...], rules: Rules) -> None:
    plain = make_waves(fleet, written(rules))
    assert make_waves(fleet, [*written(rules), "rest"]) == plain


def test_without_rules_there_is_one_wave() -> None:
    fleet = [machine("b"), machine("a")]
    assert make_waves(fleet, []) == (("a", "b"),)
    assert make_waves([], []) == make_waves([], ["1", "rest"]) == ()


@pytest.mark.parametrize("value", [True, "true", "TRUE", "yes", 1, "1"])
def test_a_canary_is_tagged_in_any_way_to_say_yes(value: bool | str | int) -> None:
    fleet = [machine("a"), machine("b", tags={"canary": value})]
    assert make_waves(fleet, ["1"]) == (("b",), ("a",))


@pytest.mark.parametrize("value", [False, "false", "no", 0, ""])
def test_a_machine_that_says_no_is_no_canary(value: bool | str | int) -> None:
    fleet = [machine("a"), machine("b", tags={"canary": value})]
    assert make_waves(fleet, ["1"]) == (("a",), ("b",))


# --- the spread -----------------------------------------------------------------------------


def domains(each: Machine) -> tuple[str, ...]:
    """The failure domains; machines in none are one of their own in each zone."""
    return each.domains or (f"none in {zone(each)}",)


def zone(each: Machine) -> tuple[str, str]:
    return each.region or "", each.zone or ""


def slowly(fleet: tuple[Machine, ...], first: list[Machine]) -> list[str]:
    """The order by its definition: each time the least of all that are left, counted anew.

    It is the one whose domains have given the least, and of those the one whose zone has. How
    much a domain has given is told from the middle of the machine that it would give next, and
    of several domains by the one that is furthest on.
    """
    sizes = Counter(domain for each in fleet for domain in domains(each))
    zones = Counter(map(zone, fleet))
    taken, left = list(first), [each for each in fleet if each not in first]
    while left:
        given = Counter(domain for each in taken for domain in domains(each))
        given_in = Counter(map(zone, taken))

        def rank(
            each: Machine, given: Counter[str] = given, in_zone: Counter[tuple[str, str]] = given_in
        ) -> tuple[Fraction, Fraction, tuple[str, str], str]:
            here = zone(each)
            share = max(Fraction(2 * given[d] + 1, 2 * sizes[d]) for d in domains(each))
            return share, Fraction(2 * in_zone[here] + 1, 2 * zones[here]), here, each.name

        taken.append(min(left, key=rank))
        left.remove(taken[-1])
    return [each.name for each in taken[len(first) :]]


@unhurried
@given(fleets, st.randoms(use_true_random=False))
def test_the_order_is_the_one_of_its_definition(fleet: tuple[Machine, ...], random: Random) -> None:
    first = [each for each in fleet if is_canary(each)]
    assert list(spread(mixed(fleet, random), first=first)) == slowly(fleet, first)


@st.composite
def disjoint(draw: st.DrawFn) -> tuple[tuple[Machine, ...], str]:
    """Draw machines that are in one domain each: a set, a cluster, or nothing but a zone."""
    kind = draw(st.sampled_from(["availability_set", "cluster", "zone"]))
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=7))
    of = [number for number, size in enumerate(sizes) for _ in range(size)]
    zones = ["1"] if kind == "zone" else ["1", "2"]
    fields = [{"zone": draw(st.sampled_from(zones)), kind: f"d{number}"} for number in of]
    return named(draw(st.permutations(fields))), kind


@unhurried
@given(disjoint())
def test_each_beginning_has_its_proportional_share_of_disjoint_domains(
    drawn: tuple[tuple[Machine, ...], str],
) -> None:
    """Of `taken` machines a domain has its exact share, give or take `slack`.

    Half a machine for the rounding, and for each domain beyond two half of the domain's own part
    of the fleet: others may all have been rounded the other way. That is within one machine
    for any domain that is no larger than the average.
    """
    fleet, kind = drawn
    sizes = Counter(getattr(each, kind) for each in fleet)
    of = {each.name: getattr(each, kind) for each in fleet}
    seen: Counter[str] = Counter()
    for taken, name in enumerate(spread(fleet), 1):
        seen[of[name]] += 1
        for domain, whole in sizes.items():
            part = Fraction(whole, len(fleet))
            slack = Fraction(1, 2) + part * Fraction(max(0, len(sizes) - 2), 2)
            assert abs(seen[domain] - taken * part) <= slack


@unhurried
@given(disjoint(), rule_sets)
def test_each_wave_has_its_proportional_share_of_disjoint_domains(
    drawn: tuple[tuple[Machine, ...], str], rules: Rules
) -> None:
    """A wave lies between two beginnings, so that twice their slack is the most."""
    fleet, kind = drawn
    sizes = Counter(getattr(each, kind) for each in fleet)
    of = {each.name: getattr(each, kind) for each in fleet}
    for wave in make_waves(fleet, written(rules)):
        seen = Counter(of[name] for name in wave)
        for domain, whole in sizes.items():
            part = Fraction(whole, len(fleet))
            slack = 1 + part * max(0, len(sizes) - 2)
            assert abs(seen[domain] - len(wave) * part) <= slack


@unhurried
@given(disjoint())
def test_no_domain_is_more_than_a_machine_ahead_of_another(
    drawn: tuple[tuple[Machine, ...], str],
) -> None:
    fleet, kind = drawn
    sizes = Counter(getattr(each, kind) for each in fleet)
    of = {each.name: getattr(each, kind) for each in fleet}
    seen: Counter[str] = Counter()
    for name in spread(fleet):
        seen[of[name]] += 1
        for ahead in seen:
            for behind, whole in sizes.items():
                middle_of_last = Fraction(2 * seen[ahead] - 1, 2 * sizes[ahead])
                assert middle_of_last <= Fraction(2 * seen[behind] + 1, 2 * whole)


def test_two_sets_over_three_zones_are_dealt_in_turn() -> None:
    fleet = [
        machine(f"{kind}-{number}", availability_set=kind, zone=str(number % 3))
        for kind in ("db", "web")
        for number in range(6)
    ]
    order = list(spread(fleet))
    for at in range(0, 12, 6):
        piece = [each for each in fleet if each.name in order[at : at + 6]]
        assert Counter(each.availability_set for each in piece) == {"db": 3, "web": 3}
        assert Counter(each.zone for each in piece) == {"0": 2, "1": 2, "2": 2}


def test_a_zone_says_something_within_its_region_only() -> None:
    fleet = [machine(f"{where}-{n}", region=where, zone="1") for where in "ab" for n in range(3)]
    assert {name[0] for name in list(spread(fleet))[:2]} == {"a", "b"}


def test_what_canaries_took_is_made_up_for() -> None:
    fleet = [machine(f"{kind}-{n}", cluster=kind) for kind in "ab" for n in range(4)]
    order = list(spread(fleet, first=fleet[:2]))
    assert order[:2] == ["b-0", "b-1"]
    assert set(order) == set(names(tuple(fleet[2:])))


# --- what is written wrong ------------------------------------------------------------------

WRONG = ("", "0", "0%", "101%", "many", "-1", "1.5", "25 %%", "1e3", "%", "0.0%")
RIGHT = ("1", "10", "25%", "12.5 %", " 3 ", "100%")


@unhurried
@given(st.lists(st.sampled_from([*WRONG, *RIGHT]), max_size=6))
def test_all_wrong_rules_are_named_at_once(rules: list[str]) -> None:
    wrong = [f"waves[{number}]" for number, rule in enumerate(rules) if rule in WRONG]
    problems = problems_of(lambda: parse_waves(rules))
    assert [problem.field for problem in problems] == wrong
    assert all(problem.message for problem in problems)


def test_what_stands_after_rest_is_named_beside_what_cannot_be_read() -> None:
    problems = problems_of(lambda: parse_waves(["rest", "0", "Rest", "1"]))
    assert sorted(problem.field for problem in problems) == ["waves[1]", "waves[1]", "waves[3]"]


def test_rules_are_read_exactly() -> None:
    assert parse_waves([" 7 ", "0.57%", "REST"]) == (
        WaveRule(count=7),
        WaveRule(percent=Fraction(57, 100)),
        REST,
    )


@pytest.mark.parametrize(
    ("rule", "fleet", "expected"),
    [
        ("1%", 0, 1),
        ("0.57%", 10_000, 57),
        ("0.57%", 10_001, 58),
        ("1%", 3, 1),
        ("100%", 3, 3),
        ("5", 3, 5),
    ],
)
def test_a_share_is_rounded_up_and_exact(rule: str, fleet: int, expected: int) -> None:
    (read,) = parse_waves([rule])
    assert read.size(fleet) == expected
