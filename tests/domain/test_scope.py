from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain import conditions as c
from patchyard.domain.inventory import Machine
from patchyard.domain.scope import DEEPEST, Scope, parse
from patchyard.errors import ConfigurationError

WEB = Machine(
    name="web-1",
    address="web-1.example",
    zone="1",
    groups=("prod", "web"),
    tags={"role": "web", "frozen": False, "cost centre": 7, "kubernetes.io/role": "node"},
    facts={"cpu": {"cores": 8, "flags": ["avx", "sse"]}, "a.b": {"c": "x"}},
)
DATABASE = Machine(
    name="db-1", address="db-1.example", zone="2", tags={"role": "db", "frozen": True}
)
BARE = Machine(name="bare", address="bare.example")
FLEET = (WEB, DATABASE, BARE)


def selected(text: str) -> list[str]:
    return [machine.name for machine in parse(text).select(FLEET)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "web-1 db-1 bare"),
        ("  ", "web-1 db-1 bare"),
        ("all", "web-1 db-1 bare"),
        ("*", "web-1 db-1 bare"),
        ("all and not zone == 1", "db-1 bare"),
        ("web-1", "web-1"),
        ("WEB-*", "web-1"),
        ("web-1, db-*", "web-1 db-1"),
        ("web-1,bare and not zone exists", "bare"),
        ("db-[!2]", "db-1"),
        ("name ~ W*", "web-1"),
        ("name !~ w*", "db-1 bare"),
        ("name == WEB-1", ""),
        ("tags.role == web", "web-1"),
        ("tags.role != web", "db-1 bare"),
        ('tags.role == web and not zone in ("1","2")', ""),
        ("zone in (1, 2)", "web-1 db-1"),
        ("zone not in (1)", "db-1 bare"),
        ("zone ~ *", "web-1 db-1"),
        ("zone !~ *", "bare"),
        ("zone exists", "web-1 db-1"),
        ("not zone exists", "bare"),
        ("tags.frozen", "db-1"),
        ("not tags.frozen", "web-1 bare"),
        ("tags.frozen exists", "web-1 db-1"),
        ("tags.frozen == true", "db-1"),
        ("tags.frozen == false", "web-1"),
        ('tags."cost centre" == 7', "web-1"),
        ("tags.kubernetes.io/role == node", "web-1"),
        ("facts.cpu.cores == 8", "web-1"),
        ("facts.cpu.flags == sse", "web-1"),
        ("facts.cpu.flags != sse", "db-1 bare"),
        ("facts.cpu exists", "web-1"),
        ("facts.cpu.nothing exists", ""),
        ("facts.a.b.c == x", "web-1"),
        ("group == web", "web-1"),
        ("group != web", "db-1 bare"),
        ("group in (prod, other)", "web-1"),
        ("platform == other", "web-1 db-1 bare"),
        ("zone == 1 or zone == 2 and name == bare", "web-1"),
        ("(zone == 1 or zone == 2) and name == db-1", "db-1"),
        ("not zone == 1 and not zone == 2", "bare"),
        ("NOT zone == 1 AND zone EXISTS", "db-1"),
        ("address == 'web-1.example'", "web-1"),
    ],
)
def test_expressions_select(text: str, names: str) -> None:
    assert selected(text) == names.split()


