"""The Kerberos realm of the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from patchyard.testing.windows.winrm import Realm
from patchyard.testing.windows.winrm.realm import missing
from tests.testing.winrm.need import need

HOST = "win01.corp.test"
PASSWORD = "Gehe1m"


@contextmanager
def begin(folder: Path, *, lifetime: str = "10h") -> Iterator[Realm]:
    """Begin a realm with the users admin and guest, and the server HOST."""
    need(missing(), "krb5-kdc krb5-admin-server krb5-user")
    bindings = [name for name in ("gssapi", "krb5", "kerberos") if find_spec(name) is None]
    need(bindings, "gcc libkrb5-dev, and run scripts/test again")
    with Realm(folder, lifetime=lifetime) as realm:
        realm.add_user("admin", PASSWORD)
        realm.add_user("guest", PASSWORD)
        realm.add_host(HOST)
        yield realm


def kinit(principal: str) -> None:
    """Get a ticket into the cache that the environment names."""
    subprocess.run(
        ["kinit", principal],
        input=f"{PASSWORD}\n".encode(),
        check=True,
        stdout=subprocess.DEVNULL,
        env=dict(os.environ),
    )
