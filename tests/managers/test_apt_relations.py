from hypothesis import given
from hypothesis import strategies as st

from patchyard.managers.apt.relations import (
    Change,
    Needs,
    Relation,
    parse_relation,
    requirements,
)


def change(name: str, *, depends: str = "", breaks: str = "", before: str = "") -> Change:
    return Change(
        key=f"{name}:amd64",
        name=name,
        old="1",
        new="2",
        before=Needs(depends=before),
        after=Needs(depends=depends, breaks=breaks),
    )


def required(*changes: Change, **provided: str) -> dict[str, set[str]]:
    installed = {c.name: c.old for c in changes}
    found = requirements(changes, installed, set(provided))
    return {key.partition(":")[0]: {k.partition(":")[0] for k in v} for key, v in found.items()}


def test_relations_are_read_with_version_and_architecture() -> None:
    assert parse_relation(" libssl3:any (>= 3.0.9) [amd64]") == Relation("libssl3", ">=", "3.0.9")
    assert parse_relation("debconf") == Relation("debconf")


def test_a_new_version_that_needs_another_new_version_requires_it() -> None:
    assert required(change("a", depends="b (>= 2)"), change("b"))["a"] == {"b"}


def test_what_is_installed_already_is_not_required() -> None:
    assert required(change("a", depends="b (>= 1)"), change("b"))["a"] == set()


def test_one_fulfilled_alternative_is_enough() -> None:
    assert required(change("a", depends="b (>= 2) | c"), change("b"), change("c"))["a"] == set()


def test_something_provided_is_enough() -> None:
    found = required(change("a", depends="virtual | b (>= 2)"), change("b"), virtual="")

    assert found["a"] == set()


def test_a_package_that_would_be_broken_must_come_along() -> None:
    assert required(change("a", breaks="b (<< 2)"), change("b"))["a"] == {"b"}


def test_a_package_left_behind_with_an_exact_dependency_must_come_along() -> None:
    found = required(change("lib"), change("tool", depends="lib (= 2)", before="lib (= 1)"))

    assert found == {"lib": {"tool"}, "tool": {"lib"}}


names = st.sampled_from(["a", "b", "c", "d"])
clauses = st.lists(
    st.builds(
        lambda name, op, version: f"{name} ({op} {version})",
        names,
        st.sampled_from(["=", ">=", "<<", "<=", ">>"]),
        st.sampled_from(["1", "2", "3"]),
    ),
    max_size=4,
).map(", ".join)


@given(st.dictionaries(names, st.tuples(clauses, clauses, clauses), min_size=1))
def test_requirements_name_only_other_changes(needs: dict[str, tuple[str, str, str]]) -> None:
    changes = [
        change(name, depends=depends, breaks=breaks, before=before)
        for name, (depends, breaks, before) in needs.items()
    ]

    found = required(*changes)

    assert set(found) == set(needs)
    assert all(others <= set(needs) - {name} for name, others in found.items())
