from __future__ import annotations

import pytest

from patchyard.yaml_text import read


def said(text: str) -> list[str]:
    return [str(problem) for problem in read(text, file="a.yaml").problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("22", 22),
        ("-5", -5),
        ("1.5", 1.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("no-such", "no-such"),
        ('"no"', "no"),
        ("'022'", "022"),
        ("2024-01-01", "2024-01-01"),
        ("1e3", "1e3"),
        ("=", "="),
        ("[1, a]", [1, "a"]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
    ],
)
def test_values_are_read_as_they_are_written(written: str, value: object) -> None:
    document = read(f"a: {written}", file="a.yaml")
    assert document.problems == []
    assert document.value == {"a": value}


@pytest.mark.parametrize("written", ["no", "yes", "on", "Off"])
def test_words_that_yaml_takes_for_truth_values_are_refused(written: str) -> None:
    (problem,) = said(f"\na: {written}")
    assert problem.startswith("a.yaml:2: a: would be read as a truth value; write true or false")


@pytest.mark.parametrize("written", ["022", "1_000", "0x1F", "1:30", "1.10", ".5", ".inf", "+1"])
def test_numbers_that_yaml_reads_otherwise_are_refused(written: str) -> None:
    (problem,) = said(f"a: {written}")
    assert "put it in quotes where it is text" in problem


def test_a_key_that_stands_twice_is_told_with_both_lines() -> None:
    document = read("a:\n  b: 1\n  c: 2\n  b: 3", file="a.yaml")
    assert [str(problem) for problem in document.problems] == [
        "a.yaml:4: a.b: stands twice; it is already in line 2"
    ]
    assert document.value == {"a": {"b": 1, "c": 2}}


def test_merged_keys_are_followed_and_own_keys_win() -> None:
    document = read("a: &a {x: 1, y: 2}\nb: &b {y: 3}\nc: {<<: [*b, *a], x: 4}", file="a.yaml")
    assert document.problems == []
    assert document.value["c"] == {"x": 4, "y": 3}


def test_the_line_of_a_missing_value_is_its_holders() -> None:
    document = read("a:\n  b:\n    - 1\n    - {c: 2}", file="a.yaml")
    assert document.line(("a", "b", 1, "c")) == 4
    assert document.line(("a", "b", 1, "d")) == 4
    assert document.line(("a", "x")) == 1
    assert document.line(("a", "b", 7)) == 2
    assert document.holds(("a", "b", 1, "c"))
    assert not document.holds(("a", "b", 7))


@pytest.mark.parametrize(
    "text",
    [
        "a: *hunter2",
        "a: !hunter2 x",
        "a: &hunter2 1\nb: &hunter2 2",
        "a: %hunter2",
        'a: "\\hunter2"',
        "a: [hunter2",
        "a: 0123\nb: 0x5ec2e7",
        "a: hunter2: x",
        "%hunter2\n---\na: 1",
        "a: @hunter2",
        "a: 'hunter2",
    ],
)
def test_no_message_repeats_a_value(text: str) -> None:
    problems = said(text)
    assert problems
    assert not any("hunter2" in each or "0123" in each or "5ec2" in each for each in problems)


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: 1\nb: *x", 2, "must stand in quotes"),
        ("a: b: c", 1, "a colon and a space"),
        ("a: 1\n\tb: 2", 2, "spaces, not tabs"),
        ("a: 1\n---\nb: 2", 2, "one document"),
        ('a: "c:\\d"', 1, "a backslash is written twice"),
        ("a:\n  b: 1\n c: 2", 3, "no valid YAML"),
    ],
)
def test_a_mistake_of_syntax_is_told_with_its_line(text: str, line: int, part: str) -> None:
    (problem,) = said(text)
    assert problem.startswith(f"a.yaml:{line}: ")
    assert part in problem


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {b: *a}",
        "[" * 9_000 + "]" * 9_000,
        "- " * 9_000,
        "".join(" " * depth + "a:\n" for depth in range(1_000)),
        "? [a]\n: 1",
        "a: {<<: 1}",
        "a: \x07",
    ],
)
def test_what_would_overwhelm_the_reader_is_refused(text: str) -> None:
    assert said(text)


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (problem,) = said("\n".join(lines))
    assert "values, aliases followed" in problem
