import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchyard.managers.debian_version import compare, satisfies, sort_key

digits = st.text("0123456789", min_size=1, max_size=4)
body = st.text("01923aAzZ.+~", max_size=10)
versions = st.builds(
    lambda epoch, first, rest, revision: f"{epoch}{first}{rest}{revision}",
    st.one_of(st.just(""), digits.map(lambda text: f"{text}:")),
    digits,
    body,
    st.one_of(st.just(""), st.text("01923aAzZ.+~", min_size=1, max_size=6).map(lambda t: f"-{t}")),
)


def dpkg_says(left: str, relation: str, right: str) -> bool:
    argv = ["dpkg", "--compare-versions", left, relation, right]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not installed")
@given(left=versions, right=versions)
@settings(max_examples=150, deadline=None)
def test_order_is_the_order_of_the_real_dpkg(left: str, right: str) -> None:
    order = compare(left, right)

    assert (order < 0) == dpkg_says(left, "lt", right)
    assert (order == 0) == dpkg_says(left, "eq", right)


@given(left=versions, right=versions)
def test_exactly_one_of_older_equal_newer_holds(left: str, right: str) -> None:
    assert compare(left, right) == -compare(right, left)
    assert (compare(left, right) == 0) == (sort_key(left) == sort_key(right))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0~rc1", "1.0"),
        ("0~rc1", "0"),
        ("1.0-0~bpo1", "1.0"),
        ("1.0", "1.0+deb12u1"),
        ("9.0", "10.0"),
        ("2:1.0", "3:0.1"),
        ("1.0-1", "1.0-1+b1"),
        ("1.0-1~bpo12+1", "1.0-1"),
        ("6.1.0-9-amd64", "6.1.0-10-amd64"),
    ],
)
def test_the_cases_people_trip_over(older: str, newer: str) -> None:
    assert compare(older, newer) == -1


def test_a_missing_revision_or_epoch_is_zero() -> None:
    assert compare("1.0", "0:1.0-0") == 0


@given(versions, versions)
def test_relations_follow_the_order(version: str, wanted: str) -> None:
    order = compare(version, wanted)

    assert satisfies(version, ">=", wanted) == (order >= 0)
    assert satisfies(version, "<<", wanted) == (order < 0)
    assert satisfies(version, "=", wanted) == (order == 0)
    assert satisfies(version, ">>", wanted) == (order > 0)
    assert satisfies(version, "<=", wanted) == (order <= 0)


def test_an_unknown_relation_is_an_error() -> None:
    with pytest.raises(ValueError, match="no relation"):
        satisfies("1", "!=", "2")
