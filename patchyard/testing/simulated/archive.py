"""What apt says of the archives of a simulated machine."""

from __future__ import annotations

from datetime import datetime, timedelta

ADDRESS = "http://archive.invalid"
SUITES = (
    ("debian", "bookworm", "Debian", "oldstable"),
    ("debian", "bookworm-updates", "Debian", "oldstable-updates"),
    ("debian-security", "bookworm-security", "Debian-Security", "oldstable-security"),
)
"""Folder, codename, label and suite of each archive."""

_FRESH = timedelta(hours=6)
_VALID = timedelta(days=7)


def release_files(now: datetime) -> dict[str, str]:
    """Return the Release files by the name under which apt keeps them."""
    return {
        f"archive.invalid_{folder}_dists_{codename}_InRelease": _release(
            codename, label, suite, now
        )
        for folder, codename, label, suite in SUITES
    }


def _release(codename: str, label: str, suite: str, now: datetime) -> str:
    form = "%a, %d %b %Y %H:%M:%S UTC"
    return (
        f"Origin: Debian\nLabel: {label}\nSuite: {suite}\nVersion: 12\nCodename: {codename}\n"
        f"Date: {now - _FRESH:{form}}\nValid-Until: {now + _VALID:{form}}\n"
        "Components: main\nMD5Sum:\n"
    )


def update_uris() -> str:
    """Return what `apt-get update --print-uris` prints."""
    return "".join(
        f"'{ADDRESS}/{folder}/dists/{codename}/InRelease' "
        f"archive.invalid_{folder}_dists_{codename}_InRelease 0 \n"
        for folder, codename, *_ in SUITES
    )


def update_said(*, security_answers: bool) -> str:
    """Return what `apt-get update` prints, its complaints included."""
    said, failed = "", ""
    for number, (folder, codename, *_) in enumerate(SUITES, start=1):
        place = f"{ADDRESS}/{folder} {codename} InRelease"
        if security_answers or folder != "debian-security":
            said += f"Hit:{number} {place}\n"
            continue
        reason = "Could not connect to archive.invalid:80, connection timed out"
        said += f"Err:{number} {place}\n  {reason}\n"
        failed = (
            f"E: Failed to fetch {ADDRESS}/{folder}/dists/{codename}/InRelease  {reason}\n"
            "E: Some index files failed to download. They have been ignored, or old ones used "
            "instead.\n"
        )
    return f"{said}Reading package lists...\n{failed}"


def policy() -> str:
    """Return what `apt-cache policy` prints without names."""
    said = "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n"
    for folder, codename, label, suite in reversed(SUITES):
        said += (
            f" 500 {ADDRESS}/{folder} {codename}/main amd64 Packages\n"
            f"     release v=12,o=Debian,a={suite},n={codename},l={label},c=main,b=amd64\n"
            "     origin archive.invalid\n"
        )
    return f"{said}Pinned packages:\n"
