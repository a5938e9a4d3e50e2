"""libvirt: virtual machines of KVM, Xen and others, through the program `virsh`.

The program and not libvirt's Python bindings: those are compiled against the library of the
controller, and this asks three questions only. `virsh` also brings all of libvirt's ways to
other hosts, such as qemu+ssh.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from patchyard.domain.power import PowerState
from patchyard.domain.value import Value
from patchyard.power._program import run
from patchyard.power.base import PowerProvider

IN_ENGLISH = {"LC_ALL": "C", "LANGUAGE": "C"}

NOT_OFF = {"saved", "migrated", "crashed"}
"""Reasons of a domain that is shut off and is not simply off: its memory is kept on disk, and to
run it and shut it down loses that; it runs on another host, and a second one would write to the
same disks; it came to grief, and nobody has meant it to be off."""

KEPT = re.compile(r"^Managed save:\s+yes$", re.MULTILINE)


class LibvirtOptions(Value):
    """Where a virtual machine is."""

    uri: str = Field(
        "qemu:///system", pattern=r"^[a-z][^\s]*$", description="Connection, as of virsh -c."
    )
    domain: str = Field(
        "{name}", pattern=r"^[^\s-][^\n]*$", description="Its name there, or its UUID."
    )
    seconds: float = Field(60, gt=0, le=3600, description="How long one call may take.")


@dataclass(frozen=True, slots=True)
class Domain:
    """The power of one virtual machine."""

    options: LibvirtOptions
    folder: Path

    def state(self) -> PowerState:
        """Say whether it runs. Whatever is not simply off or running is neither."""
        said, _, reason = self._virsh("domstate", "--reason").strip().partition(" (")
        if said in {"running", "idle"}:
            return PowerState.ON
        off = said == "shut off" and reason.rstrip(")") not in NOT_OFF and not self._is_kept()
        return PowerState.OFF if off else PowerState.UNKNOWN

    def _is_kept(self) -> bool:
        """Whether its memory is on disk: a libvirt that was restarted does not say so as reason."""
        return KEPT.search(self._virsh("dominfo")) is not None

    def start(self) -> None:
        """Start it."""
        self._virsh("start")

    def stop(self) -> None:
        """Ask its system to shut down, as its power button does."""
        self._virsh("shutdown")

    def _virsh(self, verb: str, *more: str) -> str:
        argv = ("virsh", "-q", "-c", self.options.uri, verb, *more, "--domain", self.options.domain)
        return run(argv, seconds=self.options.seconds, folder=self.folder, environment=IN_ENGLISH)


POWER = PowerProvider(name="libvirt", options=LibvirtOptions, open=Domain)
