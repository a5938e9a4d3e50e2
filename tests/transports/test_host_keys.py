"""Host keys: strict by default, recorded on first use where that is asked for."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.errors import HostKeyRejected
from patchyard.transports import _known_hosts
from patchyard.transports._known_hosts import HostKey, host_name, read, record
from tests.sshd import Sshd, keygen

SOON = timedelta(seconds=15)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that shows an ed25519 key and an ecdsa key."""
    with Sshd(tmp_path_factory.mktemp("both"), kinds=("ed25519", "ecdsa")) as running:
        yield running


def reach(server: Sshd, known_hosts: Path, **changes: object) -> str:
    link = server.open(known_hosts=str(known_hosts), **changes)
    try:
        return link.run("echo reached", timeout=SOON).stdout.strip()
    finally:
        link.close()


def known(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "known_hosts"
    path.write_text(text)
    return path


def other_key(tmp_path: Path) -> str:
    return " ".join(keygen(tmp_path / "other").with_suffix(".pub").read_text().split()[:2])


def test_an_unknown_machine_is_refused_and_the_message_helps(both: Sshd, tmp_path: Path) -> None:
    path = known(tmp_path, "elsewhere ssh-ed25519 AAAA\n")
    with pytest.raises(HostKeyRejected) as caught:
        reach(both, path)
    message = str(caught.value)
    assert f"web-1 (127.0.0.1:{both.port})" in message
    assert "SHA256:" in message
    line = message.rpartition("to the file: ")[2]
    assert reach(both, known(tmp_path, f"{line}\n")) == "reached"


def test_a_missing_file_is_refused_and_named(both: Sshd, tmp_path: Path) -> None:
    with pytest.raises(HostKeyRejected, match=r"there is no file .*/missing"):
        reach(both, tmp_path / "missing")


def test_a_changed_key_is_refused(both: Sshd, tmp_path: Path) -> None:
    path = known(tmp_path, f"{both.name} {other_key(tmp_path)}\n")
    with pytest.raises(HostKeyRejected, match="host key has changed"):
        reach(both, path)


def test_a_changed_key_is_refused_on_trust_on_first_use_too(both: Sshd, tmp_path: Path) -> None:
    text = f"{both.name} {other_key(tmp_path)}\n"
    path = known(tmp_path, text)
    with pytest.raises(HostKeyRejected, match="host key has changed"):
        reach(both, path, host_keys="trust_on_first_use")
    assert path.read_text() == text


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_only_known_kinds_of_keys_are_asked_for(both: Sshd, tmp_path: Path, kind: str) -> None:
    assert reach(both, known(tmp_path, f"{both.name} {both.public(kind)}\n")) == "reached"


def test_a_machine_that_lost_the_known_kind_is_refused(server: Sshd, tmp_path: Path) -> None:
    key = " ".join(keygen(tmp_path / "e", kind="ecdsa").with_suffix(".pub").read_text().split()[:2])
    with pytest.raises(HostKeyRejected, match="rebuilt"):
        reach(server, known(tmp_path, f"{server.name} {key}\n"))


def test_a_hashed_name_is_found(both: Sshd, tmp_path: Path) -> None:
    path = known(tmp_path, f"{both.name} {both.public()}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    assert both.name not in path.read_text()
    assert reach(both, path) == "reached"


def test_a_revoked_key_is_refused(both: Sshd, tmp_path: Path) -> None:
    line = f"{both.name} {both.public()}\n"
    path = known(tmp_path, f"{line}@revoked * {both.public()}\n")
    with pytest.raises(HostKeyRejected, match="revoked"):
        reach(both, path)


def test_a_revoked_key_is_never_recorded(both: Sshd, tmp_path: Path) -> None:
    revoked = "".join(f"@revoked * {both.public(kind)}\n" for kind in ("ed25519", "ecdsa"))
    path = known(tmp_path, revoked)
    with pytest.raises(HostKeyRejected, match="revoked"):
        reach(both, path, host_keys="trust_on_first_use")
    assert path.read_text() == revoked


def test_first_use_is_recorded_and_holds_from_then_on(both: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "new" / "known_hosts"
    assert reach(both, path, host_keys="trust_on_first_use") == "reached"
    assert path.read_text() == f"{both.name} {both.public()}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert reach(both, path) == "reached"


def test_the_file_lies_relative_to_the_inventory(both: Sshd) -> None:
    assert reach(both, Path("known_hosts")) == "reached"


def test_two_records_at_once_lose_nothing(tmp_path: Path) -> None:
    path = known(tmp_path, "first ssh-ed25519 AAAA")
    keys = [HostKey("ssh-ed25519", bytes([n]) * 32) for n in range(20)]
    threads = [
        threading.Thread(target=record, args=(path, f"host-{n}", key)) for n, key in enumerate(keys)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(path.read_text().splitlines()) == 21
    assert all(read(path).keys(f"host-{n}") == (key,) for n, key in enumerate(keys))


def test_the_second_of_two_first_uses_finds_the_first_one(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    first, second = (HostKey("ssh-ed25519", text * 8) for text in (b"good", b"evil"))
    record(path, "host", first)
    assert record(path, "host", second).keys("host") == (first,)


@pytest.mark.parametrize(
    ("patterns", "covered", "not_covered"),
    [
        ("a,b", "b", "c"),
        ("*.example", "a.example", "example"),
        ("web-?", "web-1", "web-12"),
        ("*,!web-1", "web-2", "web-1"),
        ("[a]:2222", "[a]:2222", "a"),
        ("[*]:2222", "[a]:2222", "[a]:22"),
        ("WEB", "web", "we"),
    ],
)
def test_patterns_match_as_in_openssh(
    tmp_path: Path, patterns: str, covered: str, not_covered: str
) -> None:
    found = read(known(tmp_path, f"{patterns} ssh-ed25519 AAAA comment here\n"))
    assert found.keys(covered)
    assert not found.keys(not_covered)


def test_the_lines_about_a_name_are_found_in_the_files_order(tmp_path: Path) -> None:
    lines = ("*.example", "a.example,b", "!a.example,*", "A.example", "other", "a.*")
    text = "".join(f"{names} kind-{number} AAAA\n" for number, names in enumerate(lines))
    found = read(known(tmp_path, text))
    assert [key.kind for key in found.keys("a.example")] == ["kind-0", "kind-1", "kind-3", "kind-5"]
    assert [key.kind for key in found.keys("b")] == ["kind-1", "kind-2"]


def test_lines_that_cannot_be_read_are_skipped(tmp_path: Path) -> None:
    text = "# comment\n\nhost\nhost ssh-ed25519 !!!\n|1|bad ssh-ed25519 AAAA\n\xff\n"
    text += "@cert-authority host ssh-ed25519 AAAA\n"
    assert read(known(tmp_path, text)).keys("host") == ()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = known(tmp_path, "a ssh-ed25519 AAAA\n")
    assert read(path).keys("a")
    path.write_text("b ssh-ed25519 AAAA\nc ssh-ed25519 AAAA\n")
    assert not read(path).keys("a")


@given(st.text("abc.-:1", min_size=1), st.integers(1, 65535), st.binary(min_size=1))
def test_what_is_recorded_is_known(address: str, port: int, blob: bytes) -> None:
    name = host_name(address, port)
    key = HostKey("ssh-ed25519", blob)
    entry = _known_hosts._entry(key.line(name).strip())
    assert entry is not None
    assert entry.key == key
    assert entry.covers(name)
