"""Small packages made on the spot, and the repository inside a machine that offers them."""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.yard.box import run
from tests.yard.machine import Machine

FOLDER = "srv/repo"
SOURCE = "deb [trusted=yes] file:/srv/repo ./\n"


@dataclass(frozen=True)
class Deb:
    """A package to build: its files by path, its maintainer scripts by name."""

    name: str
    version: str
    files: Mapping[str, str] = field(default_factory=dict)
    conffiles: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """What the built package is called."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_all.deb"

    def control(self) -> str:
        """The package's control file."""
        own = {"Package": self.name, "Version": self.version, "Architecture": "all"}
        own |= {"Maintainer": "The yard <yard@localhost>", "Description": "made by the yard"}
        return "".join(f"{key}: {value}\n" for key, value in {**own, **self.fields}.items())


def build(deb: Deb, folder: Path) -> Path:
    """Build a package into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        meta = tree / "DEBIAN"
        meta.mkdir()
        tree.chmod(0o755)
        (meta / "control").write_text(deb.control(), encoding="utf-8")
        for name, text in deb.scripts.items():
            (meta / name).write_text(text, encoding="utf-8")
            (meta / name).chmod(0o755)
        for path, text in {**deb.files, **deb.conffiles}.items():
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        if deb.conffiles:
            (meta / "conffiles").write_text("".join(f"{each}\n" for each in deb.conffiles))
        target = folder / deb.file_name
        run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, target])
    return target


class Repository:
    """A flat repository inside a machine; what it offers can change at any time."""

    def __init__(self, machine: Machine, *, suite: str = "yard", origin: str = "Yard") -> None:
        self.machine = machine
        self.suite = suite
        self.origin = origin
        self.folder = machine.root / FOLDER

    def offer(self, *debs: Deb) -> None:
        """Build packages and offer them; apt knows after its next update."""
        for deb in debs:
            build(deb, self.folder)
        self._publish()

    def withdraw(self, deb: Deb) -> None:
        """Offer a package no longer."""
        (self.folder / deb.file_name).unlink()
        self._publish()

    def update(self) -> None:
        """Have the machine's apt read this repository, and no other."""
        here = "Dir::Etc::SourceList=/etc/apt/sources.list.d/yard.list"
        only = ["-o", here, "-o", "Dir::Etc::SourceParts=-", "-o", "APT::Get::List-Cleanup=0"]
        self.machine.exec(["apt-get", "-q", *only, "update"])

    def install(self, deb: Deb) -> None:
        """Install a package that is offered, whatever its maintainer scripts make of it."""
        self.machine.exec(["dpkg", "-i", f"/{FOLDER}/{deb.file_name}"], check=False)

    def _publish(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        entries = [_entry(path) for path in sorted(self.folder.glob("*.deb"))]
        listing = "\n".join(entries)
        (self.folder / "Packages").write_text(listing, encoding="utf-8")
        digest = hashlib.sha256(listing.encode()).hexdigest()
        now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        release = f"Origin: {self.origin}\nLabel: {self.origin}\nSuite: {self.suite}\n"
        release += f"Codename: {self.suite}\nDate: {now}\n"
        release += f"SHA256:\n {digest} {len(listing.encode())} Packages\n"
        (self.folder / "Release").write_text(release, encoding="utf-8")
        source = self.machine.root / "etc/apt/sources.list.d/yard.list"
        source.write_text(SOURCE, encoding="utf-8")


def _entry(path: Path) -> str:
    content = path.read_bytes()
    control = run(["dpkg-deb", "-f", path]).stdout.strip()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control}\nFilename: ./{path.name}\nSize: {len(content)}\nSHA256: {digest}\n"
