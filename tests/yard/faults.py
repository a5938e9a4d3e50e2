"""What goes wrong with real machines, made to really go wrong: one small function each.

A frozen machine is `Machine.freeze`, one that does not come back from a reboot is
`Machine.stay_down`; both belong to the machine's life rather than to what runs in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.yard import guest
from tests.yard.box import YardError, run
from tests.yard.debs import Deb, Repository
from tests.yard.machine import Machine
from tests.yard.spec import Reach

GONE_FILE = "/usr/share/yard-gone"
"""The one file of the version that no repository has any more."""
BALLAST = "/var/lib/yard-ballast"
SECURITY_LIST = "/etc/apt/sources.list.d/security.list"
LOCK_HOLDER = "yard-lock-holder"

# A write lock by fcntl on the whole file, as apt and dpkg take it; ends with its standard input.
HOLD_LOCK = f"""\
use Fcntl;
$0 = '{LOCK_HOLDER}';
open(my $file, '+>>', '/var/lib/dpkg/lock-frontend') or die $!;
my $lock = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0);
fcntl($file, F_SETLK, $lock) or die $!;
$| = 1;
print "$$\\n";
<STDIN>;
"""


def stop_sshd(machine: Machine) -> None:
    """Stop the door people log in through; sessions that are open stay."""
    machine.exec(["systemctl", "stop", _door(machine)])


def start_sshd(machine: Machine) -> None:
    """Open the door again."""
    machine.exec(["systemctl", "start", _door(machine)])


def _door(machine: Machine) -> str:
    arc = machine.spec.reach is Reach.PROXY_COMMAND
    return "tunnel.socket" if arc else "ssh.service"


def fill_var(machine: Machine, *, leave_kb: int = 0) -> None:
    """Fill the machine's own small /var up to a rest; a reboot does not empty it."""
    if machine.spec.var_size is None:
        raise YardError(f"{machine.name} shares the box's disk; give its spec a var_size")
    free = machine.exec(["df", "--output=avail", "-k", "/var"]).split()[-1]
    count = int(free) - leave_kb
    words = ["dd", "if=/dev/zero", f"of={BALLAST}", "bs=1K", f"count={count}", "status=none"]
    machine.exec(words, check=False)  # the last block may not fit, which is the point


def free_var(machine: Machine) -> None:
    """Take the ballast out of /var."""
    machine.exec(["rm", "-f", BALLAST])


@contextmanager
def held_dpkg_lock(machine: Machine) -> Iterator[int]:
    """Hold dpkg's front-end lock as another apt would; yields the holder's pid inside."""
    with machine.spawn(["perl", "-e", HOLD_LOCK]) as holder:
        line = holder.stdout.readline() if holder.stdout else ""
        try:
            if not line:
                raise YardError(f"{machine.name}: dpkg's lock is held by someone else")
            yield int(line)
        finally:
            if holder.stdin:
                holder.stdin.close()  # its sign to end
            holder.wait(10)


def half_configure(machine: Machine) -> Deb:
    """Leave a package unpacked whose postinst failed; `dpkg --configure -a` mends it."""
    once = "#!/bin/sh\n[ -e /var/lib/yard-once ] || { touch /var/lib/yard-once; exit 1; }\n"
    deb = Deb("yard-halfway", "1.0", scripts={"postinst": once})
    repository = Repository(machine)
    repository.offer(deb)
    repository.install(deb)
    return deb


def break_security_source(machine: Machine) -> None:
    """Point the security archive at a port where nothing listens."""
    line = "deb http://127.0.0.1:9/debian-security bookworm-security main\n"
    machine.exec(["mv", SECURITY_LIST, f"{SECURITY_LIST}.kept"])
    machine.write_file(SECURITY_LIST, line)


def mend_security_source(machine: Machine) -> None:
    """Give the security archive's line back."""
    machine.exec(["mv", f"{SECURITY_LIST}.kept", SECURITY_LIST])


def reject_address(machine: Machine, *, verdict: str = "reject with tcp reset") -> None:
    """Refuse connections to the machine by a firewall rule; the verdict `drop` loses them."""
    rules = f"table inet {machine.table} {{\n chain out {{\n"
    rules += "  type filter hook output priority filter; policy accept;\n"
    rules += f"  ip daddr {machine.address} meta l4proto tcp {verdict}\n }}\n}}\n"
    run(["nft", "-f", "-"], stdin=rules)


def accept_address(machine: Machine) -> None:
    """Take the firewall rule away."""
    run(["nft", "delete", "table", "inet", machine.table])


def change_host_key(machine: Machine) -> None:
    """Give the machine another host key than the one known of it."""
    guest.make_host_key(machine.root)
    machine.exec(["systemctl", "try-restart", _door(machine)])


def hold_package(machine: Machine, name: str) -> None:
    """Have apt keep a package back."""
    machine.exec(["apt-mark", "hold", name])


def conffile_prompt(machine: Machine) -> Deb:
    """Offer an update that would ask: its configuration file changed here and there."""
    name, path = "yard-conf", "/etc/yard-conf.conf"
    old = Deb(name, "1.0", conffiles={path: "colour = red\n"})
    new = Deb(name, "2.0", conffiles={path: "colour = blue\nsize = 2\n"})
    _installed_then_offered(machine, old, new)
    machine.write_file(path, "colour = green  # the operator's own\n")
    return new


WANTS_REBOOT = """\
echo '*** System restart required ***' >/run/reboot-required
echo yard-slow >>/run/reboot-required.pkgs
"""
"""What a kernel's postinst does, by the notifier's script."""


def slow_package(machine: Machine, seconds: int, *, wants_reboot: bool = False) -> Deb:
    """Offer an update whose postinst takes a while, and may ask for a reboot as a kernel's does."""
    nap = f'#!/bin/sh\necho "$(date +%s) $1" >>/var/log/yard-slow\nsleep {seconds}\n'
    nap += WANTS_REBOOT if wants_reboot else ""
    new = Deb("yard-slow", "2.0", scripts={"postinst": nap})
    _installed_then_offered(machine, Deb("yard-slow", "1.0"), new)
    return new


def vanished_version(machine: Machine) -> Deb:
    """Offer an update from a version that no repository has any more."""
    old = Deb("yard-gone", "1.0", files={GONE_FILE: "the old one\n"})
    new = Deb("yard-gone", "2.0", files={GONE_FILE: "the new one\n"})
    _installed_then_offered(machine, old, new)
    repository = Repository(machine)
    repository.withdraw(old)
    repository.update()
    return new


def divert(machine: Machine, path: str) -> None:
    """Divert a package's file, as another package would: it cannot be rebuilt from its files."""
    machine.exec(["dpkg-divert", "--add", "--rename", "--divert", f"{path}.diverted", path])


def failing_package(machine: Machine) -> Deb:
    """Offer an update whose postinst always fails."""
    new = Deb("yard-broken", "2.0", scripts={"postinst": "#!/bin/sh\nexit 1\n"})
    _installed_then_offered(machine, Deb("yard-broken", "1.0"), new)
    return new


def _installed_then_offered(machine: Machine, old: Deb, new: Deb) -> None:
    repository = Repository(machine)
    repository.offer(old, new)
    repository.install(old)
    repository.update()
