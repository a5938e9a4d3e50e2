import pytest

from patchyard.domain.transaction import InstallProblem, Transaction
from patchyard.errors import MalformedOutput, ScriptFailed
from patchyard.managers.apt.restore_point import parse_restore_point
from patchyard.managers.apt.transaction import parse_transaction
from patchyard.transcript import Section, Transcript
from tests.managers.captures import FIXTURES, transcript_of


def captured(name: str) -> Transcript:
    return transcript_of(FIXTURES / "apt" / f"{name}.out")


def said(name: str, text: str, status: int = 100) -> Transaction:
    return parse_transaction(Transcript({name: Section(name, "", text, status)}))


@pytest.mark.parametrize(
    ("name", "problem", "culprits"),
    [
        ("install--debian-12", InstallProblem.NONE, ()),
        ("install--debian-12-conffile-kept", InstallProblem.NONE, ()),
        ("install--debian-12-unavailable", InstallProblem.NOT_AVAILABLE, ("yard-bad",)),
        (
            "install--debian-12-beyond",
            InstallProblem.UNMET_DEPENDENCIES,
            ("libperl5.36", "perl-base", "perl-modules-5.36"),
        ),
        ("install--debian-12-removal", InstallProblem.UNMET_DEPENDENCIES, ()),
        ("install--debian-12-held", InstallProblem.HELD, ("yard-held",)),
        ("install--debian-12-locked", InstallProblem.LOCKED, ()),
        ("install--debian-12-script-failed", InstallProblem.SCRIPT_FAILED, ("yard-bad",)),
        ("install--debian-12-fetch-failed", InstallProblem.FETCH_FAILED, ("libssh2-1",)),
        ("install--debian-12-disk-full", InstallProblem.DISK_FULL, ()),
        ("repair--debian-12", InstallProblem.NONE, ()),
        ("repair--debian-12-failed", InstallProblem.SCRIPT_FAILED, ("yard-bad",)),
        ("repair--debian-12-locked", InstallProblem.LOCKED, ()),
        ("undo--debian-12-offline", InstallProblem.NONE, ()),
        ("undo--debian-12-direct", InstallProblem.NONE, ()),
        ("undo--debian-12-needed", InstallProblem.UNMET_DEPENDENCIES, ()),
    ],
)
def test_each_way_to_fail_is_told_apart_with_whom_to_blame(
    name: str, problem: InstallProblem, culprits: tuple[str, ...]
) -> None:
    transaction = parse_transaction(captured(name))

    assert transaction.problem == problem
    assert transaction.culprits == culprits
    assert (transaction.exit_status == 0) == (problem == InstallProblem.NONE)
    assert bool(transaction.detail) == (problem != InstallProblem.NONE)


def test_a_lock_names_who_holds_it() -> None:
    detail = parse_transaction(captured("install--debian-12-locked")).detail

    assert "held by process" in detail
    assert "python3" in detail


def test_the_guard_says_what_more_would_have_changed() -> None:
    transaction = parse_transaction(captured("install--debian-12-beyond"))

    assert "install perl-base=5.36.0-7+deb12u4" in transaction.detail
    assert "nothing was changed" in transaction.detail


def test_a_script_that_failed_says_how() -> None:
    detail = parse_transaction(captured("install--debian-12-script-failed")).detail

    assert "post-installation script" in detail


def test_a_full_disk_in_a_script_is_a_full_disk() -> None:
    text = (
        "dpkg: error processing archive /var/cache/apt/archives/perl_5_amd64.deb (--unpack):\n"
        " cannot copy extracted data: failed to write (No space left on device)\n"
        "E: Sub-process /usr/bin/dpkg returned an error code (1)\n"
    )

    transaction = said("install", text)

    assert transaction.problem == InstallProblem.DISK_FULL
    assert transaction.culprits == ("perl",)


def test_unknown_words_are_other_and_are_told() -> None:
    transaction = said("install", "E: something new")

    assert transaction.problem == InstallProblem.OTHER
    assert "something new" in transaction.detail


def test_unmet_dependencies_name_the_packages() -> None:
    text = (
        "The following packages have unmet dependencies:\n"
        " perl : Depends: perl-base (= 5) but 4 is to be installed\n"
        "E: Unable to correct problems, you have held broken packages.\n"
    )

    assert said("outlook", text).culprits == ("perl",)


def test_an_act_without_an_end_is_malformed() -> None:
    sections = {"outlook": Section("outlook", "", "", 0), "beyond": Section("beyond", "", "", 0)}

    with pytest.raises(MalformedOutput, match="no end"):
        parse_transaction(Transcript(sections))


def test_a_guard_that_broke_is_an_error() -> None:
    sections = {"beyond": Section("beyond", "", "awk: not found", 127)}

    with pytest.raises(ScriptFailed, match="127"):
        parse_transaction(Transcript(sections))


def test_a_restore_point_tells_from_where_each_version_was_had() -> None:
    kept = parse_restore_point(captured("restore_point--debian-12")).kept
    rebuilt = parse_restore_point(captured("restore_point--debian-12-rebuilt")).kept

    assert {item.method for item in kept} == {"repository"}
    assert {item.method for item in rebuilt} == {"rebuilt from the installed files"}
    assert len(kept) == len(rebuilt) == 25


def test_what_could_not_be_kept_makes_the_restore_point_incomplete() -> None:
    point = parse_restore_point(captured("restore_point--debian-12-missing"))

    assert not point.complete
    assert [item.key for item in point.missing] == ["not-there:all"]


@pytest.mark.parametrize("state", ["absent", "other", "broken"])
def test_an_archive_that_is_not_whole_is_no_way_back(state: str) -> None:
    sections = dict(captured("restore_point--debian-12").sections)
    line = f"openssl:amd64|1|openssl_1_amd64.deb|cache|{state}"
    sections["verify"] = Section("verify", line, "", 0)

    assert not parse_restore_point(Transcript(sections)).complete


def test_a_full_disk_is_named_as_the_reason() -> None:
    sections = dict(captured("restore_point--debian-12").sections)
    line = "openssl:amd64|1|openssl_1_amd64.deb|kept|absent"
    sections["verify"] = Section("verify", line, "", 0)
    sections["repository"] = Section("repository", "", "write (28: No space left on device)", 100)

    assert "no space" in parse_restore_point(Transcript(sections)).kept[0].problem
