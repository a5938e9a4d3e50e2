"""Scripts over a real SSH server: what comes back, and what happens when it does not."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from patchyard.domain.inventory import Inventory, Machine, Timeouts
from patchyard.errors import (
    ProtocolError,
    TimedOut,
    Unreachable,
)
from patchyard.transports import Transport, open_transport
from patchyard.transports._envelope import Envelope, Sudo
from tests.sshd import Sshd, free_port
from tests.transports.servers import Listener

SOON = timedelta(seconds=15)
SHORT = timedelta(seconds=0.8)


def test_a_script_is_run_and_answers(transport: Transport) -> None:
    done = transport.run("echo out; echo err >&2; exit 3", timeout=SOON)
    assert (done.exit_status, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_script_arrives_as_it_was_written(transport: Transport) -> None:
    text = 'it\'s "quoted" $HOME $$ %n `id` \\ é 漢'
    done = transport.run(f"cat <<'X'\n{text}\nX", timeout=SOON)
    assert done.stdout == f"{text}\n"


def test_a_large_script_and_a_large_answer_do_not_block_each_other(transport: Transport) -> None:
    comment = "# many words that mean nothing\n" * 100_000
    done = transport.run(f"{comment}seq 1 500000; seq 1 100000 >&2", timeout=SOON)
    assert done.stdout.endswith("\n499999\n500000\n")
    assert done.stderr.endswith("\n99999\n100000\n")


def test_a_command_that_reads_input_does_not_eat_the_script(transport: Transport) -> None:
    long = "# more than any shell reads ahead\n" * 20_000
    done = transport.run(f"cat >/dev/null\n{long}echo after", timeout=SOON)
    assert done.stdout == "after\n"


def test_a_script_that_arrives_in_part_does_nothing(server: Sshd, tmp_path: Path) -> None:
    """The brace group: the shell runs no line of a script before it has read them all."""

    sealed = Envelope.seal(f"touch {tmp_path}/half\n: rest", machine="x", sudo=Sudo())
    cut = sealed.text[: sealed.text.index(b": rest")]
    link = server.open()
    try:
        link.run(f"/bin/sh -s <<'X'\n{cut.decode()}\nX\n", timeout=SOON)
    finally:
        link.close()
    assert not (tmp_path / "half").exists()


def test_noise_of_the_login_shell_is_not_in_the_answer(tmp_path: Path) -> None:
    noise = 'ForceCommand echo noise; echo more >&2; sh -c "$SSH_ORIGINAL_COMMAND"'
    with Sshd(tmp_path / "noisy", settings=(noise,)) as server:
        link = server.open()
        done = link.run("echo answer", timeout=SOON)
        link.close()
    assert (done.stdout, done.stderr) == ("answer\n", "")


def test_a_banner_before_the_login_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "banner").write_text("SSH- Authorised users only\n" * 20)
    with Sshd(tmp_path / "machine", settings=(f"Banner {tmp_path}/banner",)) as server:
        link = server.open()
        assert link.run("echo ok", timeout=SOON).stdout == "ok\n"
        link.close()


def test_a_login_without_a_shell_is_named(tmp_path: Path) -> None:
    with Sshd(tmp_path / "m", settings=("ForceCommand echo This account is closed; exit 1",)) as s:
        link = s.open()
        with pytest.raises(ProtocolError, match=r"account is closed.*ordinary shell"):
            link.run("echo ok", timeout=SOON)
        link.close()


def test_a_deadline_holds_and_the_link_stays_usable(transport: Transport) -> None:
    begun = time.monotonic()
    with pytest.raises(TimedOut, match=r"web-1 .* within 0.8 s"):
        transport.run("sleep 30", timeout=SHORT)
    assert time.monotonic() - begun < 2
    assert transport.run("echo still here", timeout=SOON).stdout == "still here\n"


def test_a_script_that_leaves_a_process_behind_is_not_waited_for(transport: Transport) -> None:
    begun = time.monotonic()
    done = transport.run("sleep 20 & echo done", timeout=SOON)
    assert done.stdout == "done\n"
    assert time.monotonic() - begun < 6


def test_a_killed_connection_is_a_lost_link(server: Sshd) -> None:
    link = server.open()
    thread = threading.Timer(0.5, server.drop)
    thread.start()
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"web-1 .*lost"):
        link.run("sleep 30", timeout=SOON)
    assert time.monotonic() - begun < 5
    thread.join()
    with pytest.raises(Unreachable):
        link.run("echo", timeout=SOON)
    link.close()


def test_a_frozen_machine_is_a_timeout_and_closing_it_does_not_wait(server: Sshd) -> None:
    link = server.open()
    (pid,) = server.sessions()[-1:]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimedOut):
            link.run("# long\n" * 200_000, timeout=SHORT)
        begun = time.monotonic()
        link.close()
        assert time.monotonic() - begun < 1.5
    finally:
        os.kill(pid, signal.SIGKILL)


def test_closing_takes_no_time_and_leaves_no_thread(server: Sshd) -> None:
    before = threading.active_count()
    link = server.open()
    link.run("true", timeout=SOON)
    begun = time.monotonic()
    link.close()
    assert time.monotonic() - begun < 0.3
    assert threading.active_count() == before


def test_a_closed_port_is_unreachable() -> None:
    machine = Machine(name="web-9", address="127.0.0.1")
    machine = _at(machine, free_port())
    with pytest.raises(Unreachable, match=r"web-9 \(127.0.0.1:\d+\): .*refused"):
        _open(machine)


def test_a_name_that_is_unknown_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="cannot be resolved"):
        _open(_at(Machine(name="web-9", address="nowhere.invalid"), 22))


def test_a_port_that_says_nothing_is_a_timeout() -> None:
    with Listener(b"") as port, pytest.raises(TimedOut, match="no SSH banner came within 1 s"):
        _open(_at(Machine(name="web-9", address="127.0.0.1"), port))


def test_a_port_that_stops_after_its_banner_is_a_timeout() -> None:
    with (
        Listener(b"SSH-2.0-slow\r\n") as port,
        pytest.raises(TimedOut, match="handshake did not end within 1 s"),
    ):
        _open(_at(Machine(name="web-9", address="127.0.0.1"), port))


def test_a_port_that_hangs_up_is_unreachable() -> None:
    with Listener(b"", hang_up=True) as port, pytest.raises(Unreachable, match="was closed"):
        _open(_at(Machine(name="web-9", address="127.0.0.1"), port))


def test_a_port_that_speaks_something_else_is_named() -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with (
        Listener(answer, hang_up=True) as port,
        pytest.raises(ProtocolError, match=r"not SSH.*HTTP"),
    ):
        _open(_at(Machine(name="web-9", address="127.0.0.1"), port))


def test_a_machine_on_an_ipv6_address_is_reached(tmp_path: Path) -> None:
    try:
        server = Sshd(tmp_path / "six", address="::1")
    except OSError:
        pytest.skip("this box has no IPv6")
    with server:
        for address in ("::1", "[::1]"):
            machine = server.machine().model_copy(update={"address": address})
            link = open_transport(machine, server.inventory(machine))
            assert link.run("echo six", timeout=SOON).stdout == "six\n"
            link.close()


def _at(machine: Machine, port: int) -> Machine:
    connection = machine.connection.model_copy(
        update={
            "port": port,
            "key": "file:none",
            "user": "root",
            "timeouts": Timeouts(connect=2, banner=1, auth=2, command=5),
        }
    )
    return machine.model_copy(update={"connection": connection})


def _open(machine: Machine) -> None:
    inventory = Inventory(name="none", folder="/nonexistent", machines=(machine,))
    open_transport(machine, inventory).close()
