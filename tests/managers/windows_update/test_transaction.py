from typing import Any

import pytest

from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.errors import MalformedOutput, ScriptFailed
from patchyard.managers.windows_update.restore_point import parse_restore_point
from patchyard.managers.windows_update.transaction import parse_transaction
from patchyard.transcript import Section, Transcript
from tests.managers.captures import FIXTURES, transcript_of
from tests.managers.windows_update.facts_written_by_hand import (
    DOTNET,
    LCU,
    STACK,
    failure,
    transcript,
    update,
)


def told(name: str) -> Transaction:
    path = FIXTURES / "windows_update" / f"{name}-written-by-hand.out"
    return parse_transaction(transcript_of(path))


@pytest.mark.parametrize(
    ("name", "problem", "culprits"),
    [
        ("install--server-2022", InstallProblem.NONE, ()),
        (
            "install--server-2022-one-failed",
            InstallProblem.BROKEN_DATABASE,
            ("KB5120242", "KB2267602"),
        ),
        (
            "install--server-2022-download-failed",
            InstallProblem.FETCH_FAILED,
            ("KB5120242", "KB5120711"),
        ),
        ("install--server-2022-busy", InstallProblem.LOCKED, ()),
        (
            "install--server-2022-moved",
            InstallProblem.NOT_AVAILABLE,
            ("KB5120242", "KB2267602"),
        ),
        ("install--server-2022-reboot-first", InstallProblem.OTHER, ("KB5120711",)),
        ("install--server-2022-refused", InstallProblem.LOCKED, ("KB5120242",)),
        ("install--server-2022-no-search", InstallProblem.FETCH_FAILED, ()),
        ("repair--server-2022", InstallProblem.NONE, ()),
        ("repair--server-2022-no-source", InstallProblem.BROKEN_DATABASE, ()),
        ("undo--server-2022", InstallProblem.NONE, ()),
        ("undo--server-2022-pending", InstallProblem.LOCKED, ()),
        (
            "download--server-2022-failed",
            InstallProblem.FETCH_FAILED,
            ("KB5120242", "KB5120711"),
        ),
        ("undo--server-2022-permanent", InstallProblem.OTHER, ("KB5120242", "KB890830")),
    ],
)
def test_each_way_to_fail_is_told_apart_with_whom_to_blame(
    name: str, problem: InstallProblem, culprits: tuple[str, ...]
) -> None:
    found = told(name)
    assert found.problem == problem
    assert found.culprits == culprits
    assert (found.exit_status == 0) == (problem == InstallProblem.NONE)
    assert bool(found.detail) == (problem != InstallProblem.NONE)


def installed(**row: Any) -> Transaction:
    whole = {
        "name": "KB1", "state": "offered", "download": {"code": 2, "hresult": 0},
        "install": {"code": 2, "hresult": 0, "reboot": False}, "error": None, "skipped": "", **row,
    }  # fmt: skip
    return parse_transaction(transcript({"install": {"busy": False, "updates": [whole]}}))


@pytest.mark.parametrize(
    ("result", "good"),
    [
        ({"code": 2, "hresult": 0}, True),
        ({"code": 3, "hresult": 0x80240FFF - 2**32}, True),
        ({"code": 4, "hresult": 0x00240006}, True),
        ({"code": 4, "hresult": 0}, False),
        ({"code": 5, "hresult": 0x8024000B - 2**32}, False),
        ({"code": 0, "hresult": 0}, False),
    ],
)
def test_each_update_is_judged_by_its_own_result(result: dict[str, int], *, good: bool) -> None:
    assert (installed(install=result).exit_status == 0) == good


def test_the_code_is_told_with_its_meaning_and_what_to_do() -> None:
    detail = installed(install={"code": 4, "hresult": 0x80073712 - 2**32}).detail
    assert "0x80073712" in detail
    assert "RestoreHealth" in detail


def test_what_failed_is_told_before_what_was_put_off_for_it() -> None:
    put_off = {"name": "KB1", "state": "offered", "install": None, "skipped": "download"}
    failed = {"name": "KB2", "state": "offered", "download": {"code": 4, "hresult": 1}}
    rows = {"busy": False, "updates": [put_off, failed]}
    assert parse_transaction(transcript({"install": rows})).culprits == ("KB2", "KB1")


@pytest.mark.parametrize("skipped", ["reboot", "cancelled", "download"])
def test_what_was_not_begun_is_never_a_success(skipped: str) -> None:
    assert installed(install=None, skipped=skipped).exit_status == 1


def test_silence_about_an_update_is_no_success() -> None:
    assert installed(install=None).exit_status == 1


