"""Which updates fix which advisories by a table, and what an installed version proves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.advisories import advisories_of, cves_of, fixes
from patchyard.domain.updates import (
    Assessment,
    Classification,
    Kernel,
    OperatingSystem,
    Update,
)
from patchyard.domain.value import Known
from patchyard.errors import ConfigurationError
from patchyard.managers.apt.advisories import Table, told, told_all
from patchyard.managers.apt.answers import read_sources
from patchyard.managers.apt.own_advisories import parse_own
from patchyard.managers.apt.tracker import parse_tracker
from patchyard.testing.assessments import assessment

CVE = "CVE-2026-7"
BOOKWORM = OperatingSystem(id="debian", version_id="12", codename="bookworm")


def own(source: str = "openssl", fixed: str = "2", *more: str, release: str = "bookworm") -> Table:
    lines = [f"- {{ids: [{CVE}], release: {release}, source: {source}, fixed: '{fixed}'}}", *more]
    return parse_own("\n".join(lines), "own.yaml")


def tracker(entries: Mapping[str, Mapping[str, Any]]) -> Table:
    """A table in which each source has one release's answer to each id."""
    written = {
        source: {
            each: {"description": "x", "releases": {"bookworm": of}} for each, of in listed.items()
        }
        for source, listed in entries.items()
    }
    return parse_tracker(json.dumps(written), "tracker.json")


def resolved(version: str) -> dict[str, Any]:
    return {"status": "resolved", "repositories": {"bookworm": version}, "fixed_version": version}


def still_open(*lacking: str) -> dict[str, Any]:
    return {"status": "open", "repositories": dict(zip("abc", lacking, strict=False))}


def update(name: str, installed: str, candidate: str, **fields: Any) -> Update:
    return Update(
        name=name,
        architecture="amd64",
        installed=installed,
        candidate=candidate,
        classification=Classification.SECURITY,
        origin="",
        **fields,
    )


def machine(
    *updates: Update,
    built: dict[str, str] | None = None,
    packages: dict[str, str] | None = None,
    running: str = "6.1.0-50-amd64",
) -> Assessment:
    there = {each.key: each.installed for each in updates if each.installed}
    return assessment(
        os=BOOKWORM,
        updates=updates,
        packages={**there, **(packages or {})},
        built_from=built,
        kernel=Kernel(running=running, applicable=Known.YES),
    )


def asked(seen: Assessment, table: Table, identifier: str = CVE) -> tuple[list[Known], bool]:
    found = told(seen, table, [identifier])
    return [fixes(each, [identifier]) for each in found.updates], identifier in found.fixed


@pytest.mark.parametrize(
    ("installed", "candidate", "known"),
    [
        ("1", "2", Known.YES),
        ("1", "3", Known.YES),
        ("2", "3", Known.NO),
        ("1", "1.9", Known.NO),
        ("1", "2~rc1", Known.NO),
        ("2~rc1", "2", Known.YES),
        ("3", "1:1", Known.NO),
    ],
)
def test_an_update_fixes_what_lies_between_its_two_versions(
    installed: str, candidate: str, known: Known
) -> None:
    seen = machine(update("libssl3", installed, candidate, source="openssl"))
    assert asked(seen, own())[0] == [known]


@pytest.mark.parametrize(
    ("table", "identifier"),
    [
        (own("curl"), CVE),
        (own(release="jammy"), CVE),
        (own(), "CVE-2026-8"),
        (tracker({"openssl": {CVE: {"status": "undetermined"}}}), CVE),
        (tracker({"openssl": {CVE: {"status": "resolved"}}}), CVE),
        (tracker({"openssl": {CVE: {"status": "of a later schema"}}}), CVE),
        (tracker({"curl": {CVE: resolved("2")}}), CVE),
        (tracker({"openssl": {"CVE-2026-1": resolved("2")}}), CVE),
        (tracker({"openssl": {CVE: still_open()}}), CVE),
        (tracker({"openssl": {CVE: still_open("1", "1.5")}}), CVE),
    ],
)
def test_what_a_table_does_not_tell_is_unknown_and_proves_nothing(
    table: Table, identifier: str
) -> None:
    seen = machine(update("openssl", "1", "2"), built={}, packages={"zlib1g:amd64": "9"})
    known, fixed = asked(seen, table, identifier)
    assert known == [Known.UNKNOWN]
    # The tracker names every source of Debian's: curl is not there, so nothing of it is affected.
    assert fixed is (identifier == CVE and table.covered.keys() == {"curl"})


