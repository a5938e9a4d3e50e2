"""The libvirt provider against a real libvirt: its own test driver, in a daemon of its own.

The domain `test` of that driver is no virtual machine, but libvirt's own states and verbs are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchyard.domain.inventory import Inventory, Machine
from patchyard.domain.power import PowerState
from patchyard.power import PowerFailed, PowerSwitch, open_switch

CONFIGURATION = 'unix_sock_dir = "{folder}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
DAEMON = "/usr/sbin/libvirtd"


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a libvirt daemon, with one client that stays, for the domain lives as long."""
    if not Path(DAEMON).exists() or shutil.which("virsh") is None:
        pytest.skip("needs libvirt-daemon and libvirt-clients")
    folder = tmp_path_factory.mktemp("libvirt")
    (folder / "none").mkdir()
    (folder / "libvirtd.conf").write_text(CONFIGURATION.format(folder=folder))
    # Without the drivers of real hypervisors: what is asked here is built into the library.
    environment = {**os.environ, "LIBVIRT_DRIVER_DIR": str(folder / "none")}
    told = (folder / "log").open("w")
    daemon = subprocess.Popen(
        [DAEMON, "-f", str(folder / "libvirtd.conf"), "-p", str(folder / "pid")],
        env={**environment, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)},
        stdout=told,
        stderr=told,
    )
    socket = folder / "libvirt-sock"
    deadline = time.monotonic() + 30
    while not socket.exists():
        assert daemon.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.05)
    uri = f"test+unix:///default?socket={socket}"
    staying = subprocess.Popen(
        ["virsh", "-q", "-c", uri],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert staying.stdin is not None
    assert staying.stdout is not None
    staying.stdin.write("domstate test\n")
    staying.stdin.flush()
    while "running" not in staying.stdout.readline():
        assert staying.poll() is None, "the domain is not there"
    try:
        yield uri
    finally:
        staying.communicate("quit\n", timeout=10)
        daemon.terminate()
        daemon.wait(10)
        told.close()


def virsh(uri: str, *words: str) -> None:
    subprocess.run(["virsh", "-q", "-c", uri, *words], check=True, capture_output=True)


def switch(uri: str, name: str = "test", **options: object) -> PowerSwitch:
    power = {"libvirt": {"uri": uri, **options}}
    machine = Machine.model_validate({"name": name, "address": "127.0.0.9", "power": power})
    found = open_switch(machine, Inventory(name="x", folder="/", machines=(machine,)))
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def running(uri: str) -> None:
    """Every test begins with the domain running."""
    subprocess.run(["virsh", "-q", "-c", uri, "destroy", "test"], check=False, capture_output=True)
    virsh(uri, "start", "--force-boot", "test")


def test_a_domain_is_stopped_and_started(uri: str) -> None:
    domain = switch(uri)
    assert domain.state() == PowerState.ON

    domain.stop()
    assert domain.state() == PowerState.OFF

    domain.start()
    assert domain.state() == PowerState.ON


def test_virsh_is_asked_in_english_whatever_the_controller_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in that answers as virsh does in a language that need not be installed here."""
    stand_in = tmp_path / "virsh"
    stand_in.write_text(
        '#!/bin/sh\n[ "$LC_ALL$LANGUAGE" = CC ] && echo "running (booted)" || echo "laufend"\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")

    assert switch("test:///default").state() == PowerState.ON


def test_a_domain_may_have_another_name_than_the_machine(uri: str) -> None:
    assert switch(uri, "web-1", domain="test").state() == PowerState.ON
    with pytest.raises(PowerFailed, match="failed to get domain 'web-1'"):
        switch(uri, "web-1").state()


def test_what_is_neither_on_nor_off_is_unknown(uri: str) -> None:
    virsh(uri, "suspend", "test")
    assert switch(uri).state() == PowerState.UNKNOWN

    virsh(uri, "managedsave", "test")
    assert switch(uri).state() == PowerState.UNKNOWN


def test_what_libvirt_refuses_is_told_in_its_words(uri: str) -> None:
    with pytest.raises(PowerFailed, match="virsh ended with 1: error: Domain is already active"):
        switch(uri).start()


def test_a_libvirt_that_is_not_there_is_a_failure_and_no_state(tmp_path: Path) -> None:
    away = f"test+unix:///default?socket={tmp_path}/none"
    with pytest.raises(PowerFailed, match="failed to connect"):
        switch(away).state()
