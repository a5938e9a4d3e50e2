"""Notices before windows: who is told when, once, and tried again where that failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from patchyard.announcing import Unused, announce
from patchyard.domain.around import Notice
from patchyard.notifiers import Letter, Notifier
from patchyard.providers import load_inventory
from patchyard.store import Store, open_store
from patchyard.telling import Matter, Teller

START = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTES = timedelta(minutes=5)


class Desk:
    """Whoever is told, and a memory."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store
        self.letters: list[Letter] = []
        self.wrong: dict[str, str] = {}

    def write(self, *notices: dict[str, Any], **more: Any) -> None:
        schedule = {
            "recurrence": "Day",
            "start": "2026-01-01 22:00",
            "length": "3h",
            "time_zone": "Europe/Berlin",
            **more,
        }
        web = {"scope": "all", "schedule": schedule, "notices": list(notices)}
        text = yaml.safe_dump({"configurations": {"web": web}})
        (self.folder / "maintenance.yaml").write_text(text)

    def send(self, letter: Letter) -> str:
        self.letters.append(letter)
        return self.wrong.get(letter.address, "")

    def announce(self, now: datetime, *missed: str, given_up: tuple[str, ...] = ()) -> list[str]:
        """Announce; answers the titles that were given now."""
        before = len(self.letters)
        names = ("event", "webhook", "email", "machine")
        ways = {name: Notifier(name, self.send) for name in names}
        announce(self.store, str(self.folder), ways, now, Unused(missed, given_up))
        return [letter.message.title for letter in self.letters[before:]]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "machines.yaml").write_text(
        "machines:\n  web-1: {address: 127.66.0.1}\n  web-2: {address: 127.66.0.2}\n"
    )
    with open_store(f"sqlite:///{tmp_path}/memory.db") as store:
        yield Desk(folder, store)


MAIL = {"to": "email", "address": "a@b.example"}


def test_each_moment_is_told_once_at_its_time(desk: Desk) -> None:
    desk.write({"at": ["24h", "1h", "start"], **MAIL})
    told = {}
    for minutes in range(-5, 26 * 60, 5):
        at = START - 25 * HOUR + timedelta(minutes=minutes)
        for title in desk.announce(at):
            told[at] = title
    own = {at: title for at, title in told.items() if "2026-03-14" in title}
    assert own == {
        START - 24 * HOUR: "Maintenance of 2 machines in 1d: web@2026-03-14",
        START - HOUR: "Maintenance of 2 machines in 1h: web@2026-03-14",
    }
    letter = desk.letters[0]
    assert letter.machines == ("web-1", "web-2")
    assert letter.message.type == "patchyard.window.announced"
    assert "Sat 2026-03-14 22:00 CET (2026-03-14 21:00 to 00:00 UTC)" in next(
        each.message.text for each in desk.letters if "03-14" in each.message.subject
    )


def test_who_comes_late_is_told_the_time_that_is_left_once(desk: Desk) -> None:
    desk.write({"at": ["24h", "1h"], **MAIL})
    assert desk.announce(START - 2 * HOUR) == ["Maintenance of 2 machines in 2h: web@2026-03-14"]
    assert desk.announce(START - 2 * HOUR + MINUTES) == []
    assert len(desk.announce(START - HOUR / 2)) == 1
    assert desk.announce(START - HOUR / 4) == []


def test_a_notice_that_failed_is_tried_again_by_the_next_dispatchers_and_no_more(
    desk: Desk,
) -> None:
    desk.write({"at": ["1h"], **MAIL})
    desk.wrong["a@b.example"] = "no such team"
    given = [len(desk.announce(START - HOUR + n * MINUTES)) for n in range(5)]
    assert given == [1, 1, 1, 0, 0]
    (told,) = desk.store.notices("fleet", "web@2026-03-14", "")
    assert (told.state, told.detail, told.attempts) == ("failed", "no such team", 3)


def test_one_that_fails_keeps_no_other_from_being_given(desk: Desk) -> None:
    desk.write({"at": ["1h"], **MAIL}, {"at": ["1h"], "to": "email", "address": "c@d.example"})

    def broken(letter: Letter) -> str:
        desk.letters.append(letter)
        raise RuntimeError(letter.address)

    desk.send = broken  # type: ignore[method-assign]
    assert len(desk.announce(START - HOUR)) == 2
    states = {each.state for each in desk.store.notices("fleet", "web@2026-03-14", "")}
    assert states == {"failed"}


def test_a_message_on_machines_is_not_repeated_where_some_could_not_be_told(desk: Desk) -> None:
    desk.write({"at": ["1h"], "to": "machine"})
    desk.wrong[""] = "1 of 2 machines could not be told"
    assert [len(desk.announce(START - HOUR + n * MINUTES)) for n in range(3)] == [1, 0, 0]


def test_a_window_that_moved_is_announced_anew_and_one_that_is_skipped_is_not(desk: Desk) -> None:
    desk.write({"at": ["24h"], **MAIL})
    at = START - 20 * HOUR
    assert len(desk.announce(at)) == 1
    later = {"date": "2026-03-14", "to": "2026-03-14 23:00"}
    desk.write({"at": ["24h"], **MAIL}, postpone=[later])
    assert desk.announce(at) == ["Maintenance of 2 machines in 21h: web@2026-03-14"]
    desk.write({"at": ["24h"], "to": "event"}, skip=[{"date": "2026-03-14"}])
    assert desk.announce(at) == []


def test_a_missed_window_is_told_once_to_whoever_is_told_of_failures(desk: Desk) -> None:
    desk.write({"at": ["failure"], **MAIL}, {"at": ["end"], "to": "event"})
    keys = ("web@2026-03-13#linux", "web@2026-03-13#windows", "gone@2026-03-13")
    assert desk.announce(START, *keys) == ["Window web@2026-03-13 was missed"]
    assert desk.announce(START, *keys) == []
    assert desk.letters[0].message.type == "patchyard.window.missed"


def test_two_dispatchers_at_once_tell_once(desk: Desk) -> None:
    """The second comes while the first is sending."""
    desk.write({"at": ["1h"], **MAIL})
    inner = SimpleNamespace(given=-1)
    plain = desk.send

    def slow(letter: Letter) -> str:
        desk.send = plain  # type: ignore[method-assign]
        inner.given = len(desk.announce(START - HOUR))
        return plain(letter)

    desk.send = slow  # type: ignore[method-assign]
    desk.announce(START - HOUR)
    assert inner.given == 0
    assert len(desk.letters) == 1


def test_a_window_that_was_given_up_is_told_once_too(desk: Desk) -> None:
    desk.write({"at": ["failure"], **MAIL})
    for titles in (["Window web@2026-03-14 was given up"], []):
        assert desk.announce(START + HOUR, given_up=("web@2026-03-14",)) == titles
    assert desk.letters[0].message.type == "patchyard.window.failed"
    assert "its runs died before it: nothing was patched" in desk.letters[0].message.text


def test_nothing_that_a_machine_or_a_hook_has_said_acts_on_whoever_reads_it(desk: Desk) -> None:
    teller = Teller(
        desk.store, load_inventory(str(desk.folder)), {"email": Notifier("email", desk.send)}
    )
    matter = Matter("r1", "failure", "t", "s", "a\x1b]0;owned\x07", "b\u202ec\nd", {}, ())
    notice = Notice.model_validate({"at": ["failure"], **MAIL})
    assert teller.give(notice, matter, START) is not None
    (letter,) = desk.letters
    assert letter.message.title == "a<U+001B>]0;owned<U+0007>"
    assert letter.message.text == "b<U+202E>c\nd"