def test_the_tracker_names_all_sources_and_a_table_of_ones_own_does_not() -> None:
    seen = machine(update("curl", "1", "2"), built={})
    known = {"openssl": {CVE: resolved("2")}, "curl": {"CVE-2026-1": resolved("9")}}
    assert asked(seen, tracker(known)) == ([Known.NO], True)
    assert asked(seen, own()) == ([Known.UNKNOWN], False)


@pytest.mark.parametrize("of", [resolved("0"), still_open("1", "2")])
def test_what_was_never_affected_and_what_nothing_fixes_is_no_fix(of: dict[str, Any]) -> None:
    known, fixed = asked(
        machine(update("openssl", "1", "2"), built={}), tracker({"openssl": {CVE: of}})
    )
    assert known == [Known.NO]
    assert fixed is (of["status"] == "resolved")


@pytest.mark.parametrize(
    ("versions", "fixed"), [(("2", "3"), True), (("2", "1"), False), (("1", "1"), False)]
)
def test_every_package_of_a_source_must_have_the_fix(
    versions: tuple[str, str], fixed: bool
) -> None:
    one, other = versions
    there = {"openssl:amd64": one, "libssl3:amd64": other}
    seen = machine(built={"libssl3:amd64": "openssl"}, packages=there)
    for table in (own(), tracker({"openssl": {CVE: resolved("2")}})):
        assert asked(seen, table) == ([], fixed)


def test_where_nobody_told_the_sources_nothing_is_proven() -> None:
    seen = machine(packages={"openssl:amd64": "9"})
    assert asked(seen, own()) == ([], False)
    assert asked(seen.model_copy(update={"built_from": {}}), own()) == ([], True)


def test_the_versions_of_the_source_are_compared_not_those_of_the_package() -> None:
    """A package such as gcc is 4:12.2.0-3, built from gcc-defaults 1.203."""
    change = update("gcc", "4:12-3", "4:12-5", source="gcc-defaults", source_version="1.205")
    seen = machine(change, built={"gcc:amd64": "gcc-defaults 1.203"})
    assert asked(seen, own("gcc-defaults", "1.204")) == ([Known.YES], False)
    assert asked(seen, own("gcc-defaults", "1.203")) == ([Known.NO], True)
    assert asked(seen, own("gcc-defaults", "1.206")) == ([Known.NO], False)


def test_what_was_never_affected_is_proven_of_every_version() -> None:
    """Such as 0~git2020, which is older than 0."""
    seen = machine(built={}, packages={"openssl:amd64": "0~git2020-1"})
    assert asked(seen, own(fixed="0")) == ([], True)


KERNELS = {
    "linux-image-6.1.0-50-amd64:amd64": "linux-signed-amd64 6.1.176+1",
    "linux-image-6.1.0-56-amd64:amd64": "linux-signed-amd64 6.1.192+2",
    "linux-libc-dev:amd64": "linux",
}
IMAGES = {
    "linux-image-6.1.0-50-amd64:amd64": "6.1.176-1",
    "linux-image-6.1.0-56-amd64:amd64": "6.1.192-2",
    "linux-libc-dev:amd64": "6.1.176-1",
}


@pytest.mark.parametrize(
    ("running", "fixed"),
    [("6.1.0-50-amd64", False), ("6.1.0-56-amd64", True), ("6.9.0-of-the-host", False)],
)
def test_of_kernels_the_one_that_runs_counts(running: str, fixed: bool) -> None:
    seen = machine(built=KERNELS, packages=IMAGES, running=running)
    assert asked(seen, own("linux", "6.1.180-1")) == ([], fixed)
    assert asked(seen, tracker({"linux": {CVE: resolved("6.1.180-1")}})) == ([], fixed)


