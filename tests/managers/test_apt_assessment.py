from datetime import UTC, date, datetime, timedelta

import pytest

from patchyard.domain.updates import (
    Assessment,
    Classification,
    Compliance,
    Standing,
    Update,
    compliance,
)
from patchyard.domain.value import Known
from patchyard.errors import MalformedOutput, ScriptFailed
from patchyard.managers.apt.assessment import parse_assessment
from patchyard.managers.apt.lifetimes import end_of_life
from patchyard.transcript import Section, Transcript
from tests.managers.captures import FIXTURES, MACHINE, moment_of, transcript_of

SECURITY = frozenset({Classification.SECURITY})


def transcript(note: str) -> Transcript:
    return transcript_of(FIXTURES / "apt" / f"assess--{note}.out")


def assessed(note: str, *, later: timedelta = timedelta()) -> Assessment:
    answers = transcript(note)
    return parse_assessment(answers, MACHINE, moment_of(answers) + later)


def changed(note: str, **texts: str | None) -> Assessment:
    """Read a capture in which some answers are other ones, or (None) were not given."""
    sections = dict(transcript(note).sections)
    for name, text in texts.items():
        if text is None:
            del sections[name]
        else:
            sections[name] = Section(name, text, "", 0)
    return parse_assessment(Transcript(sections), MACHINE, moment_of(transcript(note)))


def update(seen: Assessment, name: str) -> Update:
    return next(update for update in seen.updates if update.name == name)


class TestStandings:
    @pytest.mark.parametrize(
        ("name", "standing"),
        [
            ("yard-bad", Standing.INSTALLABLE),
            ("yard-held", Standing.HELD),
            ("yard-phased", Standing.PHASED),
            ("yard-pinned", Standing.PINNED),
            ("yard-needs-new", Standing.NEEDS_NEW),
            ("yard-quits", Standing.NEEDS_REMOVAL),
            ("yard-moves", Standing.KEPT_BACK),
            ("yard-along", Standing.INSTALLABLE),
        ],
    )
    def test_each_reason_not_to_install_has_its_label(self, name: str, standing: Standing) -> None:
        assert update(assessed("debian-12-standings"), name).standing == standing

    def test_what_comes_along_is_listed_and_required_by_what_brings_it(self) -> None:
        seen = assessed("debian-12-standings")

        assert update(seen, "yard-along").installed == ""
        assert update(seen, "yard-needs-new").requires == ("yard-along",)

    def test_an_update_that_removes_says_what(self) -> None:
        removes = update(assessed("debian-12-standings"), "yard-quits").removes

        assert removes == ("yard-conflicting:all",)

    def test_what_depends_on_a_held_package_is_kept_back(self) -> None:
        seen = assessed("debian-12-kept-back")

        assert update(seen, "nginx-light").standing == Standing.HELD
        assert update(seen, "nginx").standing == Standing.KEPT_BACK

    def test_a_phased_update_of_ubuntu_tells_its_percentage_and_is_not_missing(self) -> None:
        seen = assessed("ubuntu-24.04-phased-written-by-hand")

        assert update(seen, "coreutils").standing == Standing.PHASED
        assert "20%" in update(seen, "coreutils").detail
        assert compliance(seen, frozenset({Classification.OTHER})) == Compliance.COMPLIANT

    def test_a_backport_that_nobody_asked_for_is_no_update(self) -> None:
        headers = transcript("debian-12-standings")["releases"].stdout
        reluctant = headers.replace("Origin: Yard", "Origin: Yard\nNotAutomatic: yes")
        seen = changed("debian-12-standings", releases=reluctant)

        assert "yard-pinned" not in {u.name for u in seen.updates}


