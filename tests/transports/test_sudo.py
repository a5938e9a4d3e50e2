"""sudo, the real one, as a real user of this box that the tests make and take away."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard._job_calls import poll, start
from patchyard.errors import PrivilegeRefused
from patchyard.jobs import Job, State
from patchyard.transports import Transport
from tests.sshd import Sshd

SOON = timedelta(seconds=20)
DOCS = Path(__file__).parents[2] / "docs"
PLAIN = (DOCS / "sudoers").read_text()

pytestmark = [
    # They make accounts of this box, one set at a time.
    pytest.mark.xdist_group("accounts"),
    pytest.mark.yard,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes a user of the box: needs root"),
    pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed"),
]


@dataclass
class Account:
    name: str
    password: str
    rules: Path
    server: Sshd
    log: Path

    def may(self, rules: str) -> None:
        self.rules.write_text(f"Defaults:{self.name} logfile={self.log}\n{rules}\n")
        self.rules.chmod(0o440)
        subprocess.run(["visudo", "-qcf", str(self.rules)], check=True)

    def open(self, sudo: str, monkeypatch: pytest.MonkeyPatch, password: str = "") -> Transport:
        monkeypatch.setenv("SUDO_SECRET", password or self.password)
        return self.server.open(user=self.name, sudo=sudo, sudo_password="env:SUDO_SECRET")


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    name = f"py{secrets.token_hex(3)}"
    password = secrets.token_hex(8)
    subprocess.run(["useradd", "-m", "-s", "/bin/bash", name], check=True)
    rules = Path(f"/etc/sudoers.d/{name}")
    # Of its own: another test session makes the folder of all sessions private again.
    folder = Path(tempfile.mkdtemp(prefix="patchyard-sudo-"))
    folder.chmod(0o755)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{password}", text=True, check=True)
        with Sshd(folder / "machine") as server:
            for path in (server.folder, server.root):
                path.chmod(0o755)
            yield Account(name, password, rules, server, folder / "sudo.log")
    finally:
        rules.unlink(missing_ok=True)
        subprocess.run(["userdel", "-rf", name], check=True, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_root_without_a_password(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.may(f"{account.name} ALL=(root) NOPASSWD: ALL")
    link = account.open("nopasswd", monkeypatch)
    done = link.run("id -un; root id -un; root sh -c 'echo to err >&2; exit 9'", timeout=SOON)
    link.close()
    assert (done.exit_status, done.stdout) == (9, f"{account.name}\nroot\n")
    assert done.stderr.strip() == "to err"


def test_root_with_a_password_that_nobody_else_sees(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.may(f"{account.name} ALL=(root) ALL")
    link = account.open("password", monkeypatch)
    script = (
        "root sh -c 'id -un; cat; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null |"
        ' tr "\\0" "\\n"\'; printenv'
    )
    done = link.run(script, timeout=SOON)
    link.close()
    assert done.stdout.startswith("root\n")
    here = f"SUDO_SECRET={account.password}"  # the controller runs on this box too
    assert account.password not in done.stdout.replace(here, "") + done.stderr


def test_a_wrong_password_is_one_attempt(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.may(f"{account.name} ALL=(root) ALL")
    account.log.unlink(missing_ok=True)
    link = account.open("password", monkeypatch, password="hunter2")
    with pytest.raises(PrivilegeRefused, match="1 incorrect password attempt") as caught:
        link.run("root true; echo after", timeout=SOON)
    link.close()
    assert account.log.read_text().count("incorrect password") == 1
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("sudo", ["nopasswd", "password"])
def test_what_the_rules_do_not_allow_is_refused(
    account: Account, monkeypatch: pytest.MonkeyPatch, sudo: str
) -> None:
    account.may(f"{account.name} ALL=(root) {'NOPASSWD: ' * (sudo == 'nopasswd')}/bin/true")
    link = account.open(sudo, monkeypatch)
    with pytest.raises(PrivilegeRefused, match="sudo refused"):
        link.run("root id; touch /tmp/never", timeout=SOON)
    link.close()


def test_an_account_without_rules_is_refused(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.may("")
    link = account.open("password", monkeypatch)
    with pytest.raises(PrivilegeRefused, match=r"not in the sudoers file|not allowed"):
        link.run("root id", timeout=SOON)
    link.close()


@pytest.mark.parametrize("sudo", ["nopasswd", "password"])
def test_a_command_that_fails_is_no_refusal(
    account: Account, monkeypatch: pytest.MonkeyPatch, sudo: str
) -> None:
    account.may(f"{account.name} ALL=(root) {'NOPASSWD: ' * (sudo == 'nopasswd')}ALL")
    link = account.open(sudo, monkeypatch)
    done = link.run("root ls /nowhere; root false; echo $?", timeout=SOON)
    link.close()
    assert done.stdout == "1\n"
    assert "/nowhere" in done.stderr


def test_the_documented_rules_allow_jobs_and_nothing_else(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setsid rule here; the one for systemd-run is put to the test in the yard."""
    lines = PLAIN.replace("# Cmnd_Alias PATCHYARD_PLAIN", "Cmnd_Alias PATCHYARD_PLAIN")
    lines = lines.replace("PATCHYARD_READ\n", "PATCHYARD_READ, PATCHYARD_PLAIN\n")
    account.may(lines.replace("\npatchyard ALL", f"\n{account.name} ALL"))
    link = account.open("nopasswd", monkeypatch)
    try:
        for kind in ("read", "change"):
            job = Job(f"{account.name}-{kind}", kind, 'id -un; echo "$HOME 100%"')
            seen = start(link, job, wait=SOON)
            for _ in range(60):  # on a box that is busy it shows itself later
                if seen.state == State.FINISHED:
                    break
                time.sleep(1)
                seen = poll(link, job.id, job.kind, wait=SOON)
            assert (seen.state, seen.exit_status) == (State.FINISHED, 0)
            assert seen.output.splitlines()[0] == "root"
        for command in (
            "id",
            "sh",
            "setsid -f /bin/sh -c id",
            "setsid -f /bin/sh",
            "systemd-run --quiet id",
            "systemd-run --quiet --collect --no-block --unit=patchyard-x --pty /bin/sh",
        ):
            with pytest.raises(PrivilegeRefused):
                link.run(f"root {command}", timeout=SOON)
    finally:
        link.close()


def test_the_documented_rules_are_whole() -> None:
    subprocess.run(["visudo", "-qcf", str(DOCS / "sudoers")], check=True)