def downloaded(*rows: dict[str, Any], busy: bool = False) -> Transaction:
    plain = {
        "name": "KB1", "state": "offered", "download": {"code": 2, "hresult": 0}, "install": None,
        "error": None, "skipped": "", "bytes": 48_000_000, "before": False, "there": True,
    }  # fmt: skip
    whole = [{**plain, **row} for row in rows]
    return parse_transaction(transcript({"download": {"busy": busy, "updates": whole}}))


def test_what_was_downloaded_is_counted_with_the_most_that_it_may_have_taken() -> None:
    assert downloaded({}, {"name": "KB2"}).detail == "2 updates, at most 96 MB"
    assert downloaded({}, {"before": True}).detail == (
        "2 updates, at most 48 MB; 1 of them there before"
    )
    assert downloaded({"before": True}).detail == "1 update, all there before"
    assert downloaded({"state": "installed", "there": None}).detail == "nothing to download"
    assert downloaded({}).exit_status == 0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"download": {"code": 4, "hresult": 0x80240034 - 2**32}, "there": False}, "0x80240034"),
        ({"state": "absent", "there": None}, "not offered any more"),
        ({"state": "other", "offered": 2, "revision": "1", "there": None}, "revision 2 is offered"),
        ({"there": False}, "not there after the download"),
        ({"there": None}, "not there after the download"),
        ({"there": None, "skipped": "cancelled"}, "cancelled"),
        ({"there": None, "error": {"hresult": 0, "message": "no"}}, "no"),
    ],
)
def test_one_that_was_not_downloaded_is_told_beside_those_that_were(
    row: dict[str, Any], words: str
) -> None:
    found = downloaded({"name": "KB2", **row}, {})
    assert (found.exit_status, found.culprits) == (1, ("KB2",))
    assert words in found.detail
    assert found.detail.endswith("; there: 1 update, at most 48 MB")


def test_a_download_while_something_else_installs_is_locked_out() -> None:
    found = downloaded(busy=True)
    assert (found.problem, found.exit_status) == (InstallProblem.LOCKED, 1)


def test_an_act_without_an_end_is_malformed_and_a_silent_failure_an_error() -> None:
    with pytest.raises(MalformedOutput, match="no end"):
        parse_transaction(transcript({"search": {}}))
    with pytest.raises(ScriptFailed):
        parse_transaction(Transcript({"undo": Section("undo", "", "", 1)}))


def test_a_code_that_is_not_known_keeps_what_came_with_it() -> None:
    sections = transcript({}, {"repair": failure("DISM is not amused", 0x87654321 - 2**32)})
    detail = parse_transaction(sections).detail
    assert "0x87654321" in detail
    assert "not amused" in detail


def kept(*rows: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    coming = [
        {"found": True, "key": f"KB{r['kbs'][0]}:{r['id']}", "version": "1", **r} for r in rows
    ]
    point = parse_restore_point(
        transcript({"folder": "/f", "packages": {"count": 1}, "coming": coming})
    )
    return {k.key.partition(":")[0]: (k.method, k.file, k.problem) for k in point.kept}


def test_each_kind_has_its_way_back() -> None:
    plain = update("KB5119991", "2026-08 Security Update for Windows (KB5119991)")
    found = kept(LCU, DOTNET, plain)
    assert found["KB5120242"] == ("package", "Package_for_RollupFix~*", "")
    assert "Package_for_DotNetRollup*" in found["KB5120711"][1]
    assert found["KB5119991"] == ("package or wusa", "Package_for_KB5119991~*", "")


@pytest.mark.parametrize(
    ("coming", "words"),
    [
        (STACK, "never be removed"),
        (update("KB5077777", "Security Update for SQL Server 2022 (KB5077777)"), "snapshot"),
        (
            update("KB5088888", "2026-08 .NET 8.0.18 Security Update for x64 (KB5088888)"),
            "snapshot",
        ),
        (update("KB890830", "Malicious Software Removal Tool (KB890830)"), "cannot be taken back"),
        (update("KB5066666", "A driver", type=2), "pnputil"),
    ],
)
def test_what_cannot_go_back_is_known_before(coming: dict[str, Any], words: str) -> None:
    ((method, _, problem),) = kept(coming).values()
    assert method == ""
    assert words in problem


def test_what_is_not_offered_any_more_has_no_way_back() -> None:
    coming = [{"found": False, "key": "KB1:x", "version": "1"}]
    point = parse_restore_point(
        transcript({"folder": "/f", "packages": {"count": 1}, "coming": coming})
    )
    assert "not offered any more" in point.missing[0].problem


def test_without_the_list_of_packages_there_is_no_restore_point() -> None:
    with pytest.raises(ScriptFailed):
        parse_restore_point(
            transcript({"folder": "/f", "coming": []}, {"packages": failure("disk full")})
        )
