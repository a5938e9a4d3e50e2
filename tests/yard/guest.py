"""What is written into a machine's tree before its first boot."""

import os
import uuid
from pathlib import Path

from tests.yard.box import run
from tests.yard.relay import PROXY_PORT
from tests.yard.spec import PASSWORD_SUDOERS, MachineSpec, Place, Reach

HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
TUNNEL = "/run/tunnel"

SSHD = """\
ListenAddress {address}
HostKey /{host_key}
PermitRootLogin {root_login}
PasswordAuthentication no
UseDNS no
MaxStartups 200
Match User operator
    PasswordAuthentication {password_login}
"""
NGINX = """\
server {{
    listen {address}:80;
    location / {{
        default_type text/plain;
        return 200 "{name} is well\\n";
    }}
}}
"""
# The agent of an Arc-style machine opens its tunnel outwards; here the tunnel ends in a socket
# file that the box shares with the machine, and no port is open at all.
TUNNEL_SOCKET = f"""\
[Socket]
ListenStream={TUNNEL}/ssh.sock
Accept=yes
[Install]
WantedBy=sockets.target
"""
TUNNEL_SERVICE = """\
[Unit]
Description=A login through the tunnel
CollectMode=inactive-or-failed
[Service]
ExecStart=-/usr/sbin/sshd -i
StandardInput=socket
StandardError=journal
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes
KillMode=process
"""


def prepare(root: Path, spec: MachineSpec, place: Place) -> None:
    """Turn a fresh layer over the image into this one machine."""
    _name(root, spec, place)
    make_host_key(root)
    _let_in(root, spec, place)
    _serve(root, spec, place)
    if place.network is not None:
        proxy = f'Acquire::http::Proxy "http://127.0.0.1:{PROXY_PORT}";\n'
        proxy += f'Acquire::https::Proxy "http://127.0.0.1:{PROXY_PORT}";\n'
        proxy += 'Acquire::http::Pipeline-Depth "0";\n'
        _write(root / "etc/apt/apt.conf.d/95network", proxy)
    if spec.cold_archives:
        for package in (root / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()


def make_host_key(root: Path) -> None:
    """Give the machine a fresh host key, replacing the one it has."""
    key = root / HOST_KEY
    for old in (key, key.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key])


def _name(root: Path, spec: MachineSpec, place: Place) -> None:
    _write(root / "etc/hostname", f"{spec.name}\n")
    _write(root / "etc/hosts", f"127.0.0.1 localhost\n{place.address} {spec.name}\n")
    _write(root / "etc/machine-id", f"{uuid.uuid4().hex}\n")


def _let_in(root: Path, spec: MachineSpec, place: Place) -> None:
    as_root, by_password = spec.reach is Reach.ROOT, spec.reach is Reach.PASSWORD_SUDO
    sshd = SSHD.format(
        address=place.address,
        host_key=HOST_KEY,
        root_login="prohibit-password" if as_root else "no",
        password_login="yes" if by_password else "no",
    )
    _write(root / "etc/ssh/sshd_config.d/yard.conf", sshd)
    if by_password:
        run(["usermod", "-R", root, "-p", place.password_hash, "operator"])
        _write(root / "etc/sudoers.d/operator", PASSWORD_SUDOERS, mode=0o440)
        return
    if not as_root:
        _write(root / "etc/sudoers.d/patchyard", spec.sudoers, mode=0o440)
    home, owner = ("root", 0) if as_root else ("home/patchyard", _uid(root, "patchyard"))
    _authorize(root / home / ".ssh", place.public_key, owner)


def _authorize(folder: Path, public_key: str, owner: int) -> None:
    _write(folder / "authorized_keys", f"{public_key}\n", mode=0o600)
    folder.chmod(0o700)
    for path in (folder, folder / "authorized_keys"):
        os.chown(path, owner, owner)


def _uid(root: Path, user: str) -> int:
    users = (root / "etc/passwd").read_text(encoding="utf-8").splitlines()
    return next(int(line.split(":")[2]) for line in users if line.startswith(f"{user}:"))


def _serve(root: Path, spec: MachineSpec, place: Place) -> None:
    nginx = NGINX.format(address=place.address, name=spec.name)
    _write(root / "etc/nginx/conf.d/yard.conf", nginx)
    if spec.reach is not Reach.PROXY_COMMAND:
        return
    units = root / "etc/systemd/system"
    _write(units / "tunnel.socket", TUNNEL_SOCKET)
    _write(units / "tunnel@.service", TUNNEL_SERVICE)
    (units / "multi-user.target.wants/ssh.service").unlink()
    sockets = units / "sockets.target.wants"
    sockets.mkdir(exist_ok=True)
    (sockets / "tunnel.socket").symlink_to("/etc/systemd/system/tunnel.socket")


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
