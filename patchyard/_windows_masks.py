"""Taking names and secrets out of what a person sends to strangers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

SHORTEST = 3
"""Letters of a word that is masked wherever it stands. Shorter ones would tear other words."""

HIDDEN: Mapping[str, str] = MappingProxyType(
    {
        "wu_server": "<a server>",
        "machine_id": "<the id of the machine>",
        "proxy": "<a proxy>",
        "arc_subscription": "<a subscription>",
        "label": "<a label>",
        "renames": "<a file>",
        "renames_2": "<a file>",
        "run_id": "<a job>",
        "starter": "<a token>",
    }
)
"""Fields whose text is masked as a whole: it names what is somebody's own."""

_PATTERNS = (
    (re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"), "<address>"),
    (
        re.compile(r"(?i)(?<![0-9a-f:])(?:[0-9a-f]{1,4}:){3,7}:?[0-9a-f]{0,4}(?![0-9a-f:])"),
        "<address>",
    ),
    (re.compile(r"S-1-5-21-[\d-]+"), "<sid>"),
    (re.compile(r"(?i)\bhttps?://[^\s\"'<>]+"), "<url>"),
    (re.compile(r"(?i)[A-Z]:\\+Users\\+[^\\\s\"]+"), "<a profile>"),
)


@dataclass
class Masks:
    """Words that must not be seen, each with what stands in its place."""

    words: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    def add(self, stand_in: str, *words: str | None) -> None:
        """Mask words from now on. Of a name with dots its parts are masked too."""
        for word in words:
            for part in _parts(word or ""):
                self.words.setdefault(part.lower(), stand_in)

    def text(self, text: str) -> str:
        """Return a text in which nothing of it is left."""
        for secret in self.secrets:
            text = text.replace(secret, "<secret>")
        for pattern, stand_in in _PATTERNS:
            text = pattern.sub(stand_in, text)
        for word in sorted(self.words, key=len, reverse=True):
            plain = re.compile(rf"(?i)(?<![A-Za-z0-9<]){re.escape(word)}(?![A-Za-z0-9>])")
            text = plain.sub(self.words[word], text)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """Return an answer in which nothing of it is left; what is not text keeps its kind."""
        if isinstance(value, dict):
            return {key: self.value(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each, name) for each in value]
        if isinstance(value, str):
            return HIDDEN[name] if name in HIDDEN and value else self.text(value)
        return value


def _parts(word: str) -> Iterable[str]:
    pieces = [word, *re.split(r"[\\@]", word)]
    for piece in dict.fromkeys(pieces):
        if len(piece) >= SHORTEST:
            yield piece
        first = piece.partition(".")[0]
        if first != piece and len(first) >= SHORTEST and not first.isdigit():
            yield first
        domain = piece.partition(".")[2]
        if domain.count(".") >= 1 and not domain.replace(".", "").isdigit():
            yield domain
