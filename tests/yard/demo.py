"""The yard of the demo: six machines to patch, and the gateway that one of them is behind."""

from typing import Any

from tests.yard.spec import MachineSpec, Reach

SPECS = (
    MachineSpec(
        "web-1",
        zone="1",
        availability_set="web",
        tags={"role": "web", "canary": "true"},
        groups=("yard", "web"),
    ),
    MachineSpec(
        "web-2",
        reach=Reach.ROOT,
        zone="2",
        availability_set="web",
        tags={"role": "web"},
        groups=("yard", "web"),
    ),
    MachineSpec(
        "bastion", reach=Reach.GATEWAY, tags={"role": "bastion"}, groups=("yard", "bastion")
    ),
    MachineSpec(
        "db-1",
        reach=Reach.BASTION,
        tags={"role": "db"},
        groups=("yard", "db"),
        cold_archives=True,
    ),
    MachineSpec(
        "arc-1",
        reach=Reach.PROXY_COMMAND,
        platform="arc",
        tags={"role": "edge"},
        groups=("yard", "edge"),
    ),
    MachineSpec("app-1", reach=Reach.PASSWORD_SUDO, tags={"role": "app"}, groups=("yard", "app")),
)
NGINX = {"systemd_unit": {"unit": "nginx.service"}}
GROUPS: dict[str, dict[str, Any]] = {
    # The application that fails does so at once, so nobody need wait long for it to recover.
    "yard": {"policy": {"check_seconds": 20}},
    "web": {"checks": [NGINX, {"http": {"url": "http://{address}/"}}]},
    "bastion": {"checks": [{"systemd_unit": {"unit": "ssh.service"}}]},
    "db": {"checks": [NGINX]},
    "edge": {"checks": [NGINX]},
    "app": {"checks": [{"systemd_unit": {"unit": "legacy-app.service"}}]},
}
LEGACY = "app-1"
