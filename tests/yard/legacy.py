"""A staged application that is certified for one build of libssl3 and refuses any other.

It is a real TLS server on the machine's libssl3. Before serving, it compares the library with the
one it was certified for, as some vendors' software does. So it runs on through the update itself,
fails when it is restarted afterwards, and works again once the old library is back.
"""

from tests.yard.machine import Machine

UNIT = "legacy-app.service"
PORT = 8443
FOLDER = "/opt/legacy-app"

START = """\
#!/bin/sh
cd {folder}
if ! sha256sum --check --status certified.sha256; then
    echo "this libssl3 is not the one legacy-app is certified for; refusing to start" >&2
    exit 1
fi
exec openssl s_server -quiet -www -accept {address}:{port} -cert cert.pem -key key.pem
"""
SERVICE = """\
[Unit]
Description=Legacy application, certified for one build of libssl3
After=network.target
[Service]
ExecStartPre={folder}/start --check
ExecStart={folder}/start
[Install]
WantedBy=multi-user.target
"""
CERTIFY = """\
cd {folder}
find /usr/lib -name libssl.so.3 -exec sha256sum {{}} + >certified.sha256
test -s certified.sha256
openssl req -x509 -newkey ed25519 -nodes -days 3650 -subj /CN=legacy-app \\
    -keyout key.pem -out cert.pem 2>/dev/null
systemctl daemon-reload
systemctl enable --quiet --now {unit}
"""


def install(machine: Machine) -> None:
    """Install the application and start it; a second time would certify a newer library."""
    if (machine.root / FOLDER.lstrip("/") / "certified.sha256").exists():
        return
    words = {"folder": FOLDER, "address": machine.address, "port": PORT, "unit": UNIT}
    check = START.replace("exec openssl", '[ "$1" = --check ] && exit 0\nexec openssl')
    machine.write_file(f"{FOLDER}/start", check.format(**words), mode=0o755)
    machine.write_file(f"/etc/systemd/system/{UNIT}", SERVICE.format(**words))
    machine.exec(["sh", "-ec", CERTIFY.format(**words)])


def is_running(machine: Machine) -> bool:
    """Whether systemd has the application running."""
    return machine.exec(["systemctl", "is-active", UNIT], check=False).strip() == "active"