@pytest.mark.parametrize(
    ("signed", "source"),
    [
        ("linux-signed-amd64", "linux"),
        ("linux-signed-arm64", "linux"),
        ("linux-signed", "linux"),
        ("linux-signed-aws", "linux-aws"),
    ],
)
def test_a_signed_kernel_is_known_by_the_source_before_it(signed: str, source: str) -> None:
    change = update("linux-image-x", "6-1", "6-3", source=signed, source_version="6+3")
    seen = machine(change, built={change.key: f"{signed} 6+1"})
    assert asked(seen, own(source, "6-2"))[0] == [Known.YES]


def test_a_new_package_that_comes_along_fixes_nothing_by_itself() -> None:
    assert asked(machine(update("openssl", "", "2"), built={}), own())[0] == [Known.NO]


def test_all_that_updates_fix_is_told_where_nothing_is_asked_for() -> None:
    table = parse_own(
        "- {ids: [CVE-2026-7, usn-7000-1], release: bookworm, source: openssl, fixed: '2'}\n"
        "- {ids: [CVE-2026-8], release: bookworm, source: openssl, fixed: '3'}\n",
        "own.yaml",
    )
    seen = machine(update("libssl3", "1", "2", source="openssl"), update("curl", "1", "2"))
    one, other = told_all(seen, table).updates
    assert (cves_of(one), advisories_of(one)) == (("CVE-2026-7",), ("USN-7000-1",))
    assert (cves_of(other), advisories_of(other)) == (None, None)
    # Of others than it fixes, nothing is said by that.
    assert fixes(one, ["CVE-2026-9"]) == Known.UNKNOWN


VERSIONS = ["0", "1", "1.5", "2", "3"]
"""In the order that Debian has them in."""

ANSWERS = st.one_of(
    st.none(),
    st.sampled_from(VERSIONS).map(resolved),
    st.lists(st.sampled_from(VERSIONS[1:]), max_size=3).map(lambda lacking: still_open(*lacking)),
    st.just({"status": "undetermined"}),
)
PLACES = st.sampled_from(VERSIONS[1:])


def by_hand(of: dict[str, Any] | None, known: bool, old: str, new: str) -> Known:
    """Try every version from the old one to the new: which is the first without the fault?"""
    if of is None:
        return Known.NO if known else Known.UNKNOWN
    if of["status"] == "open":
        lacking = [VERSIONS.index(each) for each in of["repositories"].values()]
        return Known.NO if lacking and VERSIONS.index(new) <= max(lacking) else Known.UNKNOWN
    if "fixed_version" not in of:
        return Known.UNKNOWN
    affected = VERSIONS[: VERSIONS.index(of["fixed_version"])]
    return Known.of(old in affected and new not in affected)


@given(ANSWERS, ANSWERS, PLACES, PLACES, st.booleans())
def test_the_three_answers_are_those_of_brute_force(
    ours: dict[str, Any] | None, others: dict[str, Any] | None, old: str, new: str, beside: bool
) -> None:
    listed: dict[str, dict[str, Any]] = {"openssl": {}, "curl": {}}
    if beside:
        listed["openssl"]["CVE-2026-1"] = resolved("1")
    for source, of in (("openssl", ours), ("curl", others)):
        if of is not None:
            listed[source][CVE] = of
    seen = machine(
        update("libssl3", old, new, source="openssl"), built={"libssl3:amd64": "openssl"}
    )

    known, fixed = asked(seen, tracker(listed))

    assert known == [by_hand(ours, beside and others is not None, old, new)]
    # What is proven to be fixed needs no fix, whatever is offered; what has one is not proven.
    assert not (fixed and known == [Known.YES])
    if ours is not None:
        has_it = (
            "fixed_version" in ours and old not in VERSIONS[: VERSIONS.index(ours["fixed_version"])]
        )
        assert fixed is has_it


