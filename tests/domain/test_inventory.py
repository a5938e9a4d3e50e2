from __future__ import annotations

import pytest
from pydantic import ValidationError

from patchyard.domain.credential import is_reference
from patchyard.domain.inventory import Connection, Inventory, JumpHost, Machine


def machine(**fields: object) -> Machine:
    return Machine.model_validate({"name": "web-1", "address": "web-1.example", **fields})


@pytest.mark.parametrize(
    "text",
    ["env:WEB_PASSWORD", "file:keys/id_ed25519", "file:~/my key", "prefect-block:secret/web"],
)
def test_references_are_taken(text: str) -> None:
    assert is_reference(text)
    assert Connection(password=text).password == text


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "",
        "env:",
        "env:two words",
        "file:",
        "prefect-block:web",
        "Env:A",
        "env:A\nhunter2",
    ],
)
@pytest.mark.parametrize("field", ["password", "key", "passphrase", "sudo_password"])
def test_an_inline_secret_is_refused_and_never_repeated(field: str, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Connection.model_validate({field: text})
    said = str(caught.value)
    assert "env:VARIABLE, file:PATH" in said
    assert "hunter2" not in said
    assert "two words" not in said


@pytest.mark.parametrize(
    "fields",
    [
        {"port": "22"},
        {"port": True},
        {"port": 0},
        {"port": 65536},
        {"agent": "no"},
        {"keepalive": True},
        {"timeouts": {"connect": "10"}},
        {"user": "-oProxyCommand=x"},
        {"user": "a;b"},
    ],
)
def test_what_would_be_taken_for_something_else_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Connection.model_validate(fields)


@pytest.mark.parametrize("address", ["", "-v", "a b", "a;b", "$(x)", "a\n"])
def test_an_address_cannot_act_in_a_command(address: str) -> None:
    with pytest.raises(ValidationError):
        machine(address=address)


@pytest.mark.parametrize("address", ["web-1.example", "127.0.0.1", "::1", "[::1]", "fe80::1%eth0"])
def test_host_names_and_addresses_are_taken(address: str) -> None:
    assert machine(address=address).address == address


def test_a_jump_host_may_be_a_bare_name() -> None:
    assert Connection.model_validate({"jump": ["gate"]}).jump == (JumpHost(machine="gate"),)
    assert Connection.model_validate({"jump": None}).jump == ()


@pytest.mark.parametrize("fields", [{}, {"machine": "a", "address": "b"}])
def test_a_jump_host_is_a_machine_or_an_address(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="one of both"):
        JumpHost.model_validate(fields)


@pytest.mark.parametrize("command", ["nc {adress}", "nc ${HOST}", "nc {", "nc 'a", "  "])
def test_a_proxy_command_that_cannot_be_filled_in_is_refused(command: str) -> None:
    with pytest.raises(ValidationError):
        Connection(proxy_command=command)


def test_contradictions_are_told_of_a_whole_connection() -> None:
    assert Connection(user="a").contradictions() == ()
    (sudo,) = Connection(sudo="password").contradictions()
    assert sudo.field == "sudo_password"
    assert Connection(sudo="password", sudo_password="env:S").contradictions() == ()
    ways = Connection(jump=(JumpHost(machine="a"),), proxy_command="nc {address}")
    assert [found.field for found in ways.contradictions()] == ["proxy_command"]


def test_fields_in_braces_are_filled_in_and_other_braces_stay() -> None:
    filled = machine(connection={"user": "ops"}).fill("{name} {address}:{port} {user} {x} ${HOME}")
    assert filled == "web-1 web-1.example:22 ops {x} ${HOME}"
    assert machine(connection={"port": 2222}).fill("{port}") == "2222"
    assert machine(connection={"transport": "winrm"}).fill("{port}") == "5986"


def test_numbers_become_text_where_text_is_meant_and_stay_numbers_in_tags() -> None:
    made = machine(zone=1, tags={"count": 1, "on": True, "share": 0.5})
    assert made.zone == "1"
    assert made.tags == {"count": 1, "on": True, "share": 0.5}
    assert [type(value) for value in made.tags.values()] == [int, bool, float]


def test_failure_domains_are_named_by_kind() -> None:
    assert machine().domains == ()
    both = machine(availability_set="web", cluster="web")
    assert both.domains == ("availability_set:web", "cluster:web")


def test_a_machine_is_found_by_name() -> None:
    made = machine()
    inventory = Inventory(name="x", folder="x", machines=(made,))
    assert inventory.machine("web-1") is made
    assert inventory.machine("web-2") is None
