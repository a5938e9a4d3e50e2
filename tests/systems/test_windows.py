"""Windows as a system: scripts whose values stand beside them, answers, boots, states of jobs."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.inventory import Machine, OsFamily
from patchyard.errors import (
    MachineError,
    MalformedOutput,
    PrivilegeRefused,
    ScriptFailed,
    Unreachable,
)
from patchyard.jobs import Job, JobState, State
from patchyard.systems import system_for
from patchyard.systems.windows import SYSTEM
from patchyard.transports.base import Completed, Parameters

NONCE = "0123456789abcdef"
HOSTILE = "'; Remove-Item C:\\ -Recurse; '"
ENTRY = {"name": "x", "status": 0, "value": {"a": [1, None, "\u00e9"]}}


def packed(*entries: dict[str, Any], nonce: str = NONCE) -> str:
    data = gzip.compress(json.dumps({"sections": entries}).encode())
    return f"@@{nonce} {base64.b64encode(data).decode()}"


def test_the_system_serves_windows() -> None:
    machine = Machine(name="a", address="a.example", os_family=OsFamily.WINDOWS)
    assert system_for(machine) is SYSTEM
    assert SYSTEM.language == "ps1"


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers()))
def test_no_value_changes_the_text_of_a_script(values: dict[str, object]) -> None:
    script = SYSTEM.script("windows/reboot", NONCE, values)
    assert script.text == SYSTEM.script("windows/reboot", "other", {}).text
    assert script.parameters == {**values, "nonce": NONCE, "job": None}


class TestAnswers:
    def test_a_marked_line_is_unpacked_and_noise_around_it_is_not_read(self) -> None:
        output = f"welcome\n@@other AAAA\n{packed(ENTRY)}\nbye\n"
        section = SYSTEM.read(output, NONCE)["x"]
        assert json.loads(section.require()) == ENTRY["value"]

    def test_a_jobs_output_is_plain(self) -> None:
        output = "\ufeff" + json.dumps({"sections": [ENTRY]})
        assert SYSTEM.read(output, NONCE)["x"].status == 0

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            ({"message": "no route", "hresult": -2145123272}, "0x80240438 no route"),
            ({"message": "a\n b", "hresult": 0}, "a b"),
            ({"message": "", "hresult": 5, "type": "T"}, "0x00000005 T"),
            (None, "no error is told"),
        ],
    )
    def test_an_error_is_one_line_that_begins_with_its_code(self, error: Any, said: str) -> None:
        entry = {"name": "x", "status": 1, "value": None, "error": error}
        section = SYSTEM.read(packed(entry), NONCE)["x"]
        assert (section.status, section.stdout, section.stderr) == (1, "", said)
        with pytest.raises(ScriptFailed):
            section.require()

    def test_a_script_that_broke_outside_of_its_sections_is_an_error_at_once(self) -> None:
        broken = {"name": "script", "status": 1, "error": {"message": "line 3", "hresult": 0}}
        with pytest.raises(ScriptFailed, match="line 3"):
            SYSTEM.read(packed(ENTRY, broken), NONCE)

    def test_no_output_at_all_is_a_script_that_was_ended(self) -> None:
        with pytest.raises(Unreachable):
            SYSTEM.read(" \r\n", NONCE)

    @pytest.mark.parametrize(
        "output",
        [
            "hello",
            packed(ENTRY, nonce="other"),
            packed(ENTRY)[:-8],
            packed(ENTRY)[:-4] + "!!!!",
            f"@@{NONCE} ",
            "{",
            '{"sections": 1}',
            '{"sections": ["x"]}',
            '{"sections": [{"name": "x"}]}',
            '{"sections": [{"status": 0}]}',
            '{"sections": [{"name": "x", "status": 2}]}',
            "[]",
        ],
    )
    def test_everything_else_is_malformed(self, output: str) -> None:
        with pytest.raises(MalformedOutput):
            SYSTEM.read(output, NONCE)

    @given(st.text())
    def test_no_output_breaks_the_reader(self, output: str) -> None:
        with pytest.raises(MachineError):
            SYSTEM.read(output.replace("sections", ""), NONCE)


def boot(**facts: Any) -> str:
    whole = {"started": "134", "logon_checked": True, "servicing": None, **facts}
    return packed({"name": "boot", "status": 0, "value": whole})


class TestBoots:
    @pytest.mark.parametrize(
        ("facts", "ready"),
        [
            ({}, True),
            ({"servicing": 0}, True),
            ({"servicing": 1}, True),
            ({"servicing": 2}, False),
            ({"logon_checked": False}, False),
            ({"logon_checked": None}, False),
        ],
    )
    def test_a_machine_is_ready_when_it_has_done_configuring(
        self, facts: dict[str, Any], *, ready: bool
    ) -> None:
        found = SYSTEM.parse_boot(SYSTEM.read(boot(**facts), NONCE))
        assert (found.id, found.ready) == ("134", ready)

    @pytest.mark.parametrize("started", [None, "", "yesterday", 134, ["134"]])
    def test_what_is_no_time_of_a_boot_is_no_changed_one(self, started: Any) -> None:
        with pytest.raises(MalformedOutput):
            SYSTEM.parse_boot(SYSTEM.read(boot(started=started), NONCE))


class Says:
    """A machine that answers to any script about a job with the same facts."""

    def __init__(self, facts: Any, **more: dict[str, Any]) -> None:
        self.entries = [{"name": "job", "status": 0, "value": facts}, *more.values()]
        self.asked: list[tuple[str, Parameters]] = []

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
    ) -> Completed:
        assert parameters is not None
        assert timeout > timedelta(0)
        self.asked.append((script, parameters))
        return Completed(0, packed(*self.entries, nonce=str(parameters["nonce"])), "")


JOB = Job("run-1-web", "change", "Emit", {"nonce": "n", "job": None, "who": HOSTILE})
LIVE: dict[str, Any] = {
    "there": True, "age": 5.0, "starter": "mine", "alive": True, "result": None, "log": "",
    "status": {"phase": "install", "percent": 40, "detail": "KB1", "exit": None},
    "task": {"state": 4, "last_result": 0x41301}, "refused": None,
}  # fmt: skip
NOT_THERE = {"there": False, "refused": None}
NO_TASK = {"status": None, "alive": False, "task": None}
WAITING = {"status": None, "alive": False, "task": {"state": 3, "last_result": 0x41303}}


def asked(facts: Any, token: str = "mine") -> JobState:
    return SYSTEM.poll(Says(facts), JOB.id, "change", token=token)


class TestStates:
    @pytest.mark.parametrize(
        ("facts", "state"),
        [
            (LIVE, State.RUNNING),
            ({**LIVE, "task": None}, State.RUNNING),
            ({**LIVE, "alive": False}, State.RUNNING),
            ({**LIVE, "alive": False, "task": {"state": 2, "last_result": 0x41325}},
             State.RUNNING),
            ({**LIVE, "alive": False, "task": {"state": 3, "last_result": 1}}, State.ORPHANED),
            ({**LIVE, "alive": False, "task": None, "age": 5.0}, State.ORPHANED),
            ({**LIVE, **NO_TASK}, State.RUNNING),
            ({**LIVE, **NO_TASK, "age": 61.0}, State.ABSENT),
            ({**LIVE, **WAITING}, State.RUNNING),
            ({**LIVE, **WAITING, "age": 61.0}, State.ABSENT),
            ({**LIVE, **WAITING, "task": {"state": 3, "last_result": 1}, "age": 61.0},
             State.ORPHANED),
            ({**LIVE, "alive": False, "result": "{}"}, State.FINISHED),
            (NOT_THERE, State.ABSENT),
        ],
    )  # fmt: skip
    def test_what_the_facts_mean(self, facts: dict[str, Any], state: State) -> None:
        assert asked(facts).state == state

    def test_progress_and_starter_are_told(self) -> None:
        assert asked(LIVE).progress == "install 40 %: KB1"
        assert asked(LIVE).started_here
        assert not asked(LIVE, token="theirs").started_here

    def test_the_end_comes_with_its_status_and_the_whole_result(self) -> None:
        ended = asked({**LIVE, "result": "{...}", "status": {"phase": "finished", "exit": 1}})
        assert (ended.state, ended.exit_status, ended.output) == (State.FINISHED, 1, "{...}")

    def test_an_orphan_tells_its_last_words(self) -> None:
        dead = {**LIVE, "alive": False, "task": None, "log": "the last line"}
        assert asked(dead).output == "the last line"

    def test_a_refusal_is_told_to_whom_it_was_given_alone(self) -> None:
        facts = {**NOT_THERE, "refused": {"token": "mine", "code": 75, "reason": "run-0"}}
        assert (asked(facts).state, asked(facts).detail) == (State.REFUSED, "75 run-0")
        assert asked(facts, token="theirs").state == State.ABSENT

    @pytest.mark.parametrize("facts", [None, [], "x"])
    def test_no_facts_are_no_state(self, facts: Any) -> None:
        with pytest.raises(MalformedOutput):
            asked(facts)


class TestStarting:
    def test_files_travel_with_their_sums_and_their_text_has_no_values(self) -> None:
        link = Says(LIVE)
        SYSTEM.start(link, JOB, token="mine")
        ((script, parameters),) = link.asked
        assert HOSTILE not in script
        files: list[dict[str, str]] = json.loads(json.dumps(parameters["files"]))
        named = {file["name"]: file["text"] for file in files}
        assert set(named) == {"job.ps1", "payload.ps1", "params.json"}
        assert named["payload.ps1"] == JOB.script
        assert json.loads(named["params.json"]) == {
            "nonce": "n",
            "who": HOSTILE,
            "job": {"id": JOB.id, "kind": "change", "token": "mine"},
        }
        assert all(len(file["sha256"]) == 64 for file in files)

    @pytest.mark.parametrize(("kind", "limit"), [("change", "PT0S"), ("read", "PT1H")])
    def test_a_change_is_never_ended_by_the_scheduler(self, kind: Any, limit: str) -> None:
        link = Says(LIVE)
        SYSTEM.start(link, Job("x", kind, "Emit"))
        assert link.asked[0][1]["time_limit"] == limit

    @pytest.mark.parametrize(
        ("hresult", "error"), [(-2147024891, PrivilegeRefused), (-2147024784, ScriptFailed)]
    )
    def test_why_nothing_was_started_is_told(self, hresult: int, error: type[Exception]) -> None:
        launch = {"name": "launch", "status": 1, "error": {"message": "no", "hresult": hresult}}
        with pytest.raises(error):
            SYSTEM.start(Says(NOT_THERE, launch=launch), JOB)

    def test_a_shell_that_complains_instead_of_answering_is_quoted(self) -> None:
        class Broken:
            def run(
                self, _script: str, /, *, timeout: timedelta, parameters: Parameters | None = None
            ) -> Completed:
                assert timeout
                assert parameters
                return Completed(1, "", "the term is not recognized")

        with pytest.raises(MalformedOutput, match="not recognized"):
            SYSTEM.poll(Broken(), "x", "change")
