"""The stand-in tools: what they answer, and that they never guess."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from patchyard.managers.debian_version import compare
from patchyard.testing.simulated import catalogue
from patchyard.testing.simulated.building import REFUSED, TOOLS, build_base
from tests.simulated.conftest import Workplace

UNKNOWN = (
    "apt-get autoremove",
    "apt-get -y --purge-everything dist-upgrade",
    "apt-get -o Some::Option=1 dist-upgrade",
    "apt-cache search nginx",
    "apt-mark minimize-manual",
    "apt-config dump",
    "dpkg --purge libssl3",
    "dpkg-query -W",
    "dpkg-query -W -f '${Maintainer}\\n'",
    "dpkg-deb --build here there",
    "needrestart -r a",
    "systemctl disable nginx",
    "systemctl restart --no-block nginx",
    "systemd-run --user true",
    "systemd-detect-virt",
    "uname -a",
    "df -h",
    "shutdown now",
)


@pytest.mark.parametrize("call", UNKNOWN)
def test_a_call_that_was_not_told_is_refused_and_noted(workplace: Workplace, call: str) -> None:
    done = workplace.run("sim-0001", f"{call}\nexit $?")
    assert done.exit_status == 97
    assert "not told" in done.stderr
    assert any(call.split(maxsplit=1)[0] in line for line in workplace.yard.refused())


def test_tools_of_the_box_that_could_change_it_cannot_be_reached(workplace: Workplace) -> None:
    script = "\n".join(f'{name} --version >/dev/null 2>&1; echo "{name} $?"' for name in REFUSED)
    said = workplace.run("sim-0001", script).stdout.split("\n")
    assert [line for line in said if line] == [f"{name} 97" for name in REFUSED]


def test_versions_are_ordered_as_dpkg_orders_them() -> None:
    versions = ["1.0", "1.0~rc1", "1.0-1", "1.0-1+b2", "1.0-1+deb12u1", "1:0.9", "1.0.10", "1.0.9"]
    versions += ["2.0a", "2.0", "2.0+x", "2.0~~", "2.0~", "1.0-1~deb12u1", "09", "9"]
    versions += [version.version for version in catalogue.versions()][:60]
    pairs = [*combinations(versions, 2), *((v, v) for v in versions)]
    program = (TOOLS / "lib/packages.awk").read_text().split("END {")[0]
    functions = (TOOLS / "lib/packages.awk").read_text().split("# --- versions", 1)[1]
    functions = "#" + functions.split("# --- what is asked", 1)[0]
    table = program.split("FNR == 1")[0].replace('FS = OFS = "\\t"', 'FS = "|"')
    text = f"{table}\n{functions}\n{{ d = compare($1, $2); print d < 0 ? -1 : (d > 0 ? 1 : 0) }}"
    lines = "".join(f"{left}|{right}\n" for left, right in pairs)
    done = subprocess.run(["awk", text], input=lines, capture_output=True, text=True, check=True)
    assert [int(line) for line in done.stdout.split()] == [compare(a, b) for a, b in pairs]


def test_the_catalogue_is_newest_first() -> None:
    for one, other in pairwise(catalogue.versions()):
        if one.name == other.name:
            assert compare(one.version, other.version) > 0


def test_what_is_installed_first_has_all_that_it_needs(workplace: Workplace) -> None:
    said = workplace.run("sim-0004", "apt-get -y -q -V --print-uris -f install").stdout
    assert "0 upgraded, 0 newly installed" in said


def test_archives_are_as_fresh_as_the_yard(tmp_path: Path) -> None:
    build_base(tmp_path / "base")
    releases = list((tmp_path / "base/lists").glob("*Release"))
    assert len(releases) == 3
    assert f"{datetime.now(UTC):%Y}" in releases[0].read_text()


class TestHolding:
    def test_a_held_package_is_kept_back(self, workplace: Workplace) -> None:
        workplace.run("sim-0002", "apt-mark hold libexpat1")
        said = workplace.run("sim-0002", "apt-get -y -q -V --print-uris dist-upgrade").stdout
        kept, _, rest = said.partition("will be upgraded")
        assert "kept back" in kept
        assert "libexpat1 (" in kept
        assert "libexpat1" not in rest
        workplace.run("sim-0002", "apt-mark unhold libexpat1")

    def test_changing_it_needs_a_word(self, workplace: Workplace) -> None:
        workplace.run("sim-0003", "apt-mark hold libexpat1")
        call = "apt-get -y -q -V install libexpat1:amd64=2.5.0-1+deb12u5"
        done = workplace.run("sim-0003", f"{call}; exit $?")
        assert done.exit_status == 100
        assert "Held packages were changed" in done.stderr
        more = call.replace("install", "install --allow-change-held-packages")
        assert workplace.run("sim-0003", f"{more}; exit $?").exit_status == 0
        assert workplace.yard.packages("sim-0003")["libexpat1"] == "2.5.0-1+deb12u5"


class TestUnits:
    def test_a_command_outlives_its_link_and_is_active_while_it_runs(
        self, workplace: Workplace
    ) -> None:
        start = "systemd-run --unit=work --collect --no-block sh -c 'sleep 0.5; echo done >end'"
        workplace.run("sim-0001", f"cd ~; {start}")
        assert workplace.run("sim-0001", "systemctl is-active work").stdout == "active\n"
        look = "cd ~; while systemctl is-active --quiet work; do sleep 0.1; done; cat end"
        assert workplace.run("sim-0001", look).stdout == "done\n"

    def test_one_unit_of_a_name_at_a_time(self, workplace: Workplace) -> None:
        start = "systemd-run --unit=twice sleep 1"
        assert workplace.run("sim-0001", f"{start}; {start}; exit $?").exit_status == 1
