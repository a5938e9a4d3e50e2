"""Scope: an expression that selects machines, and says why each is in or out.

    scope      = [ either ]                        nothing, `all` and `*` mean every machine
    either     = both { "or" both }
    both       = negation { "and" negation }
    negation   = "not" negation | "(" either ")" | condition
    condition  = attribute ( "==" | "!=" | "~" | "!~" ) value
               | attribute [ "not" ] "in" "(" value { "," value } ")"
               | attribute "exists"
               | ( "tags." | "facts." ) NAME       set, and not false
               | name { "," name }                 machines by name, wildcards allowed
               | "all" | "*"

`docs/inventory.md` tells it with examples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NoReturn, cast

from patchyard.domain.attributes import CHOICES, KNOWN, PLAIN, is_attribute, is_free
from patchyard.domain.conditions import (
    KEYWORDS,
    Both,
    Compared,
    Condition,
    Either,
    Everything,
    Exists,
    Named,
    Not,
    OneOf,
    Truthful,
)
from patchyard.domain.inventory import Machine
from patchyard.domain.scope_tokens import Token, fail, tokens
from patchyard.domain.spelling import nearest, suggestion
from patchyard.errors import ConfigurationError

DEEPEST = 50
"""So deep may parentheses and `not` be nested."""

LONGEST = 20_000
"""So many characters may an expression have."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Whether a machine is selected, and what about it decides that."""

    selected: bool
    because: str


@dataclass(frozen=True, slots=True)
class Scope:
    """A selection of machines. Its text parses to the same scope again."""

    condition: Condition

    def matches(self, machine: Machine) -> bool:
        """Say whether a machine is selected."""
        return self.condition.holds(machine)

    def select(self, machines: Iterable[Machine]) -> tuple[Machine, ...]:
        """Return the selected machines in their order."""
        return tuple(machine for machine in machines if self.condition.holds(machine))

    def explain(self, machine: Machine) -> Reason:
        """Say why a machine is in or out, with its actual values."""
        return Reason(self.matches(machine), "; ".join(self.condition.because(machine)))

    def unmatched_names(self, machines: Iterable[Machine]) -> tuple[str, ...]:
        """Return the names and wildcards that fit none of these machines: probably misspelt."""
        known = tuple(machines)
        patterns = dict.fromkeys(_patterns(self.condition))
        return tuple(
            pattern
            for pattern in patterns
            if not any(Named((pattern,)).holds(machine) for machine in known)
        )

    def __str__(self) -> str:
        return str(self.condition)


def _patterns(condition: Condition) -> Iterable[str]:
    match condition:
        case Named(patterns):
            yield from patterns
        case Not(part):
            yield from _patterns(part)
        case Both(parts) | Either(parts):
            for part in parts:
                yield from _patterns(part)


def parse(text: str) -> Scope:
    """Read a scope expression.

    Raises:
        ConfigurationError: it cannot be read; the message shows the place and what to write.
    """
    if not text.strip():
        return Scope(Everything())
    if len(text) > LONGEST:
        raise ConfigurationError.of(f"is longer than {LONGEST:,} characters", field="scope")
    parser = _Parser(text)
    condition = parser.either(0)
    parser.end()
    return Scope(condition)


