"""The base image every machine is a thin layer over: Debian bookworm as released, fixes pending.

Only the release's `main` is installed from. The security archive is added afterwards, so what it
carries beyond the last point release are real pending updates. Their .debs and those of the
installed versions lie ready in apt's own archive folder: apt fetched them while the image was
built, against signed lists, so a yard upgrades and goes back without the network.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.yard.box import Road, YardError, install_missing, probe, road, run
from tests.yard.mounts import unmount_below

RELEASE = "bookworm"
CACHE_VARIABLE = "PATCHYARD_YARD_CACHE"
DEFAULT_CACHE = Path("/var/cache/patchyard-yard")

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "openssh-server",
    "needrestart",
    "sudo",
    "curl",
    "ca-certificates",
    "iproute2",
    "procps",
    "nginx-light",
    "openssl",
    "dpkg-repack",
)

# Runs before the first download: keeps `main` of the release and lays the rest aside, so that the
# same recipe works whether the mirror is the box's own or the one mmdebstrap knows.
KEEP_MAIN = """set -eu
list="$1/etc/apt/sources.list"
cp "$list" "$1/etc/apt/sources.full"
sed -i -e '/-security/d' -e '/-updates/d' "$list"
"""

# Timers that refresh lists by themselves would take the dpkg lock in the middle of a test.
FINISH = f"""set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
update-ca-certificates >/dev/null 2>&1
sed -n '/{RELEASE}-security/p' /etc/apt/sources.full >/etc/apt/sources.list.d/security.list
test -s /etc/apt/sources.list.d/security.list
rm -f /etc/apt/sources.full /etc/ssh/ssh_host_* /etc/nginx/sites-enabled/default /etc/machine-id
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim; do
  ln -sf /dev/null "/etc/systemd/system/$timer.timer"
done
useradd --create-home --shell /bin/bash patchyard
useradd --create-home --shell /bin/bash --no-user-group operator
apt-get -q update
apt-get -q -y --download-only dist-upgrade
cd /var/cache/apt/archives
apt-get -q -o APT::Sandbox::User=root download $(apt-get -s dist-upgrade |
  sed -n 's/^Inst \\([^ ]*\\) \\[\\([^]]*\\)\\].*/\\1=\\2/p')
apt-cache gencaches
"""


def cache_folder() -> Path:
    """Where images are kept between sessions."""
    return Path(os.environ.get(CACHE_VARIABLE) or DEFAULT_CACHE)


def base_image() -> Path:
    """The base image's tree, built first if this box has none for the recipe."""
    reason = probe()
    if reason is not None:
        raise YardError(reason)
    install_missing()
    way = road()
    image = cache_folder() / f"{RELEASE}-{recipe_key(way)}"
    with _one_builder(cache_folder()):
        if not image.exists():
            _build(image, way)
    return image


def recipe_key(way: Road) -> str:
    """A short name of everything that decides what the image contains."""
    certificates = [path.read_text(encoding="utf-8") for path in way.certificates]
    recipe = [RELEASE, *PACKAGES, KEEP_MAIN, FINISH, repr(way), *certificates, str(os.uname()[4])]
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:12]


@contextmanager
def _one_builder(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(image: Path, way: Road) -> None:
    draft = image.with_suffix(".draft")
    _discard(draft)
    try:
        run(_mmdebstrap(draft, way), timeout=1800)
        _lay_road(draft, way)
        run(["chroot", draft, "sh", "-s"], stdin=FINISH, timeout=1800)
    except BaseException:
        _discard(draft)
        raise
    draft.rename(image)


def _discard(draft: Path) -> None:
    unmount_below(draft)
    if draft.exists():
        shutil.rmtree(draft)


def _mmdebstrap(target: Path, way: Road) -> list[str]:
    options = ["--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    options += [f"--setup-hook={KEEP_MAIN}", '--aptopt=Acquire::Languages "none"']
    options += [f"--aptopt={line.rstrip(';')}" for line in way.settings]
    sources = []
    if way.main is not None and way.security is not None:
        sources.append(f"deb {way.main} {RELEASE} main")
        sources.append(f"deb {way.security} {RELEASE}-security main")
    return ["mmdebstrap", *options, RELEASE, str(target), *sources]


def _lay_road(root: Path, way: Road) -> None:
    """Give the image the box's name servers, certificates and apt settings."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    trusted = root / "usr/local/share/ca-certificates"
    trusted.mkdir(parents=True, exist_ok=True)
    for certificate in way.certificates:
        shutil.copy(certificate, trusted / certificate.name)
    settings = "".join(f"{line}\n" for line in way.settings)
    (root / "etc/apt/apt.conf.d/90box").write_text(settings, encoding="utf-8")
