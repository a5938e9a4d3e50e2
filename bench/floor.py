"""Bare SSH: paramiko alone. Connect, check the host key, log in, run `true`, close.

python -m bench.floor client|transport INVENTORY SLOTS

`client` is `paramiko.SSHClient`, as its documentation has it: what a script spends that knows
nothing of patching. `transport` leaves its client, its choice of ciphers and the host key away:
less cannot be spent with paramiko, and nobody should connect so.
"""

from __future__ import annotations

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import yaml

CIPHERS = ("aes128-gcm@openssh.com",)
"""The first of those that Patchyard's own transport offers, and the one that both agree on."""


def main() -> None:
    """Visit every machine of the inventory once."""
    visit = {"client": _client, "transport": _transport}[sys.argv[1]]
    folder, slots = Path(sys.argv[2]), int(sys.argv[3])
    # The plain loader of YAML in C: what it takes to know the addresses, and no more.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    listed = yaml.load((folder / "machines.yaml").read_text(), Loader=loader)  # noqa: S506 - safe
    addresses = [entry["address"] for entry in listed["machines"].values()]
    settings = yaml.safe_load((folder / "groups.yaml").read_text())["defaults"]["connection"]
    known = paramiko.HostKeys(str(folder / "known_hosts"))
    key = paramiko.Ed25519Key.from_private_key_file(str(folder / "keys/id_ed25519"))
    with ThreadPoolExecutor(slots) as pool:
        for done in [
            pool.submit(visit, address, settings["port"], settings["user"], key, known)
            for address in addresses
        ]:
            done.result()


def _client(
    address: str, port: int, user: str, key: paramiko.PKey, known: paramiko.HostKeys
) -> None:
    place = f"[{address}]:{port}"
    with paramiko.SSHClient() as client:
        # Read once: a client that reads the whole file for each machine spends most of its time so.
        for kind, expected in (known.lookup(place) or {}).items():
            client.get_host_keys().add(place, kind, expected)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            address, port, user, pkey=key, allow_agent=False, look_for_keys=False, timeout=20
        )
        _, answer, _ = client.exec_command("true")
        if answer.channel.recv_exit_status() != 0:
            raise SystemExit(f"{address}: true was false")


def _transport(
    address: str, port: int, user: str, key: paramiko.PKey, _known: paramiko.HostKeys
) -> None:
    transport = paramiko.Transport(socket.create_connection((address, port)))
    try:
        transport.get_security_options().ciphers = CIPHERS
        transport.connect(username=user, pkey=key)
        channel = transport.open_session()
        channel.exec_command("true")
        channel.shutdown_write()
        if channel.recv_exit_status() != 0:
            raise SystemExit(f"{address}: true was false")
    finally:
        transport.close()


if __name__ == "__main__":
    main()
