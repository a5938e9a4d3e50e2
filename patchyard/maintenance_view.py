"""A preview of maintenance windows as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from patchyard.domain.conflicts import Conflict
from patchyard.domain.counting import counted, names
from patchyard.domain.durations import write_duration
from patchyard.domain.expecting import Expected
from patchyard.domain.maintenance_windows import State, Window
from patchyard.domain.preview import Opening
from patchyard.domain.value import Known
from patchyard.untrusted import visible

INDENT = "    "


def render_preview(
    openings: Iterable[Opening], conflicts: Iterable[Conflict], notes: Iterable[str], now: datetime
) -> Iterator[str]:
    """Return the lines: each window with what is in it, then conflicts, then notes."""
    found = tuple(openings)
    for opening in found:
        yield from map(visible, _opening(opening, now))
    wrong = tuple(conflicts)
    yield ""
    yield f"{len(wrong)} conflict{'' if len(wrong) == 1 else 's'}{':' if wrong else '.'}"
    yield from (visible(f"{INDENT}{each.kind}: {each.text}") for each in wrong)
    yield from (visible(f"note: {note}") for note in notes)


def _opening(opening: Opening, now: datetime) -> Iterator[str]:
    window = opening.window
    running = ", open now" if window.holds(now) else ""
    closed = "" if window.state == State.OPEN else f"  {window.state.upper()}: {window.reason}"
    yield f"{_when(window)}  {window.configuration}{running}{closed}"
    if window.note:
        yield f"{INDENT}{window.note}"
    yield f"{INDENT}{window.key}: {window.start:%Y-%m-%d %H:%M} UTC"
    if window.state == State.OPEN:
        if opening.prepare:
            begins = window.start - opening.prepare
            yield f"{INDENT}its run begins at {begins:%Y-%m-%d %H:%M} UTC, to prepare"
        yield f"{INDENT}{_who(opening)}"
        yield f"{INDENT}{_what(opening)}"


def _when(window: Window) -> str:
    local = window.local_start
    return f"{local:%a %Y-%m-%d %H:%M %Z} +{write_duration(window.length)}"


def _who(opening: Opening) -> str:
    count = len(opening.machines)
    if not count:
        return "no machine"
    named = names(machine.name for machine in opening.machines)
    return f"{counted(count, 'machine')}: {named}"


def _what(opening: Opening) -> str:
    """Say what is expected. What depends on a window before it is not guessed."""
    if not opening.machines:
        return "nothing to do"
    if not opening.expected:
        return "updates and reboots: whatever is left after the window before"
    return f"{_updates(opening.expected)}; {_reboots(opening.expected)}{_later(opening)}"


def _updates(expected: tuple[Expected, ...]) -> str:
    seen = [each for each in expected if each.updates is not None]
    unknown = len(expected) - len(seen)
    parts = []
    if seen:
        count = sum(each.updates or 0 for each in seen)
        oldest = min(each.seen_at for each in seen if each.seen_at)
        on = sum(bool(each.updates) for each in seen)
        parts.append(f"{count:,} on {on:,} (seen {oldest:%Y-%m-%d} or later)")
    if unknown:
        parts.append(f"unknown on {unknown:,}, never assessed")
    return f"updates: {', '.join(parts)}"


def _reboots(expected: tuple[Expected, ...]) -> str:
    counted = ((Known.YES, "expected"), (Known.UNKNOWN, "unknown"))
    found = [(sum(each.reboot == state for each in expected), word) for state, word in counted]
    return f"reboots: {', '.join(f'{n:,} {word}' for n, word in found if n) or 'none'}"


def _later(opening: Opening) -> str:
    more = len(opening.machines) - len(opening.expected)
    return f"; {more:,} have a window before this" if more else ""
