"""A Kerberos realm for tests: a real MIT KDC on a loopback port, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
"""What must be installed (Debian: krb5-kdc, krb5-admin-server, krb5-user)."""

_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
READY = 20.0
"""Seconds for the KDC to answer; it needs less than one."""


def missing() -> tuple[str, ...]:
    """Return which of the programs are not installed."""
    return tuple(name for name in PROGRAMS if shutil.which(name, path=_FOLDERS) is None)


class Realm:
    """A realm that exists while its `with` block runs."""

    def __init__(
        self, folder: Path, name: str = "CORP.TEST", *, lifetime: str = "10h", port: int = 0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self._folder = folder
        self._lifetime = lifetime
        self._port = port or _free_port()
        self.keytab = folder / "keytab"
        """The keys of the servers."""
        self.log = folder / "kdc.log"
        """What the KDC was asked, a line for each request."""
        self._kdc: subprocess.Popen[bytes] | None = None
        self._write()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which Kerberos libraries and programs find the realm."""
        return {
            "KRB5_CONFIG": str(self._folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(self._folder / "kdc.conf"),
            "KRB5_KTNAME": f"FILE:{self.keytab}",
        }

    def _write(self) -> None:
        (self._folder / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {self.name}\n dns_lookup_kdc = false\n"
            " dns_lookup_realm = false\n rdns = false\n dns_canonicalize_hostname = false\n"
            f" ticket_lifetime = {self._lifetime}\n udp_preference_limit = 1\n"
            f"[realms]\n {self.name} = {{\n  kdc = 127.0.0.1:{self._port}\n }}\n"
            f"[domain_realm]\n .{self.name.lower()} = {self.name}\n"
        )
        (self._folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self._port}\n"
            f" kdc_tcp_listen = 127.0.0.1:{self._port}\n"
            f"[realms]\n {self.name} = {{\n  database_name = {self._folder}/principal\n"
            f"  key_stash_file = {self._folder}/stash\n  acl_file = {self._folder}/acl\n"
            f"  max_life = {self._lifetime}\n  default_principal_flags = +preauth\n }}\n"
            f"[logging]\n kdc = FILE:{self.log}\n"
        )

    def _run(self, *command: str) -> None:
        environment = {**os.environ, **self.environment, "PATH": _FOLDERS}
        subprocess.run(command, env=environment, check=True, capture_output=True)

    def add_user(self, name: str, password: str) -> str:
        """Add a user; returns the principal."""
        self._run("kadmin.local", "-r", self.name, "-q", f"addprinc -pw {password} {name}")
        return f"{name}@{self.name}"

    def add_host(self, host: str) -> None:
        """Add a server (HTTP/host), and put its key into the keytab."""
        spn = f"HTTP/{host}"
        self._run("kadmin.local", "-r", self.name, "-q", f"addprinc -randkey {spn}")
        self._run("kadmin.local", "-r", self.name, "-q", f"ktadd -k {self.keytab} {spn}")

    def asked(self, principal: str, *, failed: bool = False) -> int:
        """Count the first tickets asked for a principal, or those refused for a wrong password."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        about = [line for line in lines if "AS_REQ" in line and principal in line]
        if failed:
            return sum("PREAUTH_FAILED" in line for line in about)
        return sum("ISSUE" in line for line in about)

    def __enter__(self) -> Self:
        self._run("kdb5_util", "create", "-s", "-r", self.name, "-P", "master", "-W")
        environment = {**os.environ, **self.environment, "PATH": _FOLDERS}
        self._kdc = subprocess.Popen(
            ["krb5kdc", "-n", "-r", self.name], env=environment, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + READY
        while not _answers(self._port):
            if self._kdc.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"the KDC does not start; see {self.log}")
            time.sleep(0.02)
        return self

    def close(self) -> None:
        """End the KDC."""
        if self._kdc is not None:
            self._kdc.terminate()
            self._kdc.wait()
            self._kdc = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def applied(self, cache: str) -> Iterator[None]:
        """Let this process use the realm, with a ticket cache (FILE:... or DIR:...)."""
        wanted = {**self.environment, "KRB5CCNAME": cache}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