@pytest.mark.parametrize(
    ("text", "machine", "because"),
    [
        ("all", WEB, "every machine is in scope"),
        ("web-1", DATABASE, "name db-1 does not match web-1"),
        ("web-*, db-*", DATABASE, "name db-1 matches db-*"),
        ("zone == 1", WEB, "zone is 1"),
        ("zone == 1", DATABASE, "zone is 2, not 1"),
        ("zone == 1", BARE, "zone is not set"),
        ("zone != 1", DATABASE, "zone is 2, not 1"),
        ("zone in (1, 3)", DATABASE, "zone is 2, not one of 1, 3"),
        ("tags.role ~ w*", WEB, "tags.role is web, which matches w*"),
        ("tags.role ~ w*", DATABASE, "tags.role is db, which does not match w*"),
        ("group == web", WEB, "in groups prod, web"),
        ("group == db", WEB, "in groups prod, web, not db"),
        ("tags.role == web and zone == 1", DATABASE, "tags.role is db, not web; zone is 2, not 1"),
        ("tags.role == web and zone == 2", WEB, "zone is 1, not 2"),
        ("tags.role == web or zone == 2", WEB, "tags.role is web"),
        ("not (tags.role == web and zone == 2)", WEB, "zone is 1, not 2"),
        ("facts.cpu.flags == avx", WEB, "facts.cpu.flags is avx, sse"),
    ],
)
def test_the_reason_names_what_decided_with_the_actual_values(
    text: str, machine: Machine, because: str
) -> None:
    assert parse(text).explain(machine).because == because


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("tag.role == web", 1, "did you mean tags.role?"),
        ("zones == 1", 1, "did you mean zone?"),
        ("groups == web", 1, "did you mean group?"),
        ("zone", 1, "zone is an attribute"),
        ("zone = 1", 6, "write == to compare"),
        ("zone < 1", 6, "no order"),
        ("web-1 && db-1", 7, "write and"),
        ("web-1 || db-1", 7, "write or"),
        ("!web-1", 1, "write not"),
        ("zone == 1 zone == 2", 11, "join conditions by and, or"),
        ("(zone == 1", 1, "not closed"),
        ("zone == 1)", 10, "not expected"),
        ("zone in 1", 9, "list in parentheses"),
        ("zone in ()", 10, "a value is expected"),
        ("zone ==", 8, "a value is expected"),
        ("zone == and", 9, 'put the word in quotes: "and"'),
        ("zone not 1", 10, "in is expected"),
        ("web-1,", 7, "after the comma"),
        ('zone == "1', 9, "closing quote"),
        ("()", 2, "a condition is expected"),
        ("and", 1, "a condition is expected"),
        ("platform == azur", 13, "did you mean azure?"),
        ("os_family in (debian, rhle)", 23, "did you mean rhel?"),
        ("tags. == 1", 1, "unknown attribute"),
        ("not " * (DEEPEST + 1) + "a", 4 * (DEEPEST + 1) + 1, "nested deeper"),
    ],
)
def test_a_mistake_is_shown_with_its_place(text: str, column: int, part: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    message, shown, caret = problem.message.split("\n")
    assert part in message
    assert message.endswith(f"(column {column})")
    assert problem.field == "scope"
    assert shown[caret.index("^") : caret.index("^") + 1] == text[column - 1 : column]


def test_names_that_fit_no_machine_are_told() -> None:
    scope = parse("web-1, wbe-2 and not (db-9 or zone == 1)")
    assert scope.unmatched_names(FLEET) == ("wbe-2", "db-9")
    assert parse("web-*").unmatched_names(FLEET) == ()


def test_a_very_long_expression_is_refused_not_suffered() -> None:
    with pytest.raises(ConfigurationError):
        parse("a" * 1_000_000)


WORDS = st.sampled_from(
    ["web", "db", "1", "2", "web-1", "w*", "a b", "and", "!x", "zone", "", '"\\']
)
ATTRIBUTES = st.sampled_from(
    ["name", "zone", "cluster", "group", "tags.role", "tags.a b", "facts.cpu.cores", "facts.a.b.c"]
)
FREE = st.sampled_from(["tags.role", "tags.frozen", "tags.a b", "facts.cpu", "facts.x."])
LEAVES = st.one_of(
    st.just(c.Everything()),
    st.lists(WORDS, min_size=1, max_size=3).map(lambda words: c.Named(tuple(words))),
    st.builds(c.Compared, ATTRIBUTES, st.sampled_from(["==", "!=", "~", "!~"]), WORDS),
    st.builds(c.OneOf, ATTRIBUTES, st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
    st.builds(c.Exists, ATTRIBUTES),
    st.builds(c.Truthful, FREE),
)
CONDITIONS: st.SearchStrategy[c.Condition] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(c.Not, inner),
        st.builds(c.Both, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(c.Either, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
MACHINES = st.builds(
    Machine,
    name=st.sampled_from(["web-1", "web-2", "db-1"]),
    address=st.just("host.example"),
    zone=st.sampled_from([None, "1", "2"]),
    groups=st.sampled_from([(), ("web",), ("web", "db")]),
    tags=st.dictionaries(
        st.sampled_from(["role", "frozen", "a b"]), st.sampled_from(["web", 1, True])
    ),
    facts=st.sampled_from([{}, {"cpu": {"cores": 1}}, {"a.b": {"c": ["1", "2"]}}]),
)


@given(CONDITIONS)
def test_the_text_of_a_scope_parses_to_the_same_scope(condition: c.Condition) -> None:
    assert parse(str(Scope(condition))) == Scope(condition)


@given(CONDITIONS, MACHINES)
def test_two_negations_are_none(condition: c.Condition, machine: Machine) -> None:
    twice = Scope(c.Not(c.Not(condition)))
    assert twice.matches(machine) == Scope(condition).matches(machine)
    assert Scope(c.Not(condition)).matches(machine) != Scope(condition).matches(machine)


@given(CONDITIONS, CONDITIONS, MACHINES)
def test_de_morgan(a: c.Condition, b: c.Condition, machine: Machine) -> None:
    assert c.Not(c.Both((a, b))).holds(machine) == c.Either((c.Not(a), c.Not(b))).holds(machine)
    assert c.Not(c.Either((a, b))).holds(machine) == c.Both((c.Not(a), c.Not(b))).holds(machine)


@given(CONDITIONS, st.lists(MACHINES, max_size=4))
def test_the_reasons_agree_with_the_selection(
    condition: c.Condition, machines: list[Machine]
) -> None:
    scope = Scope(condition)
    explained = [machine for machine in machines if scope.explain(machine).selected]
    assert list(scope.select(machines)) == explained
    assert all(scope.explain(machine).because for machine in machines)


@given(ATTRIBUTES, WORDS, MACHINES)
def test_unequal_is_the_opposite_of_equal_even_where_nothing_is_set(
    attribute: str, word: str, machine: Machine
) -> None:
    for operator in ("==", "~"):
        yes = c.Compared(attribute, operator, word)
        no = c.Compared(attribute, "!=" if operator == "==" else "!~", word)
        assert yes.holds(machine) != no.holds(machine)


MARKS = [*"()~,\"'!=&|<>\\*. \n", "==", "!=", "!~", "and", "or", "not", "in", "exists", "all"]
PARTS = ["zone", "tags.", "tags.a", 'tags."a"', "web-*", "platform", "azure", "x" * 300]
PIECES = st.sampled_from([*MARKS, *PARTS])


@given(st.one_of(st.text(), st.lists(PIECES).map(" ".join), st.lists(PIECES).map("".join)))
def test_any_text_parses_or_is_refused_in_words(text: str) -> None:
    try:
        scope = parse(text)
    except ConfigurationError:
        return
    scope.explain(WEB)
    assert parse(str(scope)) == scope
