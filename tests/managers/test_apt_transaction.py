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
        ("download--debian-12-no-room", InstallProblem.DISK_FULL, ()),
        ("download--debian-12-fetch-failed", InstallProblem.FETCH_FAILED, ("yard-two",)),
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


URI = "'http://127.0.0.1:8080/./a_2.0_all.deb' a_2.0_all.deb {size} SHA256:0\n"
LIST = "The following packages will be upgraded:\n   a (1.0 => 2.0)\n   b (1.0 => 2.0)\n"


def downloaded(before: str, after: str, *, status: int = 0, said: str = "") -> Transaction:
    sections = {
        "outlook": Section("outlook", before, "", 0),
        "beyond": Section("beyond", "", "", 0),
        "room": Section("room", "1 1", "", 0),
        "download": Section("download", said, "", status),
        "there": Section("there", after, "", 0),
    }
    return parse_transaction(Transcript(sections))


def test_what_was_downloaded_is_counted_with_what_had_to_be_fetched() -> None:
    both = LIST + URI.format(size=40_000_000) + URI.format(size=8_000_000)
    assert downloaded(both, LIST).detail == "2 updates, 48 MB"
    one = LIST + URI.format(size=8_000_000)
    assert downloaded(one, LIST).detail == "2 updates, 8 MB; 1 of them there before"
    assert downloaded(LIST, LIST).detail == "2 updates, all there before"


def test_what_lies_in_a_folder_of_the_machine_needs_no_fetching() -> None:
    local = LIST + "'file:/srv/repo/./a_2.0_all.deb' a_2.0_all.deb 756 MD5Sum:0\n"
    assert downloaded(local, local).detail == "2 updates, all there before"


def test_archives_that_are_not_there_after_all_are_no_success() -> None:
    both = LIST + URI.format(size=4) + URI.format(size=5)
    found = downloaded(both, LIST + URI.format(size=5))
    assert (found.exit_status, found.problem) == (1, InstallProblem.FETCH_FAILED)
    assert found.detail == "1 archive of 2 not there after the download"


def test_a_download_that_failed_is_an_ordinary_failure() -> None:
    both = LIST + URI.format(size=4)
    said = "E: Failed to fetch http://127.0.0.1:8080/./a_2.0_all.deb  Connection refused\n"
    found = downloaded(both, both, status=100, said=said)
    assert (found.problem, found.culprits) == (InstallProblem.FETCH_FAILED, ("a",))


def test_where_all_is_installed_there_is_nothing_to_download() -> None:
    nothing = "0 upgraded, 0 newly installed, 0 to remove and 3 not upgraded.\n"
    sections = {name: Section(name, nothing, "", 0) for name in ("outlook", "there")}
    found = parse_transaction(Transcript({**sections, "beyond": Section("beyond", "", "", 0)}))
    assert (found.exit_status, found.detail) == (0, "nothing to download")


def test_a_download_without_room_says_how_much_there_is() -> None:
    found = parse_transaction(Transcript({"room": Section("room", "52428800 102400", "", 94)}))
    assert (found.exit_status, found.problem) == (94, InstallProblem.DISK_FULL)
    assert found.detail == "/var/cache/apt/archives has 100 MiB free, the download needs 150"
    with pytest.raises(ScriptFailed, match="room"):
        parse_transaction(Transcript({"room": Section("room", "5 ", "df: no such file", 1)}))