class _Parser:
    """Reads tokens from left to right; each method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tuple(tokens(text))
        self._next = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self, *kinds: str) -> Token | None:
        """Return the next token and go on, if it is of one of these kinds."""
        token = self._token
        if token.kind not in kinds:
            return None
        self._next += 1
        return token

    def _fail(self, token: Token, message: str) -> NoReturn:
        fail(self._text, token.start, token.end, message)

    def end(self) -> None:
        if self._token.kind != "end":
            self._fail(
                self._token, f"{self._token.told} is not expected here; join conditions by and, or"
            )

    def either(self, depth: int) -> Condition:
        parts = [self._both(depth)]
        while self._take("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, depth: int) -> Condition:
        parts = [self._negation(depth)]
        while self._take("and"):
            parts.append(self._negation(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _negation(self, depth: int) -> Condition:
        if depth > DEEPEST:
            self._fail(self._token, f"is nested deeper than {DEEPEST} levels")
        if self._take("not"):
            return Not(self._negation(depth + 1))
        opening = self._take("(")
        if opening is None:
            return self._condition()
        inner = self.either(depth + 1)
        if not self._take(")"):
            self._fail(opening, "this parenthesis is not closed")
        return inner

    def _condition(self) -> Condition:
        token = self._take("word", "string", "all")
        if token is None:
            self._fail(
                self._token,
                f"{self._token.told} stands where a condition is expected, "
                "such as zone == 1, tags.role == web or web-*",
            )
        if token.kind == "all":
            return Everything()
        return self._about(token) or self._named(token)

    def _about(self, token: Token) -> Condition | None:
        """Read what is asked about an attribute; None where no question follows."""
        if operator := self._take("==", "!=", "~", "!~"):
            return self._compared(self._attribute(token), operator)
        if self._token.kind in {"in", "not"}:
            negated = self._take("not")
            if not self._take("in"):
                self._fail(self._token, "in is expected after not, such as zone not in (1, 2)")
            listed = self._one_of(self._attribute(token))
            return Not(listed) if negated else listed
        if self._take("exists"):
            return Exists(self._attribute(token))
        return None

    def _attribute(self, token: Token) -> str:
        if token.kind != "word" or not is_attribute(token.text):
            self._fail(token, f"unknown attribute {token.told}; {_meant(token.text)}")
        return token.text

    def _compared(self, attribute: str, operator: Token) -> Condition:
        sign = cast(Literal["==", "!=", "~", "!~"], operator.kind)
        return Compared(attribute, sign, self._value(attribute, choices="~" not in sign))

    def _one_of(self, attribute: str) -> Condition:
        if not self._take("("):
            self._fail(self._token, "a list in parentheses is expected, such as zone in (1, 2)")
        found = [self._value(attribute, choices=True)]
        while self._take(","):
            found.append(self._value(attribute, choices=True))
        if not self._take(")"):
            self._fail(self._token, "a comma or a closing parenthesis is expected in this list")
        return OneOf(attribute, tuple(found))

    def _value(self, attribute: str, *, choices: bool) -> str:
        token = self._take("word", "string")
        if token is None:
            quoted = ', or put the word in quotes: "' + self._token.text + '"'
            self._fail(
                self._token,
                f"a value is expected{quoted if self._token.kind in KEYWORDS else ''}",
            )
        if choices and attribute in CHOICES:
            self._must_be_choice(attribute, token)
        return token.text

    def _must_be_choice(self, attribute: str, token: Token) -> None:
        known = [choice.value for choice in CHOICES[attribute]]
        if token.text not in known:
            self._fail(token, f"{attribute} is never {token.told}; {suggestion(token.text, known)}")

    def _named(self, token: Token) -> Condition:
        """Read names with wildcards, or a tag or fact that stands alone."""
        if token.kind == "word" and token.text == "*" and self._token.kind != ",":
            return Everything()
        patterns = [self._pattern(token)]
        if token.kind == "word" and is_free(token.text):
            return Truthful(token.text)
        while self._take(","):
            following = self._take("word", "string")
            if following is None:
                self._fail(self._token, "a machine's name is expected after the comma")
            patterns.append(self._pattern(following))
        return Named(tuple(patterns))

    def _pattern(self, token: Token) -> str:
        if token.kind == "word" and token.text in (*PLAIN, "group"):
            self._fail(
                token,
                f"{token.text} is an attribute; write {token.text} == VALUE or {token.text} exists",
            )
        return token.text


def _meant(attribute: str) -> str:
    """Suggest a known attribute; of a tag or fact the operator's own part is kept."""
    head, _, rest = attribute.partition(".")
    near = nearest(head, ("tags", "facts")) if rest else None
    return f"did you mean {near}.{rest}?" if near else suggestion(attribute, KNOWN)
