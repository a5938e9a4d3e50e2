"""`patchyard windows-check`: the acceptance run from the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from patchyard.domain.inventory import Connection, Inventory, Machine, OsFamily
from patchyard.errors import ConfigurationError

ASK_TO_SEND = """\
Nothing of Windows Update or of the settings was changed. Please read the text above before you
send it: names, addresses and secrets are masked, titles of updates and names of services are not.
"""

_WINRM = ("auth", "scheme", "ca", "certificate", "certificate_key", "kerberos_hostname")
_CONNECTION = ("user", "port", "password", "passphrase")


def add_windows_check(commands: Any) -> None:
    """Add `windows-check HOST`."""
    parser = commands.add_parser(
        "windows-check", help="ask one Windows machine all that is only read, and say what it told"
    )
    parser.add_argument("host", metavar="HOST", help="name or address of the machine")
    parser.add_argument("--user", help="who logs in, an administrator of the machine")
    parser.add_argument(
        "--password", metavar="REFERENCE", help="env:VARIABLE or file:PATH, never the password"
    )
    parser.add_argument("--auth", help="ntlm (as it is), kerberos, basic, certificate, credssp")
    parser.add_argument("--scheme", help="https (as it is), http")
    parser.add_argument("--port", type=int, help="5986 for https and 5985 for http as it is")
    parser.add_argument("--ca", metavar="FILE", help="authorities of the machine's certificate")
    parser.add_argument("--certificate", metavar="FILE", help="client certificate, for its auth")
    parser.add_argument("--certificate-key", metavar="REFERENCE", help="its private key")
    parser.add_argument("--passphrase", metavar="REFERENCE", help="of that key")
    parser.add_argument("--kerberos-hostname", metavar="NAME", help="in the service principal")
    parser.set_defaults(answer=_answer)


def _answer(chosen: argparse.Namespace) -> int:
    # Imported late: the other commands need neither jobs nor managers.
    from patchyard.windows_check import Acceptance  # noqa: PLC0415

    machine = _machine(chosen)
    inventory = Inventory(name="windows-check", folder=str(Path.cwd()), machines=(machine,))
    run = Acceptance(machine, inventory, progress=lambda what: _note(f"asking: {what}"))
    run.run()
    sys.stdout.write(run.text())
    _note(f"\n{ASK_TO_SEND}")
    return 0 if run.good else 1


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _machine(chosen: argparse.Namespace) -> Machine:
    """Make a machine of what was written.

    Raises:
        ConfigurationError: it contradicts itself, or a secret is no reference.
    """
    written: dict[str, Any] = {name: value for name, value in vars(chosen).items() if value}
    connection = {name: written[name] for name in _CONNECTION if name in written}
    winrm = {name: written[name] for name in _WINRM if name in written}
    try:
        made = Connection.model_validate({**connection, "transport": "winrm", "winrm": winrm})
        machine = Machine(
            name="machine", address=chosen.host, os_family=OsFamily.WINDOWS, connection=made
        )
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)
        raise ConfigurationError.of(
            "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in told)
        ) from None
    for found in made.contradictions():
        raise ConfigurationError.of(f"{found.field} {found.message}")
    return machine
