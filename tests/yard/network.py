"""Addresses of a yard: a loopback range claimed for it, and its private network."""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.yard.box import YardError, run
from tests.yard.processes import Process, until

CLAIMS = Path("/run/patchyard-yard")
RANGES = range(1, 255)  # 127.0.N.0/24 each; 127.0.0.0/24 stays the box's own
FIRST_HOST = 11
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Network:
    """The loopback range of one yard."""

    number: int

    @classmethod
    def claim(cls, home: Path, owner: Process | None) -> "Network":
        """Take the first range that no living yard of this box has."""
        with _alone():
            for network in map(cls, RANGES):
                if network._holder() is None:
                    network._note_down(home, owner)
                    return network
        raise YardError(f"every loopback range of this box is claimed; see {CLAIMS}")

    def renew(self, home: Path, owner: Process | None) -> None:
        """Keep the range, also when the box was rebooted and has forgotten the claim."""
        with _alone():
            if self._holder() not in (None, str(home)):
                raise YardError(f"127.0.{self.number}.0/24 went to {self._holder()}; end {home}")
            self._note_down(home, owner)

    @property
    def _note(self) -> Path:
        return CLAIMS / str(self.number)

    def _note_down(self, home: Path, owner: Process | None) -> None:
        ident = f"{owner.pid} {owner.began}" if owner else "- -"
        self._note.write_text(f"{ident} {home}", encoding="utf-8")

    def _holder(self) -> str | None:
        """The folder of the living yard that has the range."""
        if not self._note.exists():
            return None
        pid, began, home = self._note.read_text(encoding="utf-8").split(" ", 2)
        unowned = pid == "-"
        lives = Path(home).is_dir() if unowned else Process(int(pid), int(began)).alive
        return home if lives else None

    def address(self, position: int) -> str:
        """The address of the machine at this position of the yard."""
        return f"127.0.{self.number}.{FIRST_HOST + position}"

    @property
    def namespace(self) -> str:
        """The name of the private network's namespace."""
        return f"patchyard-yard-{self.number}"

    def open_private(self, home: Path, gateway: str, road: tuple[int | None, str | None]) -> None:
        """Make the private network and its relay, unless they are there; road: owner and proxy."""
        if Process.recorded(home / "relay.pid") is not None:
            return
        self._delete_namespace()
        run(["ip", "netns", "add", self.namespace])
        run(["ip", "-n", self.namespace, "link", "set", "lo", "up"])
        owner, proxy = (str(part or "-") for part in road)
        words = [str(home / "relay.pid"), self.namespace, gateway, owner, proxy]
        line = f'cd "$0" && exec setsid --fork "$@" >>{str(home / "relay.log")!r} 2>&1'
        run(["/bin/sh", "-c", line, REPOSITORY, sys.executable, "-m", "tests.yard.relay", *words])
        if not until(lambda: Process.recorded(home / "relay.pid") is not None, 10):
            raise YardError(f"the relay did not start; see {home}/relay.log")

    def release(self, home: Path) -> None:
        """End the relay, delete the private network, give the range back."""
        relay = Process.recorded(home / "relay.pid")
        if relay is not None:
            relay.end()
        self._delete_namespace()
        self._note.unlink(missing_ok=True)
        for network in map(Network, RANGES):  # and what killed owners left noted
            if network._note.exists() and network._holder() is None:
                network._note.unlink(missing_ok=True)

    def _delete_namespace(self) -> None:
        if Path("/run/netns", self.namespace).exists():
            run(["ip", "netns", "delete", self.namespace])


@contextmanager
def _alone() -> Iterator[None]:
    CLAIMS.mkdir(parents=True, exist_ok=True)
    with (CLAIMS / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
