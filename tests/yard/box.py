"""What this box offers a yard: its rights, its tools, and the way packages reach it."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "dpkg-deb": "dpkg",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "openssl": "openssl",
}
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")

# Only these settings of the box's apt speak about the road to the mirror; the rest
# (index compression, translations, hooks of desktop tools) is the box's own taste.
ROAD_SETTINGS = (
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::https::Verify-Peer",
    "Acquire::https::Verify-Host",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
)


class YardError(Exception):
    """The yard could not be made, used or ended."""


@dataclass(frozen=True)
class Road:
    """How this box reaches a Debian mirror; None for an address means mmdebstrap's own."""

    main: str | None
    security: str | None
    settings: tuple[str, ...]
    certificates: tuple[Path, ...]

    @property
    def proxy(self) -> str | None:
        """The proxy that packages come through, if the box needs one."""
        for line in self.settings:
            if line.startswith("Acquire::http::Proxy "):
                return line.split('"')[1] or None
        return None


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    check: bool = True,
    timeout: float = 900,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program of the box and, unless told otherwise, raise with its own words."""
    feed: dict[str, str | int] = {"stdin": subprocess.DEVNULL} if stdin is None else {}
    done = subprocess.run(  # type: ignore[call-overload]
        [str(word) for word in argv],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=None if env is None else {**os.environ, **env},
        errors="replace",
        **feed,
    )
    result: subprocess.CompletedProcess[str] = done
    if check:
        require(result, " ".join(str(word) for word in argv[:6]))
    return result


def require(result: subprocess.CompletedProcess[str], what: str) -> None:
    """Raise with a program's own last words unless it went well."""
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).strip().splitlines()[-10:])
        raise YardError(f"{what} ended with status {result.returncode}:\n{tail}")


def probe() -> str | None:
    """Say in one line why no yard can be made here, or None when one can."""
    if os.geteuid() != 0:
        return "a yard needs root"
    if unified_cgroups() is None:
        return "no unified cgroup hierarchy is mounted"
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        run(["modprobe", "overlay"], check=False)
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        return "the kernel has no overlay file system"
    lacking = missing_packages()
    if lacking and shutil.which("apt-get") is None:
        return f"missing and not installable without apt-get: {', '.join(lacking)}"
    return None


def missing_packages() -> list[str]:
    """Name the packages of the box that a yard still lacks."""
    lacking = {package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if not DEBIAN_KEYRING.exists():
        lacking.add("debian-archive-keyring")
    return sorted(lacking)


def install_missing() -> None:
    """Install what a yard needs of the box, waiting for whoever else holds its dpkg lock."""
    lacking = missing_packages()
    if not lacking:
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "-y", "-o", "DPkg::Lock::Timeout=300", "install"]
    install += ["--no-install-recommends", *lacking]
    if run(install, check=False, env=quiet).returncode != 0:
        run(["apt-get", "-o", "DPkg::Lock::Timeout=300", "update"], env=quiet)
        run(install, env=quiet)


def unified_cgroups() -> Path | None:
    """Find where the unified (v2) cgroup tree is mounted, alone or beside v1."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields[2] == "cgroup2" and os.access(fields[1], os.W_OK):
            return Path(fields[1])
    return None


def road() -> Road:
    """Read from the box's own apt how packages reach it; nothing is assumed."""
    addresses = _debian_addresses()
    certificates = tuple(sorted(OWN_CERTIFICATES.rglob("*.crt")))
    return Road(addresses.get("main"), addresses.get("security"), _settings(), certificates)


def _debian_addresses() -> dict[str, str]:
    release = _os_release()
    if release.get("ID") != "debian":
        return {}
    codename = release.get("VERSION_CODENAME", "")
    listing = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"], check=False
    )
    suites = {codename: "main", f"{codename}-security": "security"}
    found: dict[str, str] = {}
    for line in listing.stdout.splitlines():
        address, suite, component = [*line.split(), "", "", ""][:3]
        if component == "main" and suite in suites:
            found.setdefault(suites[suite], address.rstrip("/"))
    return found if len(found) == len(suites) else {}


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip('"') for key, _, value in pairs}


def _settings() -> tuple[str, ...]:
    dump = run(["apt-config", "dump"], check=False).stdout.splitlines()
    wanted = {key.lower() for key in ROAD_SETTINGS}
    chosen = [line for line in dump if line.split(" ")[0].lower() in wanted]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy", "")
        if proxy and not any(f"::{scheme}::proxy " in line.lower() for line in chosen):
            chosen.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return tuple(chosen)
