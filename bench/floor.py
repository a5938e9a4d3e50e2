"""The floor: paramiko alone. Connect, log in, run `true`, close; nothing less can be asked.

python -m bench.floor INVENTORY SLOTS
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
    folder, slots = Path(sys.argv[1]), int(sys.argv[2])
    # The plain loader of YAML in C: what it takes to know the addresses, and no more.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    listed = yaml.load((folder / "machines.yaml").read_text(), Loader=loader)  # noqa: S506 - safe
    addresses = [entry["address"] for entry in listed["machines"].values()]
    settings = yaml.safe_load((folder / "groups.yaml").read_text())["defaults"]["connection"]
    key = paramiko.Ed25519Key.from_private_key_file(str(folder / "keys/id_ed25519"))
    with ThreadPoolExecutor(slots) as pool:
        for visit in [
            pool.submit(_visit, address, settings["port"], settings["user"], key)
            for address in addresses
        ]:
            visit.result()


def _visit(address: str, port: int, user: str, key: paramiko.PKey) -> None:
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
