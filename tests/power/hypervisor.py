"""A real libvirt with a real hypervisor, in a folder of its own; ended by pid, its guests first.

The hypervisor emulates the processor, so that the box needs no help of its own one's. libvirt runs
as somebody without rights: only so does it keep everything, its sockets too, where it is told to.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.power.guest import Guest, make_guest

DAEMON = "/usr/sbin/libvirtd"
DRIVER = "libvirt/connection-driver/libvirt_driver_qemu.so"
UP = "the guest is up"
"""What a guest with a system says on its serial port once it obeys the power button."""

CONFIGURATION = 'unix_sock_dir = "{folder}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
"""Of the daemon. Guests write to files themselves, lest another daemon is started for that."""

DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>{system}</os>
  <features><acpi/></features>
  <devices>
    <serial type='file'><source path='{folder}/{name}.serial'/></serial>
    <controller type='usb' model='none'/><memballoon model='none'/>
  </devices>
</domain>
"""


def until(what: str, true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what comes about in a while."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not so after {seconds} s"
        time.sleep(0.05)


@dataclass
class Hypervisor:
    """A libvirt of the tests' own."""

    folder: Path
    hostname: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """How it is reached."""
        return f"qemu:///session?socket={self.folder}/libvirt-sock"

    def virsh(self, *words: str, check: bool = True) -> str:
        """Ask as an administrator does."""
        argv = ["virsh", "-q", "-c", self.uri, *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip()

    def define(self, name: str, guest: Guest | None = None) -> None:
        """Define a guest; without a system it only has its firmware, which obeys no button."""
        system = ""
        if guest is not None:
            system = f"<kernel>{guest.kernel}</kernel><initrd>{guest.initrd}</initrd>"
            system += "<cmdline>console=ttyS0 quiet</cmdline>"
        memory = 128 if guest else 16
        text = DOMAIN.format(name=name, memory=memory, system=system, folder=self.folder)
        file = self.folder / f"{name}.xml"
        file.write_text(text)
        self.virsh("define", str(file))

    def wait_until_up(self, name: str) -> None:
        """Wait until a guest's system obeys the power button."""
        serial = self.folder / f"{name}.serial"
        until(f"{name} is up", lambda: serial.exists() and UP in serial.read_text(errors="replace"))

    def pid(self, name: str) -> int:
        """Return the process of a guest that runs."""
        return int((self.folder / f"run/libvirt/qemu/run/{name}.pid").read_text())

    def start(self) -> None:
        """Start the daemon."""
        folders = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
        own = {**dict.fromkeys(folders, f"{self.folder}/home"), "XDG_RUNTIME_DIR": self.path("run")}
        argv = [DAEMON, "-f", self.path("libvirtd.conf"), "-p", self.path("pid")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_named(self.hostname), *_as_somebody(), *argv],
                env={**os.environ, **own},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until("libvirt answers", lambda: self._answers(self.process))

    def path(self, name: str) -> str:
        """Return the path of something in its folder."""
        return str(self.folder / name)

    def _answers(self, process: subprocess.Popen[bytes] | None) -> bool:
        assert process is not None
        assert process.poll() is None, (self.folder / "log").read_text()[-2000:]
        return self.virsh("uri", check=False) != ""

    def signal(self, number: signal.Signals) -> None:
        """Signal the daemon; guests are processes of their own."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End the daemon at once."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def end(self) -> None:
        """End the guests, then the daemon."""
        for file in (self.folder / "run/libvirt/qemu/run").glob("*.pid"):
            if file.name != "driver.pid":
                with suppress(ProcessLookupError):
                    os.kill(int(file.read_text()), signal.SIGKILL)
        self.kill()


def _as_somebody() -> list[str]:
    """Return how something is run without rights."""
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    return nobody if os.geteuid() == 0 else []


def _named(hostname: str) -> list[str]:
    """Return how something is run as on a host of another name; only root may."""
    renamed = ["unshare", "--uts", "sh", "-c", f'hostname {hostname}; exec "$@"', "sh"]
    return renamed if hostname else []


@contextmanager
def hypervisor(hostname: str = "") -> Iterator[Hypervisor]:
    """Start a libvirt without guests; with a name of its own it is another host to others."""
    _require()
    # Not pytest's folder: that one is closed to other users, and too long for a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="patchyard-kvm-"))
    try:
        for name in ("run", "home/libvirt"):
            (folder / name).mkdir(parents=True)
        own = f'host_uuid = "{uuid4()}"\n' if hostname else ""
        (folder / "libvirtd.conf").write_text(CONFIGURATION.format(folder=folder) + own)
        (folder / "home/libvirt/qemu.conf").write_text('stdio_handler = "file"\n')
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, "nobody", "nogroup")
        running = Hypervisor(folder, hostname)
        try:
            running.start()
            yield running
        finally:
            running.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require() -> None:
    """Skip what needs a hypervisor that is not installed."""
    there = shutil.which("virsh") and shutil.which("qemu-system-x86_64")
    if not there or not Path(DAEMON).exists() or not list(Path("/usr/lib").glob(f"*/{DRIVER}")):
        pytest.skip("needs libvirt-clients, libvirt-daemon, libvirt-daemon-driver-qemu and qemu")


def system(folder: Path) -> Guest:
    """Make the system of guests that obey; needs apt-get, and an archive that has its parts."""
    return make_guest(folder, UP)
