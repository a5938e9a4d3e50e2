"""A yard: machines made together, the networks between them, and the inventory of them."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.yard import inventory
from tests.yard.box import YardError, road, run
from tests.yard.image import base_image
from tests.yard.inventory import Groups
from tests.yard.machine import Machine
from tests.yard.network import Network
from tests.yard.processes import Process
from tests.yard.spec import MachineSpec, Place, Reach

AT_ONCE = 4  # boots overlap well on two cores; more only makes each of them slower
OWN_ENTRIES = ("machines", "inventory", "yard.json", "relay.pid", "relay.log", "askpass")
PRIVATE = (Reach.GATEWAY, Reach.BASTION)


class Yard:
    """Machines in one folder; ends with its owner, or lives on until `down` when unowned."""

    def __init__(
        self,
        home: Path,
        specs: Sequence[MachineSpec],
        *,
        groups: Groups | None = None,
        owned: bool = True,
    ) -> None:
        self.home = home.resolve()
        self.specs = tuple(specs)
        self.groups = groups or {}
        self.owner = Process.of(os.getpid()) if owned else None
        self.machines: dict[str, Machine] = {}

    @classmethod
    def found(cls, home: Path) -> "Yard":
        """The yard that an earlier process left up in this folder."""
        yard = cls(home, (), owned=False)
        yard._load()
        return yard

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    @property
    def folder(self) -> Path:
        """The inventory folder that Patchyard is pointed at."""
        return self.home / "inventory"

    # --- up and down ------------------------------------------------------------------------

    def up(self) -> None:
        """Boot what is not up yet, wait until all answer, write the inventory."""
        self.home.mkdir(parents=True, exist_ok=True)
        base = base_image()
        self._make_keys()
        network = self._load()
        if network is None:
            network = Network.claim(self.home, self.owner)
            self._save(network)
        else:
            network.renew(self.home, self.owner)
        self._place(network, base)
        self._open_private(network)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(_boot, self.machines.values()))
        self.write_inventory()

    def write_inventory(self) -> None:
        """Write the inventory of the machines as they are now, host keys included."""
        inventory.write(self.folder, list(self.machines.values()), self.groups)

    def down(self) -> None:
        """End every machine and take away all that the yard made."""
        network = self._load()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(Machine.stop, self.machines.values()))
        if network is not None:
            network.release(self.home)
        for name in OWN_ENTRIES:
            entry = self.home / name
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
        if self.home.is_dir() and not any(self.home.iterdir()):
            self.home.rmdir()

    def _place(self, network: Network, base: Path) -> None:
        public = (self.folder / inventory.KEY).with_suffix(".pub").read_text("ascii").strip()
        secret = (self.folder / inventory.PASSWORD).read_text("ascii")
        hashed = run(["openssl", "passwd", "-6", "-stdin"], stdin=secret).stdout.strip()
        new = [spec for spec in self.specs if spec.name not in self.machines]
        taken = {machine.address for machine in self.machines.values()}
        free = (each for n in range(240) if (each := network.address(n)) not in taken)
        for spec in new:
            self.machines[spec.name] = Machine(
                spec,
                Place(
                    home=self.home / "machines" / spec.name,
                    base=base,
                    address=next(free),
                    network=network.namespace if spec.reach in PRIVATE else None,
                    owner=self.owner.pid if self.owner else None,
                    public_key=public,
                    password_hash=hashed,
                ),
            )

    def _open_private(self, network: Network) -> None:
        private = [each for each in self.machines.values() if each.place.network is not None]
        if not private:
            return
        gateway = [each for each in private if each.spec.reach is Reach.GATEWAY]
        if len(gateway) != 1:
            raise YardError("machines behind a bastion need exactly one gateway in their yard")
        owner = self.owner.pid if self.owner else None
        network.open_private(self.home, gateway[0].address, (owner, road().proxy))

    def _make_keys(self) -> None:
        key, password = self.folder / inventory.KEY, self.folder / inventory.PASSWORD
        key.parent.mkdir(parents=True, exist_ok=True)
        key.parent.chmod(0o700)
        if not key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "yard", "-f", key])
        if not password.exists():
            password.write_text(secrets.token_urlsafe(16), encoding="ascii")
            password.chmod(0o600)

    # --- remembered between processes -------------------------------------------------------

    def _save(self, network: Network) -> None:
        whole = {"network": network.number, "groups": dict(self.groups)}
        (self.home / "yard.json").write_text(json.dumps(whole, default=dict), encoding="utf-8")

    def _load(self) -> Network | None:
        record = self.home / "yard.json"
        if not record.exists():
            return None
        whole = json.loads(record.read_text(encoding="utf-8"))
        self.groups = self.groups or whole["groups"]
        records = self.home.glob("machines/*/machine.json")
        known = [Machine.load(path.parent) for path in records]
        for machine in sorted(known, key=lambda each: int(each.address.rpartition(".")[2])):
            self.machines.setdefault(machine.name, machine)
        return Network(whole["network"])

    # --- the real OpenSSH client ------------------------------------------------------------

    def ssh(
        self, name: str, *words: str, stdin: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Log in to a machine the way the inventory says, with OpenSSH, and run a command."""
        askpass = self.home / "askpass"
        askpass.write_text(f"#!/bin/sh\ncat '{self.folder / inventory.PASSWORD}'\n", "ascii")
        askpass.chmod(0o700)
        by_password = self[name].spec.reach is Reach.PASSWORD_SUDO
        option = [] if by_password else ["-o", "BatchMode=yes"]
        argv = ["ssh", "-F", str(self.folder / "ssh_config"), *option, name, "--", *words]
        environment = {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
        return run(argv, stdin=stdin, check=False, timeout=timeout, env=environment)


def _boot(machine: Machine) -> None:
    machine.start()
    machine.wait_ready()