class TestUpdates:
    def test_all_that_apt_counts_is_listed(self) -> None:
        seen = assessed("debian-12-pending")

        assert len(seen.updates) == 25
        assert {u.classification for u in seen.updates} == {Classification.SECURITY}
        assert {u.standing for u in seen.updates} == {Standing.INSTALLABLE}

    def test_an_update_carries_sizes_source_and_origin(self) -> None:
        openssl = update(assessed("debian-12-pending"), "libssl3")

        assert openssl.source == "openssl"
        assert openssl.origin == "Debian-Security bookworm-security"
        assert openssl.download_bytes == 2039888
        assert openssl.installed_bytes == 6042 * 1024

    def test_a_set_in_lock_step_requires_itself_both_ways(self) -> None:
        seen = assessed("debian-12-pending")

        assert set(update(seen, "nginx").requires) == {"nginx-common", "nginx-light"}
        assert "nginx" in update(seen, "nginx-light").requires

    def test_an_update_that_stands_alone_requires_nothing(self) -> None:
        assert update(assessed("debian-12-pending"), "libssl3").requires == ()

    def test_a_version_that_only_the_machine_has_cannot_be_fetched_again(self) -> None:
        seen = assessed("ubuntu-24.04-phased-written-by-hand")

        assert update(seen, "openssl").restorable == Known.NO
        assert update(seen, "coreutils").restorable == Known.YES

    def test_a_security_fix_that_a_later_plain_version_carries_still_counts(self) -> None:
        table = (
            "tzdata:\n  Installed: 2026b-0+deb12u1\n  Candidate: 3\n  Version table:\n"
            "     3 500\n"
            "        500 http://deb.debian.example/debian bookworm/main amd64 Packages\n"
            "     2 500\n        500 http://deb.debian.example/debian-security "
            "bookworm-security/main amd64 Packages\n"
            " *** 2026b-0+deb12u1 100\n        100 /var/lib/dpkg/status\n"
        )
        seen = changed("debian-12-pending", versions=table)

        assert [u.classification for u in seen.updates] == [Classification.SECURITY]
        assert seen.updates[0].origin == "Debian bookworm"

    def test_packages_of_which_only_settings_remain_are_not_installed(self) -> None:
        text = "a\tall\t1\tii \t\nb\tall\t1\trc \t\nc\tall\t\tun \t"

        assert changed("debian-12-current", packages=text).packages == {"a:all": "1"}


class TestCompleteness:
    def test_fresh_sources_prove_that_nothing_is_missing(self) -> None:
        seen = assessed("debian-12-current")

        assert seen.complete == Known.YES
        assert compliance(seen, SECURITY) == Compliance.COMPLIANT

    @pytest.mark.parametrize("note", ["dead-security", "no-security", "unreachable", "locked"])
    def test_without_fresh_security_sources_a_machine_is_never_compliant(self, note: str) -> None:
        seen = assessed(f"debian-12-{note}")

        assert seen.complete == Known.NO
        assert seen.incomplete_because
        assert compliance(seen, SECURITY) != Compliance.COMPLIANT

    def test_a_source_that_failed_bears_its_own_error(self) -> None:
        failed = [s for s in assessed("debian-12-dead-security").sources if s.error]

        assert [s.security for s in failed] == [True]
        assert "Connection refused" in failed[0].error

    def test_an_expired_index_is_not_fresh(self) -> None:
        seen = assessed("debian-12-current", later=timedelta(days=10))

        assert seen.complete == Known.NO
        assert any("expired" in reason for reason in seen.incomplete_because)

    def test_a_look_without_refresh_proves_nothing(self) -> None:
        assert changed("debian-12-current", refresh=None).complete == Known.UNKNOWN

    def test_a_warning_about_a_failed_source_counts_though_apt_ended_well(self) -> None:
        said = (
            "Hit:1 http://deb.debian.example/debian bookworm InRelease\n"
            "W: Failed to fetch http://deb.debian.example/debian-security/dists/"
            "bookworm-security/InRelease  Could not resolve 'deb.debian.example'\n"
            "W: Some index files failed to download. They have been ignored, or old ones used.\n"
        )
        seen = changed("debian-12-current", refresh=said)

        assert seen.complete == Known.NO
        assert [s.error != "" for s in seen.sources if s.security] == [True]

    def test_a_harmless_warning_is_a_finding(self) -> None:
        said = "W: http://x/dists/y/InRelease: Key is stored in legacy trusted.gpg keyring\n"
        seen = changed("debian-12-current", refresh=said)

        assert seen.complete == Known.YES
        assert any("legacy" in finding for finding in seen.findings)

    def test_a_password_in_an_address_is_never_told(self) -> None:
        places = "'http://joe:secret@mirror.example/debian/dists/bookworm/InRelease' f 0 "
        seen = changed("debian-12-current", configured=places)

        assert "secret" not in seen.model_dump_json()

    def test_a_release_without_fixes_is_not_complete(self) -> None:
        old = 'ID=debian\nVERSION_ID="9"\nVERSION_CODENAME=stretch\n'
        seen = changed("debian-12-current", os_release=old)

        assert seen.os.end_of_life == Known.YES
        assert seen.complete == Known.NO

    def test_a_release_nobody_knows_is_unknown(self) -> None:
        seen = changed("debian-12-current", os_release="ID=other\nVERSION_ID=1\n")

        assert seen.os.end_of_life == Known.UNKNOWN
        assert seen.complete == Known.UNKNOWN


