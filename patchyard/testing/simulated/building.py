"""Building the folders of simulated machines: a shared base, and for each machine its own part.

`base/` holds the stand-in tools and what all machines share. `machines/NAME/root` is what a
machine's scripts see as /, and `.simulated` in it is its state: links into the base, until a
tool changes something and the machine gets a file of its own.
"""

from __future__ import annotations

import os
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

from patchyard.testing.simulated import archive, catalogue
from patchyard.testing.simulated.machine import SimulatedMachine

TOOLS = Path(__file__).with_name("tools")
STATES = ("behind", "kernel", "patched")

REFUSED = (
    *("aptitude", "dnf", "rpm", "snap", "yum", "zypper", "unattended-upgrade"),
    *("dpkg-divert", "dpkg-reconfigure", "dpkg-repack", "update-grub", "update-initramfs"),
    *("halt", "init", "kexec", "poweroff", "reboot", "telinit"),
    *("loginctl", "mount", "nft", "service", "sysctl", "timedatectl", "umount"),
    *("useradd", "usermod"),
)
"""Tools of the box underneath that no script may reach through a simulated machine."""

OS_RELEASE = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""

POWER = """\
#!/bin/sh
# power state|start|stop NAME: the power of a machine, from outside it.
yard=${0%/base/*} root=${0%/base/*}/machines/$2/root
[ -d "$root" ] || { echo "there is no machine $2" >&2; exit 1; }
case $1 in
  state) if [ -e "$root/.simulated/off" ]; then echo off; else echo on; fi ;;
  start) printf 'on %s\\n' "${root%/*}" >"$yard/control" ;;
  stop) printf 'off %s\\n' "${root%/*}" >"$yard/control" ;;
  *) exit 2 ;;
esac
"""

_SHARED_STATE = ("catalogue", "update_uris", "update_said", "update_dead", "policy")


def build_base(base: Path) -> None:
    """Write what all machines share."""
    base.mkdir(parents=True)
    _build_tools(base / "tools")
    (base / "power").write_text(POWER)
    (base / "power").chmod(0o755)
    (base / "etc").mkdir()
    (base / "etc/os-release").write_text(OS_RELEASE)
    (base / "lists").mkdir()
    for name, text in archive.release_files(datetime.now(UTC)).items():
        (base / "lists" / name).write_text(text)
    lines = "".join(f"{version.line}\n" for version in catalogue.versions())
    (base / "catalogue").write_text(lines, encoding="utf-8")
    (base / "update_uris").write_text(archive.update_uris())
    (base / "update_said").write_text(archive.update_said(security_answers=True))
    (base / "update_dead").write_text(archive.update_said(security_answers=False))
    (base / "policy").write_text(archive.policy())
    (base / "services").write_text(catalogue.SERVICES)
    for state in STATES:
        (base / f"installed.{state}").write_text(catalogue.installed(state))
        boot = base / f"boot.{state}"
        boot.mkdir()
        for kernel in catalogue.kernels(state):
            (boot / f"vmlinuz-{kernel}").touch()


def _build_tools(tools: Path) -> None:
    shutil.copytree(TOOLS, tools)
    for tool in tools.iterdir():
        if tool.is_file():
            tool.chmod(0o755)
    for name in REFUSED:
        (tools / name).symlink_to("refused")


def build_machine(folder: Path, base: Path, machine: SimulatedMachine) -> None:
    """Write one machine's own part; everything else is a link into the base."""
    root = folder / "root"
    state = root / ".simulated"
    for path in ("faults", "units"):
        (state / path).mkdir(parents=True)
    for path in (
        "var/lib/dbus",
        "var/lib/apt",
        "var/lib/dpkg/updates",
        "var/cache/apt/archives",
        "tmp",
    ):
        (root / path).mkdir(parents=True)
    _link(root / "etc", base / "etc")
    _link(root / "boot", base / f"boot.{machine.state}")
    _link(root / "var/lib/apt/lists", base / "lists")
    for name in _SHARED_STATE:
        _link(state / name, base / name)
    _link(state / "installed", base / f"installed.{machine.state}")
    _link(state / "services", base / "services")
    _link(state / "control", base.parent / "control")
    if machine.sudo_password:
        (state / "sudo_password").write_text(f"{machine.sudo_password}\n")
    (root / "proc/sys/kernel/random").mkdir(parents=True)
    (root / "proc/locks").touch()
    new_machine_id(root)
    (root / "run/systemd/system").mkdir(parents=True)
    (state / "kernel").write_text(f"{catalogue.kernels(machine.state)[-1]}\n")
    new_boot_id(root)


def _link(path: Path, target: Path) -> None:
    path.symlink_to(os.path.relpath(target, path.parent))


def new_machine_id(root: Path) -> None:
    """Give a machine the identity of a fresh installation. What lies in /etc is shared by all."""
    (root / "var/lib/dbus/machine-id").write_text(f"{uuid.uuid4().hex}\n")


def new_boot_id(root: Path) -> None:
    """Give a machine the boot id of a fresh start."""
    (root / "proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")


def start_anew(root: Path) -> None:
    """Do to a machine's files what a reboot does."""
    state = root / ".simulated"
    for entry in (root / "run").iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (root / "run/systemd/system").mkdir(parents=True)
    for unit in (state / "units").iterdir():
        unit.unlink()
    newest = max(image.name for image in (root / "boot").glob("vmlinuz-*"))
    (state / "kernel").write_text(f"{newest.removeprefix('vmlinuz-')}\n")
    _start_services(state)
    new_boot_id(root)


def _start_services(state: Path) -> None:
    lines = []
    broken = _broken_services(state)
    for line in (state / "services").read_text().splitlines():
        unit, enabled, _, own, libraries, _ = line.split("\t")
        running = "failed" if unit in broken else "running"
        lines.append(f"{unit}\t{enabled}\t{running}\t{own}\t{libraries}\t0\n")
    fresh = state / "services.boot"
    fresh.write_text("".join(lines))
    fresh.replace(state / "services")


def _broken_services(state: Path) -> set[str]:
    fault = state / "faults/breaks"
    if not fault.exists():
        return set()
    have = {tuple(line.split("\t")[:2]) for line in (state / "installed").open()}
    rows = (line.rstrip("\n").split("\t") for line in fault.open())
    return {unit for unit, package, version in rows if (package, version) in have}
