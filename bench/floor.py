"""Bare SSH: paramiko alone. Connect, check the host key, log in, say something, close.

python -m bench.floor INVENTORY SLOTS [SCRIPT]

It is `paramiko.SSHClient` as its documentation has it: what a program spends that knows nothing of
patching. Without a script it runs `true`; with one it carries that to a shell on each machine and
the whole answer back, which is all that a transport has to do for an assessment.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import paramiko
import yaml


@dataclass(frozen=True, slots=True)
class Visit:
    """How to come to the machines, and what to say there."""

    port: int
    user: str
    key: paramiko.PKey
    known: paramiko.HostKeys
    script: bytes

    def __call__(self, address: str) -> None:
        """Visit one machine."""
        place = f"[{address}]:{self.port}"
        with paramiko.SSHClient() as client:
            # Read once: a client that reads the whole file each time spends most of its time so.
            for kind, expected in (self.known.lookup(place) or {}).items():
                client.get_host_keys().add(place, kind, expected)
            client.set_missing_host_key_policy(paramiko.RejectPolicy())
            client.connect(
                address,
                self.port,
                self.user,
                pkey=self.key,
                allow_agent=False,
                look_for_keys=False,
                timeout=20,
            )
            if self.script:
                self._converse(client, address)
            else:
                _, answer, _ = client.exec_command("true")
                if answer.channel.recv_exit_status() != 0:
                    raise SystemExit(f"{address}: true was false")

    def _converse(self, client: paramiko.SSHClient, address: str) -> None:
        question, answer, errors = client.exec_command("/bin/sh -s")
        question.write(self.script)
        question.channel.shutdown_write()
        said = answer.read()
        if answer.channel.recv_exit_status() != 0 or b"finished 0" not in said:
            raise SystemExit(f"{address}: {said[-300:]!r} {errors.read()[-300:]!r}")


def main() -> None:
    """Visit every machine of the inventory once."""
    folder, slots = Path(sys.argv[1]), int(sys.argv[2])
    # The plain loader of YAML in C: what it takes to know the addresses, and no more.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    listed = yaml.load((folder / "machines.yaml").read_text(), Loader=loader)  # noqa: S506 - safe
    settings = yaml.safe_load((folder / "groups.yaml").read_text())["defaults"]["connection"]
    visit = Visit(
        port=settings["port"],
        user=settings["user"],
        key=paramiko.Ed25519Key.from_private_key_file(str(folder / "keys/id_ed25519")),
        known=paramiko.HostKeys(str(folder / "known_hosts")),
        script=b"".join(Path(name).read_bytes() for name in sys.argv[3:]),
    )
    with ThreadPoolExecutor(slots) as pool:
        for done in [pool.submit(visit, m["address"]) for m in listed["machines"].values()]:
            done.result()


if __name__ == "__main__":
    main()