class TestLifetimes:
    @pytest.mark.parametrize(
        ("os_id", "version", "today", "paid", "over"),
        [
            ("debian", "12", date(2026, 1, 1), False, Known.NO),
            ("debian", "12", date(2027, 1, 1), False, Known.NO),
            ("debian", "12", date(2029, 1, 1), False, Known.YES),
            ("ubuntu", "20.04", date(2026, 1, 1), False, Known.YES),
            ("ubuntu", "20.04", date(2026, 1, 1), True, Known.NO),
            ("ubuntu", "99.04", date(2026, 1, 1), True, Known.UNKNOWN),
        ],
    )
    def test_long_term_support_counts_and_paid_support_only_where_it_is_configured(
        self, os_id: str, version: str, today: date, *, paid: bool, over: Known
    ) -> None:
        assert end_of_life(os_id, version, today, paid=paid)[0] == over


class TestEffect:
    def test_needrestart_names_services_and_what_may_not_be_restarted(self) -> None:
        services = assessed("debian-12-services").outdated_services

        assert {s.name: s.restartable for s in services} == {
            "nginx.service": True,
            "ssh.service": True,
            "systemd-journald.service": True,
            "systemd-logind.service": False,
            "init": True,
        }

    def test_without_needrestart_the_memory_maps_tell_the_same(self) -> None:
        by_needrestart = assessed("debian-12-services")
        by_maps = assessed("debian-12-no-needrestart")

        assert by_maps.outdated_services_known == Known.YES
        assert set(by_maps.outdated_services) == set(by_needrestart.outdated_services)

    def test_without_either_it_is_unknown(self) -> None:
        seen = changed("debian-12-current", needrestart=None)

        assert seen.outdated_services_known == Known.UNKNOWN
        assert seen.reboot_required == Known.UNKNOWN

    def test_a_reboot_flag_names_the_packages_that_asked(self) -> None:
        seen = assessed("debian-12-reboot-flag")

        assert seen.reboot_required == Known.YES
        assert seen.reboot_reasons == ("asked for by libssl3",)

    def test_logins_that_run_replaced_code_are_told_and_reboot_nothing(self) -> None:
        said = "NEEDRESTART-VER: 3.6\nNEEDRESTART-SVC: user@1000.service\nNEEDRESTART-SESS: a @ 1\n"
        seen = changed("debian-12-current", needrestart=said)

        assert seen.outdated_services == ()
        assert seen.reboot_required == Known.NO
        assert len([f for f in seen.findings if "replaced code" in f]) == 2

    def test_the_kernel_of_a_container_belongs_to_its_host(self) -> None:
        assert assessed("debian-12-current").kernel.applicable == Known.NO

    @pytest.mark.parametrize(
        ("running", "built", "installed", "outdated"),
        [
            ("6.8.0-48-generic", "#48-Ubuntu SMP", "6.8.0-45-generic\n6.8.0-48-generic", Known.NO),
            ("6.8.0-45-generic", "#45-Ubuntu SMP", "6.8.0-45-generic\n6.8.0-48-generic", Known.YES),
            ("6.8.0-9-generic", "#9-Ubuntu SMP", "6.8.0-9-generic\n6.8.0-10-generic", Known.YES),
            ("6.8.0-48-generic", "#47-Ubuntu SMP", "6.8.0-48-generic", Known.YES),
            ("6.8.0-48-generic", "#48-Ubuntu SMP", "6.8.0-45-generic", Known.YES),
            ("6.9.0-custom", "#1 SMP", "6.8.0-48-generic", Known.UNKNOWN),
            ("6.8.0-48-generic", "#48-Ubuntu SMP", "", Known.UNKNOWN),
        ],
    )
    def test_kernels_are_compared_by_version_flavour_and_build(
        self, running: str, built: str, installed: str, outdated: Known
    ) -> None:
        seen = changed(
            "ubuntu-24.04-phased-written-by-hand",
            kernel=running,
            kernel_build=built,
            kernels=installed,
            needrestart="NEEDRESTART-VER: 3.6\n",
        )

        assert seen.kernel.outdated == outdated

    def test_a_rebuilt_kernel_of_the_same_name_is_seen_on_debian(self) -> None:
        seen = changed(
            "ubuntu-24.04-phased-written-by-hand",
            kernel="6.1.0-32-amd64",
            kernel_build="#1 SMP PREEMPT_DYNAMIC Debian 6.1.128-1 (2025-02-07)",
            kernels="6.1.0-32-amd64",
            packages="linux-image-6.1.0-32-amd64\tamd64\t6.1.129-1\tii \t",
            needrestart="NEEDRESTART-VER: 3.6\n",
        )

        assert seen.kernel.outdated == Known.YES