def test_what_dpkg_tells_of_sources_is_kept_where_it_is_not_the_packages_own() -> None:
    text = (
        "libssl3\tamd64\t3.0.20-1\topenssl\t3.0.20-1\tii \n"
        "openssl\tamd64\t3.0.20-1\topenssl\t3.0.20-1\tii \n"
        "libssh2-1\tamd64\t1.10.0-3+b1\tlibssh2\t1.10.0-3\tii \n"
        "bash\tamd64\t5.2.15-2+b13\tbash\t5.2.15-2\thi \n"
        "gone\tamd64\t1\tother\t1\trc \n"
    )
    assert read_sources(text) == {
        "libssl3:amd64": "openssl",
        "libssh2-1:amd64": "libssh2 1.10.0-3",
        "bash:amd64": "bash 5.2.15-2",
    }
    assert read_sources("openssl\tamd64\t1\topenssl\t1\tii \n") == {}
    assert read_sources("") is None
    assert read_sources("what is this\n") is None


ENTRY = "- {ids: [CVE-2026-7], release: jammy, source: openssl, fixed: 3.0.2-0ubuntu1.15}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "own.yaml:1: write a list, each entry with ids, release, source, fixed"),
        ("a: b", "own.yaml:1: write a list, each entry with ids, release, source, fixed"),
        ("- 1", "own.yaml:1: 0: write ids, release, source, fixed in it"),
        (f"{ENTRY}- [", "own.yaml:"),
        (ENTRY.replace("jammy", "'22.04'"), "own.yaml:1: 0.release: write the release by"),
        (ENTRY.replace("3.0.2-0ubuntu1.15", "1.5"), "own.yaml:1: 0.fixed: write the first version"),
        (ENTRY.replace("3.0.2-0ubuntu1.15", "1.10"), "own.yaml:1: 0.fixed: would be read as"),
        (ENTRY.replace("source: openssl, ", ""), "own.yaml:1: 0.source: write the source package"),
        (ENTRY.replace("[CVE-2026-7]", "CVE-2026-7"), "own.yaml:1: 0.ids: write a list of ids"),
        (ENTRY.replace("CVE-2026-7", "open ssl"), "own.yaml:1: 0.ids.0: 'open ssl' is no id"),
        (ENTRY.replace("ids:", "cve: x, ids:"), "own.yaml:1: 0.cve: is not known here"),
        (ENTRY + ENTRY.replace("1.15", "1.16"), "own.yaml:2: 1: has another fixed version"),
    ],
)  # fmt: skip
def test_a_table_of_ones_own_that_is_wrong_is_told_by_line_and_field(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_own(text, "own.yaml")
    assert str(caught.value).startswith(said)


def test_an_entry_that_stands_twice_alike_is_one() -> None:
    assert parse_own(ENTRY + ENTRY, "f").rulings["openssl"][CVE] == {"jammy": "3.0.2-0ubuntu1.15"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "tracker.json:1: is no valid JSON"),
        ("{}", "tracker.json: is not what Debian's security tracker publishes; write {"),
        ('{"openssl": []}', "tracker.json: openssl: is not what"),
        ('{"openssl": {"CVE-1": {}}}', "tracker.json: openssl.CVE-1: is not what"),
        ('{"openssl": {"CVE-1": "2"}}', "tracker.json: openssl.CVE-1: is not what"),
        ('{"openssl": {"CVE-1": {"releases": {"a": "2"}}}}', "tracker.json: openssl.CVE-1: is not"),
        ('{"openssl": {"status": "open"}}', "tracker.json: openssl: is not what"),
        ('{"a":' * 100_000, "tracker.json: is not what"),
    ],
)
def test_what_is_not_the_trackers_is_told_by_its_key(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_tracker(text, "tracker.json")
    assert str(caught.value).startswith(said)


def test_of_the_trackers_file_only_rulings_are_held_and_equal_ones_once() -> None:
    table = tracker(
        {"a": {"CVE-1": resolved("2"), "CVE-2": resolved("2")}, "b": {"CVE-1": resolved("2")}}
    )
    held = [of for listed in table.rulings.values() for of in listed.values()]
    assert held == [{"bookworm": "2"}] * 3
    assert len({id(of) for of in held}) == 1
