"""One real Debian machine: made, booted, looked into, frozen and ended."""

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.yard import guest, spec
from tests.yard.box import YardError, require, run
from tests.yard.cgroups import Cgroup
from tests.yard.mounts import mount_layer, mount_memory, mounted_below, unmount_below
from tests.yard.processes import Process, until
from tests.yard.spec import MachineSpec, Place

REPOSITORY = Path(__file__).parents[2]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSIDE = ("env", "-i", PATH, "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
UP = ("running", "degraded")


class Machine:
    """A machine of the yard, living in one folder of this box."""

    def __init__(self, spec: MachineSpec, place: Place) -> None:
        self.spec = spec
        self.place = place
        self.home = place.home
        self.root = place.home / "root"
        self.tunnel = place.home / "tunnel"
        key = hashlib.sha256(str(place.home).encode()).hexdigest()[:8]
        self.cgroup = Cgroup.named(f"{key}-{spec.name}")

    @classmethod
    def load(cls, home: Path) -> "Machine":
        """The machine that an earlier process made in this folder."""
        return cls(*spec.load(home / "machine.json"))

    @property
    def name(self) -> str:
        """What the machine is called, inside and in the inventory."""
        return self.spec.name

    @property
    def address(self) -> str:
        """Its loopback address."""
        return self.place.address

    @property
    def host_key(self) -> str:
        """The public host key as it lies in the machine, without a comment."""
        public = (self.root / guest.HOST_KEY).with_suffix(".pub")
        return " ".join(public.read_text(encoding="ascii").split()[:2])

    # --- living -----------------------------------------------------------------------------

    def start(self) -> None:
        """Make the machine if it is new, and boot it if it is off."""
        if self.supervisor is not None:
            return
        if not mounted_below(self.root):
            self._assemble()
        self._flag.unlink(missing_ok=True)
        log = self.home / "supervisor.log"
        line = f'cd "$0" && exec setsid --fork "$@" >>{str(log)!r} 2>&1'
        module = [sys.executable, "-m", "tests.yard.supervisor", str(self.home)]
        run(["/bin/sh", "-c", line, REPOSITORY, *module])
        if not until(lambda: self.supervisor is not None, 10):
            raise YardError(f"{self.name} has no supervisor; see {log}")

    def stop(self) -> None:
        """End exactly this machine: its supervisor, its processes, its mounts, its folder."""
        supervisor = self.supervisor
        if supervisor is not None:
            supervisor.end()
        self.remove()

    def remove(self) -> None:
        """Take away everything but the supervisor."""
        nspawn = Process.recorded(self.home / "nspawn.pid")
        self.cgroup.child("payload").kill()
        if self.cgroup.path.exists():  # a frozen nspawn could not tidy up
            self.thaw()
        if nspawn is not None:  # tidies up after itself once its machine is gone
            until(lambda: not nspawn.alive, 5)
        self.cgroup.kill()
        self.cgroup.remove()
        run(["nft", "delete", "table", "inet", self.table], check=False)
        unmount_below(self.home)
        shutil.rmtree(self.home, ignore_errors=True)

    def _assemble(self) -> None:
        new = not self.home.exists()
        self.tunnel.mkdir(parents=True, exist_ok=True)
        mount_layer(self.place.base, self.home / "layer", self.root)
        if self.spec.var_size is not None:
            memory = self.home / "var"
            mount_memory(memory, self.spec.var_size)
        if new:
            guest.prepare(self.root, self.spec, self.place)
            spec.save(self.home / "machine.json", self.spec, self.place)
        if self.spec.var_size is not None:
            mount_layer(self.root / "var", memory, self.root / "var")

    @property
    def supervisor(self) -> Process | None:
        """The process that keeps the machine booted, if it is kept."""
        return Process.recorded(self.home / "supervisor.pid")

    @property
    def leader(self) -> int | None:
        """The machine's first process, as this box numbers it; None while it is down."""
        nspawn = Process.recorded(self.home / "nspawn.pid")
        if nspawn is None:
            return None
        with suppress(FileNotFoundError, ProcessLookupError):
            path = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
            for child in path.read_text(encoding="ascii").split():
                if _number_inside(child) == "1":
                    return int(child)
        return None

    def wait_ready(self, *, patience: float = 60) -> None:
        """Wait until the machine has finished booting, which includes its sshd."""
        if until(self._is_up, patience, pause=0.2):
            return
        console = self.home / "console.log"
        tail = console.read_text(errors="replace").splitlines()[-15:] if console.exists() else []
        raise YardError("\n".join([f"{self.name} did not come up within {patience} s", *tail]))

    def _is_up(self) -> bool:
        if self.supervisor is None:
            raise YardError(f"{self.name} ended while booting; see {self.home}/console.log")
        try:
            return self.exec(["systemctl", "is-system-running"], check=False).strip() in UP
        except YardError:
            return False

    # --- going down -------------------------------------------------------------------------

    @property
    def _flag(self) -> Path:
        return self.home / "stay-down"

    def stay_down(self) -> None:
        """From now on a reboot does not come back, until `come_back`."""
        self._flag.touch()

    def come_back(self) -> None:
        """Let the machine boot again: at once if it is down, else after its next reboot."""
        self._flag.unlink(missing_ok=True)

    def wait_wanted(self) -> None:
        """Wait while the machine shall stay down; for its supervisor."""
        owner = self.place.owner
        while self._flag.exists() and (owner is None or Process.of(owner) is not None):
            time.sleep(0.1)

    def freeze(self) -> None:
        """Stop every process of the machine where it stands; its ports stay open, unanswered."""
        self.cgroup.freeze(frozen=True)

    def thaw(self) -> None:
        """Let a frozen machine go on."""
        self.cgroup.freeze(frozen=False)

    # --- looking in, past the product -------------------------------------------------------

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The line that runs a program as root in the machine without a login."""
        leader = self.leader
        if leader is None:
            raise YardError(f"{self.name} is down")
        visitors = self.cgroup.child("visitors")
        visitors.make()
        enter = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        enter += ["--cgroup", "--root", "--wd", "--", *INSIDE, *argv]
        procs = str(visitors.path / "cgroup.procs")
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', procs, *enter]

    def exec(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 300,
    ) -> str:
        """Run a program in the machine and answer what it printed."""
        result = run(self.inside(argv), stdin=stdin, check=False, timeout=timeout)
        if check:
            require(result, f"{self.name}: {' '.join(argv[:6])}")
        return result.stdout

    def spawn(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        """Begin a program in the machine that the caller ends or waits for."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.inside(argv), stdin=pipe, stdout=pipe, text=True)

    def packages(self) -> dict[str, str]:
        """The installed packages as dpkg knows them: name:architecture to version."""
        layout = "${Package}:${Architecture} ${Version} ${db:Status-Status}\n"
        rows = (line.split() for line in self.exec(["dpkg-query", "-Wf", layout]).splitlines())
        gone = ("not-installed", "config-files")
        return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] not in gone}

    def boot_id(self) -> str:
        """The id of the present boot."""
        return self.exec(["cat", "/proc/sys/kernel/random/boot_id"]).strip()

    def read_file(self, path: str) -> str:
        """A file of the running machine."""
        return self.exec(["cat", path])

    def write_file(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file in the running machine, with its folders."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
        self.exec(["sh", "-ec", script, "sh", path, f"{mode:o}"], stdin=text)

    @property
    def table(self) -> str:
        """The box's firewall table for this machine alone."""
        return f"patchyard_yard_{self.cgroup.path.name.replace('-', '_')}"


def _number_inside(pid: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    numbers = next((line.split() for line in lines if line.startswith("NSpid:")), [""])
    return numbers[-1] if len(numbers) > 2 else ""
