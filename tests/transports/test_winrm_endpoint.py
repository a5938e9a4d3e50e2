"""What an inventory says, as an endpoint: nothing here sends a byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from patchyard.domain.inventory import Connection, Inventory, Machine
from patchyard.domain.winrm import Winrm
from patchyard.errors import AuthenticationFailed, HostKeyRejected, MachineError
from patchyard.testing.windows.winrm import Authority
from patchyard.transports._winrm_endpoint import Endpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("geheim")
    return tmp_path


def endpoint(folder: Path, address: str = "win-1.corp.test", **connection: Any) -> Endpoint:
    written = {"transport": "winrm", "user": "u", "password": "file:password", **connection}
    machine = Machine(name="win-1", address=address, connection=Connection.model_validate(written))
    return Endpoint.of(machine, Inventory(name="t", folder=str(folder), machines=(machine,)))


@pytest.mark.parametrize(
    ("address", "more", "url"),
    [
        ("win-1.corp.test", {}, "https://win-1.corp.test:5986/wsman"),
        ("win-1.corp.test", {"winrm": {"scheme": "http"}}, "http://win-1.corp.test:5985/wsman"),
        ("127.0.0.1", {"port": 443}, "https://127.0.0.1:443/wsman"),
        ("127.0.0.1", {"port": 80, "winrm": {"scheme": "http"}}, "http://127.0.0.1:80/wsman"),
        ("::1", {}, "https://[::1]:5986/wsman"),
        ("[::1]", {"port": 6000}, "https://[::1]:6000/wsman"),
        ("fe80::1%eth0", {}, "https://[fe80::1%25eth0]:5986/wsman"),
    ],
)
def test_the_url_is_whole(folder: Path, address: str, more: dict[str, Any], url: str) -> None:
    """pywinrm gives `https://host` the port of http, and takes no IPv6 address apart."""
    made = endpoint(folder, address, **more)
    assert made.url == url
    assert requests.Request("POST", made.url).prepare().url == url
    assert made.seals == url.startswith("http:")


def test_a_label_tells_machine_and_place_and_no_secret(folder: Path) -> None:
    made = endpoint(folder)
    assert made.label == "win-1 (win-1.corp.test:5986)"
    assert "geheim" not in repr(made)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"winrm": {"auth": "basic", "scheme": "http"}}, "winrm.scheme must be https"),
        ({"winrm": {"auth": "certificate", "scheme": "http"}}, "winrm.scheme must be https"),
        ({"winrm": {"auth": "certificate"}}, "winrm.certificate is missing"),
        (
            {"winrm": {"auth": "certificate", "certificate": "c.pem"}},
            "winrm.certificate_key is missing",
        ),
        ({"jump": ["bastion"]}, "connection.jump cannot stand with transport winrm"),
        ({"proxy_command": "nc {address}"}, "connection.proxy_command cannot stand"),
    ],
)
def test_what_contradicts_itself_is_told(folder: Path, more: dict[str, Any], told: str) -> None:
    with pytest.raises(MachineError, match=told):
        endpoint(folder, **more)


@pytest.mark.parametrize("auth", ["ntlm", "basic", "credssp"])
@pytest.mark.parametrize("lacking", ["user", "password"])
def test_a_password_log_in_needs_both(folder: Path, auth: str, lacking: str) -> None:
    with pytest.raises(AuthenticationFailed, match=r"needs a user and a password"):
        endpoint(folder, "win-1", **{"winrm": {"auth": auth}, lacking: None})


def test_kerberos_needs_neither_but_a_password_needs_a_user(folder: Path) -> None:
    made = endpoint(folder, user=None, password=None, winrm={"auth": "kerberos"})
    assert (made.user, made.password) == ("", None)
    with pytest.raises(AuthenticationFailed, match="USER@REALM"):
        endpoint(folder, user=None, winrm={"auth": "kerberos"})


def test_a_secret_that_cannot_be_had_fails_this_machine_only(folder: Path) -> None:
    with pytest.raises(AuthenticationFailed, match=r"win-1 .*env:NOT_SET"):
        endpoint(folder, password="env:NOT_SET")


def test_authorities_that_cannot_be_read_are_no_reason_to_trust(folder: Path) -> None:
    with pytest.raises(HostKeyRejected, match=r"no readable file .*ca\.pem"):
        endpoint(folder, winrm={"ca": "ca.pem"})


def test_paths_are_relative_to_the_inventory(folder: Path) -> None:
    Authority(folder)
    assert endpoint(folder, winrm={"ca": "authority.pem"}).ca == folder / "authority.pem"


def client(folder: Path, lock: str = "", **more: Any) -> Endpoint:
    Authority(folder).client("u@corp.test", passphrase=lock)
    winrm = {
        "auth": "certificate",
        "certificate": "client.crt",
        "certificate_key": "file:client.key",
    }
    return endpoint(folder, user=None, password=None, winrm=winrm, **more)


def test_a_client_certificate_comes_with_its_key(folder: Path) -> None:
    made = client(folder)
    assert made.key is not None
    assert "PRIVATE KEY" in made.key.get_secret_value()
    assert made.certificate == folder / "client.crt"


def test_a_locked_key_is_unlocked_here(folder: Path) -> None:
    """OpenSSL would ask the terminal, and a run would stand still."""
    with pytest.raises(AuthenticationFailed, match=r"is encrypted; set connection.passphrase"):
        client(folder, "wort")
    (folder / "word").touch(mode=0o600)
    (folder / "word").write_text("wort")
    made = client(folder, "wort", passphrase="file:word")
    assert made.key is not None
    assert "ENCRYPTED" not in made.key.get_secret_value()
    (folder / "word").write_text("falsch")
    with pytest.raises(AuthenticationFailed, match="is the passphrase right"):
        client(folder, "wort", passphrase="file:word")


def test_a_key_that_is_none_is_told(folder: Path) -> None:
    Authority(folder).client("u@corp.test")
    winrm = {
        "auth": "certificate",
        "certificate": "client.crt",
        "certificate_key": "file:password",
    }
    with pytest.raises(AuthenticationFailed, match="is it a private key") as caught:
        endpoint(folder, winrm=winrm)
    assert "geheim" not in str(caught.value)
    with pytest.raises(AuthenticationFailed, match="no readable file"):
        endpoint(folder, winrm={**winrm, "certificate": "none.crt"})


@pytest.mark.parametrize(
    "written",
    [
        {"auth": "digest"},
        {"scheme": "ftp"},
        {"verify": False},
        {"certificate_key": "secret itself"},
        {"allow_proxy": "yes"},
        {"kerberos_hostname": "-o"},
    ],
)
def test_what_is_no_setting_of_winrm_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Winrm.model_validate(written)
    assert "secret itself" not in str(caught.value)
