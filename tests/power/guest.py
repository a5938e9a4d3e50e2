"""A tiny system for a virtual machine: the distribution's kernel, and a shell as all the rest.

It says on its serial port when it is up, and shuts down when its power button is pressed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

KERNEL = "linux-image-cloud-amd64"
MODULES = ("drivers/input/evdev.ko", "drivers/acpi/button.ko")
"""What makes a pressed power button known, in the order in which they are loaded."""

INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox mount -t sysfs none /sys
/bin/busybox insmod /evdev.ko
/bin/busybox insmod /button.ko
echo "{up}" >/dev/console
exec /bin/busybox acpid -f -l /dev/console
"""
BUTTON = "#!/bin/busybox sh\nexec /bin/busybox poweroff -f\n"
"""What BusyBox' acpid runs when the power button is pressed."""

FOLDER, PROGRAM = 0o40755, 0o100755


@dataclass(frozen=True)
class Guest:
    """A system to boot."""

    kernel: Path
    initrd: Path


def make_guest(folder: Path, up: str) -> Guest:
    """Make the system in a folder, of packages that are fetched and not installed."""
    _fetch(folder, _kernel_package(), "busybox-static")
    tree = folder / "tree"
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True, capture_output=True)
    (kernel,) = (tree / "boot").glob("vmlinuz-*")
    (modules,) = (tree / "lib/modules").iterdir()
    files = {
        "init": INIT.format(up=up).encode(),
        "bin/busybox": (tree / "bin/busybox").read_bytes(),
        "etc/acpi/PWRF/00000080": BUTTON.encode(),
    }
    for name in MODULES:
        files[Path(name).name] = (modules / "kernel" / name).read_bytes()
    guest = Guest(Path(shutil.move(kernel, folder / "vmlinuz")), folder / "initrd")
    guest.initrd.write_bytes(b"".join(_archive(files)))
    shutil.rmtree(tree)
    return guest


def _kernel_package() -> str:
    """Return the package of the distribution's newest kernel for virtual machines."""
    told = _apt("apt-cache", "depends", KERNEL)
    found = re.search(r"Depends: (linux-image-\S+)", told)
    if found is None:
        pytest.skip(f"this box has no {KERNEL} in its archive")
    return found[1]


def _fetch(folder: Path, *packages: str) -> None:
    _apt("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages, folder=folder)


def _apt(*argv: str, folder: Path | None = None) -> str:
    """Ask apt, whose lists may be old or missing."""
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and os.geteuid() == 0:
        subprocess.run(["apt-get", "-q", "update"], check=False, capture_output=True)
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _archive(files: dict[str, bytes]) -> Iterator[bytes]:
    """Write what a kernel unpacks into memory at its start: cpio, in the format `newc`."""
    parents = {str(parent): b"" for name in files for parent in Path(name).parents}
    folders = sorted({*parents, "dev", "sys"} - {"."})
    for name in folders:
        yield _entry(name, FOLDER)
    for name, data in files.items():
        yield _entry(name, PROGRAM, data)
    yield _entry("TRAILER!!!", 0)


def _entry(name: str, mode: int, data: bytes = b"") -> bytes:
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
