"""The same work through Ansible: its inventory, its environment, its playbooks."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from bench.counting import BenchFailed, Cost, counted
from bench.yard import WATCHED, pinned
from patchyard.testing.simulated import SimulatedYard

FOLDER = Path(__file__).with_name("ansible")
ENVIRONMENT = Path(__file__).resolve().parents[1] / ".bench/venv"
PYTHON = "/usr/bin/python3"
"""What Ansible's modules run on, on the machines, where the box has it."""


def available() -> bool:
    """Say whether Ansible is there, in its own environment."""
    return (ENVIRONMENT / "bin/ansible-playbook").exists()


def play(name: str, yard: SimulatedYard, *, slots: int, log: Path, pipelining: bool = True) -> Cost:
    """Run one playbook over a yard.

    Args:
        name: of the playbook.
        yard: the machines.
        slots: how many machines at a time.
        log: where its words go.
        pipelining: False for Ansible as it comes, True as those set it who want it quick.

    Raises:
        BenchFailed: it failed on a machine, or there is no Python for its modules.
    """
    listed = yard.folder / "ansible.json"
    listed.write_text(json.dumps(_inventory(yard)))
    home = yard.folder / "ansible"
    home.mkdir(exist_ok=True)
    program = ENVIRONMENT / "bin/ansible-playbook"
    command = [str(program), "-i", str(listed), "-f", str(slots), str(FOLDER / f"{name}.yaml")]
    with tempfile.TemporaryDirectory(prefix="ssh-") as sockets:
        environment = _environment(home, sockets, pipelining=pipelining)
        return counted(command, environment=environment, log=log)


def _environment(home: Path, sockets: str, *, pipelining: bool) -> dict[str, str]:
    return {
        "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"),
        "ANSIBLE_PIPELINING": str(pipelining),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
        # The path of a socket must be short, wherever the yard lies.
        "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
    }


def _inventory(yard: SimulatedYard) -> dict[str, object]:
    python = PYTHON if Path(PYTHON).exists() else shutil.which("python3")
    if python is None:
        raise BenchFailed("Ansible's modules need a python3 on the simulated machines")
    keys = f"-o UserKnownHostsFile={yard.inventory}/known_hosts -o IdentitiesOnly=yes"
    hosts = {
        machine.name: {
            "ansible_host": machine.address,
            "root": str(yard.root(machine.name)),
            "wanted": pinned(machine),
        }
        for machine in yard.machines
    }
    shared = {
        "ansible_port": yard.port,
        "ansible_user": "patchyard",
        "ansible_ssh_private_key_file": str(yard.inventory / "keys/id_ed25519"),
        "ansible_ssh_common_args": keys,
        "ansible_python_interpreter": python,
        "watched": list(WATCHED),
    }
    return {"all": {"hosts": hosts, "vars": shared}}
