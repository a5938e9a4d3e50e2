"""The yard itself: its machines are real, and nothing of them stays."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.yard import demo, faults, legacy
from tests.yard.box import YardError, run
from tests.yard.machine import Machine
from tests.yard.mounts import mounted_below
from tests.yard.network import CLAIMS, Network
from tests.yard.processes import until
from tests.yard.spec import MachineSpec, Reach
from tests.yard.yard import Yard

pytestmark = [
    pytest.mark.yard,
    pytest.mark.skipif(os.geteuid() != 0, reason="a yard needs root"),
]
REACHES = ("web-1", "web-2", "bastion", "db-1", "arc-1", "app-1")


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    spare = MachineSpec("spare-1", var_size="256M")
    with Yard(tmp_path_factory.mktemp("yard"), (*demo.SPECS, spare), groups=demo.GROUPS) as made:
        yield made


@pytest.fixture
def spare(yard: Yard) -> Machine:
    """A machine that tests may do bad things to, and set right again."""
    return yard["spare-1"]


class TestReach:
    @pytest.mark.parametrize("name", REACHES)
    def test_openssh_logs_in_as_the_inventory_says(self, yard: Yard, name: str) -> None:
        login = yard.ssh(name, "hostname")
        assert (login.returncode, login.stdout) == (0, f"{name}\n"), login.stderr

    @pytest.mark.parametrize(("name", "option"), [("db-1", "ProxyJump"), ("arc-1", "ProxyCommand")])
    def test_no_direct_way_leads_to_a_hidden_machine(
        self, yard: Yard, name: str, option: str
    ) -> None:
        config = str(yard.folder / "ssh_config")
        direct = run(["ssh", "-F", config, "-o", f"{option}=none", name, "true"], check=False)
        assert direct.returncode == 255
        assert "Connection refused" in direct.stderr

    def test_password_sudo_asks_for_the_password(self, yard: Yard) -> None:
        password = (yard.folder / "keys/operator.password").read_text("ascii")
        assert yard.ssh("app-1", "sudo -n -l").returncode == 1
        right = yard.ssh("app-1", "sudo -S -p '' -l", stdin=f"{password}\n")
        assert "/usr/bin/systemd-run" in right.stdout, right.stderr

    def test_the_login_user_starts_jobs_as_root_and_nothing_else(self, yard: Yard) -> None:
        for command in ("id", "systemctl reboot", "systemd-run --pty bash"):
            assert yard.ssh("web-1", f"sudo -n {command}").returncode == 1, command

    def test_root_logs_in_only_where_it_may(self, yard: Yard) -> None:
        config = str(yard.folder / "ssh_config")
        words = ["ssh", "-F", config, "-o", "BatchMode=yes", "-l", "root"]
        assert run([*words, "web-1", "true"], check=False).returncode == 255
        assert run([*words, "web-2", "true"], check=False).returncode == 0

    def test_apt_reaches_the_mirror_from_the_private_network(self, yard: Yard) -> None:
        yard["db-1"].exec(["apt-get", "update", "-o", "APT::Update::Error-Mode=any"])
        fetch = yard.ssh("db-1", "cd /tmp && apt-get download tzdata")
        assert fetch.returncode == 0, fetch.stderr


class TestMachine:
    def test_has_real_security_updates_pending(self, spare: Machine) -> None:
        plan = spare.exec(["apt-get", "-s", "dist-upgrade"])
        pending = [line for line in plan.splitlines() if line.startswith("Inst")]
        assert len([line for line in pending if "Debian-Security" in line]) > 5

    def test_a_reboot_changes_the_boot_id(self, yard: Yard, spare: Machine) -> None:
        before = spare.boot_id()
        spare.exec(["systemctl", "reboot"], check=False)
        assert until(lambda: _boot_id(spare) not in (None, before), 30)
        spare.wait_ready()
        assert yard.ssh("spare-1", "true").returncode == 0

    def test_may_never_come_back_from_a_reboot(self, spare: Machine) -> None:
        spare.stay_down()
        spare.exec(["systemctl", "reboot"], check=False)
        assert until(lambda: spare.leader is None, 30)
        assert not until(lambda: spare.leader is not None, 2)
        spare.come_back()
        spare.wait_ready()

    def test_a_frozen_machine_accepts_and_says_nothing(self, yard: Yard, spare: Machine) -> None:
        spare.freeze()
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                yard.ssh("spare-1", "true", timeout=2)
        finally:
            spare.thaw()
        assert yard.ssh("spare-1", "true").returncode == 0

    def test_a_job_outlives_the_login_that_began_it(self, yard: Yard) -> None:
        yard.ssh("web-2", "systemd-run -u yardjob --collect --no-block sleep 300")
        assert yard["web-2"].exec(["systemctl", "is-active", "yardjob"]).strip() == "active"
        yard["web-2"].exec(["systemctl", "stop", "yardjob"])


class TestFaults:
    def test_stopped_sshd_refuses(self, yard: Yard, spare: Machine) -> None:
        faults.stop_sshd(spare)
        assert "refused" in yard.ssh("spare-1", "true").stderr
        faults.start_sshd(spare)
        assert yard.ssh("spare-1", "true").returncode == 0

    def test_a_firewall_rule_rejects(self, yard: Yard, spare: Machine) -> None:
        faults.reject_address(spare)
        assert "refused" in yard.ssh("spare-1", "true").stderr
        faults.accept_address(spare)
        assert yard.ssh("spare-1", "true").returncode == 0

    def test_a_full_var_has_no_room_for_a_package(self, spare: Machine) -> None:
        faults.fill_var(spare)
        assert spare.exec(["df", "--output=avail", "/var"]).split()[-1] == "0"
        with pytest.raises(YardError, match="No space left"):
            spare.write_file("/var/lib/more", "x" * 100_000)
        faults.free_var(spare)
        assert int(spare.exec(["df", "--output=avail", "/var"]).split()[-1]) > 10_000

    def test_a_held_lock_stops_apt(self, spare: Machine) -> None:
        with faults.held_dpkg_lock(spare) as pid:
            assert spare.read_file(f"/proc/{pid}/comm").strip() == faults.LOCK_HOLDER[:15]
            with pytest.raises(YardError, match=f"held by process {pid}"):
                spare.exec(["apt-get", "-y", "install", "--reinstall", "tzdata"])
        spare.exec(["apt-get", "check"])

    def test_a_half_configured_package_is_mended_by_dpkg(self, spare: Machine) -> None:
        deb = faults.half_configure(spare)
        query = ["dpkg-query", "-Wf", "${db:Status-Status}", deb.name]
        assert spare.exec(query) == "half-configured"
        spare.exec(["dpkg", "--configure", "-a"])
        assert spare.exec(query) == "installed"

    def test_a_broken_source_fails_the_update(self, spare: Machine) -> None:
        strict = ["apt-get", "update", "-o", "APT::Update::Error-Mode=any"]
        faults.break_security_source(spare)
        with pytest.raises(YardError, match=r"127\.0\.0\.1"):
            spare.exec(strict)
        faults.mend_security_source(spare)
        spare.exec(strict)

    def test_a_changed_host_key_is_noticed(self, yard: Yard, spare: Machine) -> None:
        faults.change_host_key(spare)
        assert "HOST IDENTIFICATION HAS CHANGED" in yard.ssh("spare-1", "true").stderr
        yard.write_inventory()
        assert yard.ssh("spare-1", "true").returncode == 0

    def test_a_changed_conffile_stops_an_unattended_update(self, spare: Machine) -> None:
        deb = faults.conffile_prompt(spare)
        with pytest.raises(YardError, match="conffile"):
            spare.exec(["apt-get", "-y", "install", deb.name], stdin="")
        keep = ["-o", "Dpkg::Options::=--force-confold"]
        spare.exec(["apt-get", "-y", *keep, "install", deb.name])
        assert "green" in spare.read_file("/etc/yard-conf.conf")

    def test_a_held_package_stays(self, spare: Machine) -> None:
        faults.hold_package(spare, "tzdata")
        assert "Inst tzdata" not in spare.exec(["apt-get", "-s", "dist-upgrade"])

    def test_a_version_can_have_vanished(self, spare: Machine) -> None:
        deb = faults.vanished_version(spare)
        spare.exec(["apt-get", "-y", "install", deb.name])
        with pytest.raises(YardError, match="was not found"):
            spare.exec(["apt-get", "-y", "--allow-downgrades", "install", f"{deb.name}=1.0"])

    def test_the_legacy_application_refuses_the_new_library(self, yard: Yard) -> None:
        machine = yard["app-1"]
        legacy.install(machine)
        old = machine.packages()["libssl3:amd64"]
        machine.exec(["apt-get", "-y", "install", "libssl3", "openssl"])
        assert machine.packages()["libssl3:amd64"] != old
        assert legacy.is_running(machine)
        machine.exec(["systemctl", "restart", legacy.UNIT], check=False)
        assert not legacy.is_running(machine)
        back = [f"libssl3={old}", f"openssl={old}"]
        machine.exec(["apt-get", "-y", "--allow-downgrades", "install", *back])
        machine.exec(["systemctl", "restart", legacy.UNIT])
        assert legacy.is_running(machine)


class TestEnd:
    def test_nothing_stays(self, tmp_path: Path) -> None:
        specs = (
            MachineSpec("gate", reach=Reach.GATEWAY),
            MachineSpec("behind", reach=Reach.BASTION, var_size="32M"),
        )
        with Yard(tmp_path / "yard", specs) as yard:
            cgroups = [machine.cgroup for machine in yard.machines.values()]
            namespaces = {machine.place.network for machine in yard.machines.values()}
            assert all(cgroup.pids() for cgroup in cgroups)
            yard["behind"].freeze()
            faults.reject_address(yard["gate"])
        assert not any(cgroup.path.exists() for cgroup in cgroups)
        assert not mounted_below(tmp_path)
        assert not any(Path("/run/netns", str(name)).exists() for name in namespaces)
        assert _command_lines_naming(str(tmp_path)) == []
        assert yard["gate"].table not in run(["nft", "list", "tables"]).stdout
        assert str(tmp_path) not in "".join(note.read_text() for note in CLAIMS.iterdir())
        assert not (tmp_path / "yard").exists()

    def test_machines_do_not_outlive_an_owner_that_was_killed(self, tmp_path: Path) -> None:
        home = tmp_path / "yard"
        script = f"""
import os, pathlib, signal
from tests.yard.yard import Yard
from tests.yard.spec import MachineSpec, Reach
Yard(pathlib.Path({str(home)!r}), [MachineSpec("orphan", reach=Reach.GATEWAY)]).up()
os.kill(os.getpid(), signal.SIGKILL)
"""
        killed = run([sys.executable, "-c", script], check=False)
        assert killed.returncode == -9, killed.stderr
        network = Network(json.loads((home / "yard.json").read_text("utf-8"))["network"])
        assert until(lambda: not _command_lines_naming(str(tmp_path)), 20)
        assert until(lambda: not mounted_below(tmp_path), 5)
        assert until(lambda: not Path("/run/netns", network.namespace).exists(), 5)


def _boot_id(machine: Machine) -> str | None:
    try:
        return machine.boot_id()
    except YardError:
        return None


def _command_lines_naming(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text(encoding="utf-8", errors="replace").replace("\0", " ")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found