class TestSurroundings:
    def test_the_holder_of_a_lock_is_named(self) -> None:
        holders = assessed("debian-12-locked").lock_holders

        assert {h.path for h in holders} == {
            "/var/lib/dpkg/lock-frontend",
            "/var/lib/apt/lists/lock",
        }
        assert {h.command for h in holders} == {"python3"}

    def test_an_open_lock_file_without_a_lock_is_held_by_nobody(self) -> None:
        assert changed("debian-12-locked", locks="").lock_holders == ()

    def test_a_locked_machine_still_shows_its_updates(self) -> None:
        assert len(assessed("debian-12-locked").updates) > 25

    @pytest.mark.parametrize(
        ("note", "words"),
        [("half-configured", "yard-bad:all is half-configured"), ("interrupted", "journal")],
    )
    def test_a_database_in_pieces_is_seen(self, note: str, words: str) -> None:
        problems = assessed(f"debian-12-{note}").database_problems

        assert any(words in problem for problem in problems)

    def test_unattended_upgrades_is_a_rival_with_its_settings(self) -> None:
        rivals = assessed("debian-12-services").rivals

        assert [(r.name, r.active) for r in rivals] == [("unattended-upgrades", Known.YES)]

    def test_a_rival_whose_settings_cannot_be_read_is_unknown(self) -> None:
        rivals = changed("debian-12-services", periodic=None).rivals

        assert [r.active for r in rivals] == [Known.UNKNOWN]

    def test_a_waiting_configuration_file_is_a_finding(self) -> None:
        findings = assessed("debian-12-leftover").findings

        assert any("/etc/yard-conf.conf.dpkg-dist" in finding for finding in findings)

    def test_file_systems_are_listed_once_with_bytes_and_inodes(self) -> None:
        seen = assessed("debian-12-pending")
        root = seen.filesystem("/var/lib")

        assert root is not None
        assert root.mount == "/"
        assert root.inodes
        assert len({fs.mount for fs in seen.filesystems}) == len(seen.filesystems)

    def test_the_clock_is_compared_with_ours(self) -> None:
        assert assessed("debian-12-current", later=timedelta(seconds=90)).clock_skew == -90


class TestFailures:
    @pytest.mark.parametrize("name", ["would_full", "versions", "packages", "policy", "holds"])
    def test_a_failed_tool_is_an_error(self, name: str) -> None:
        sections = dict(transcript("debian-12-current").sections)
        sections[name] = Section(name, "", "E: it broke", 100)

        with pytest.raises(ScriptFailed, match="it broke"):
            parse_assessment(Transcript(sections), MACHINE, datetime(2026, 11, 23, tzinfo=UTC))

    def test_broken_dependencies_are_told_and_not_an_error(self) -> None:
        sections = dict(transcript("debian-12-pending").sections)
        said = "E: Unmet dependencies. Try 'apt --fix-broken install' with no packages"
        sections["would_full"] = Section("would_full", said, "", 100)
        seen = parse_assessment(Transcript(sections), MACHINE, datetime(2026, 11, 23, tzinfo=UTC))

        assert any("Unmet dependencies" in problem for problem in seen.database_problems)
        assert seen.complete == Known.NO
        assert len(seen.updates) == 25

    def test_a_missing_answer_is_malformed(self) -> None:
        with pytest.raises(MalformedOutput, match="versions"):
            changed("debian-12-current", versions=None)


class TestSharedAnswers:
    """What many machines answer to the letter is read once; whatever differs is read anew."""

    def test_the_same_answers_are_read_once(self) -> None:
        one, other = assessed("debian-12-pending"), assessed("debian-12-pending")
        assert one.updates
        assert all(a is b for a, b in zip(one.updates, other.updates, strict=True))

    def test_another_answer_leads_to_other_updates(self) -> None:
        seen = assessed("debian-12-pending")
        name = seen.updates[0].name
        assert update(changed("debian-12-pending", holds=f"{name}\n"), name).standing == "held"
        assert update(assessed("debian-12-pending"), name).standing == seen.updates[0].standing
        assert changed("debian-12-pending", versions="").updates == ()
