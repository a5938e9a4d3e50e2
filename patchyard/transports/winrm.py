"""WinRM: one connection for each machine and thread, and PowerShell at its other end.

A script comes with its parameters, which it finds as `$Parameters`. It runs in a shell of its
own, whose children end with it: what shall outlive the link is a scheduled task.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from patchyard.domain.inventory import Inventory, Machine
from patchyard.transports.base import Completed, TransportSpec

if TYPE_CHECKING:
    from patchyard.transports._winrm_client import Client


class WinrmTransport:
    """An open WinRM link to one machine."""

    def __init__(self, client: Client) -> None:
        self._client = client
        # Two threads over one sealed link look like wrong passwords, which lock accounts.
        self._one_at_a_time = threading.Lock()

    def run(
        self, script: str, /, *, timeout: timedelta, parameters: Mapping[str, Any] | None = None
    ) -> Completed:
        """Run a Windows PowerShell 5.1 script as the login user and wait for its end.

        It finds `parameters` as $Parameters. Line ends of its output become single ones, and of
        what PowerShell writes to standard error only the errors are kept.

        Raises:
            TimedOut: no end within `timeout`; the script is ended then, if the machine answers.
            Unreachable: the link was lost; the script may have run, and was perhaps ended.
            AuthenticationFailed: the credentials were refused; they are not sent again.
            PrivilegeRefused: the user may log in, but not use WinRM.
            ProtocolError: PowerShell did not take the script, or printed without end.
            TypeError, ValueError: the parameters are not JSON.
        """
        # Imported late, as below.
        from patchyard.transports import _winrm_shell  # noqa: PLC0415
        from patchyard.transports._winrm_order import Order  # noqa: PLC0415

        order = Order.pack(script, parameters, machine=self._client.endpoint.label)
        with self._one_at_a_time:
            return _winrm_shell.run(self._client, order, timeout.total_seconds())

    def close(self) -> None:
        """Close the link at once. No shell is open between two scripts."""
        self._client.close()


def open_winrm(machine: Machine, inventory: Inventory) -> WinrmTransport:
    """Open a WinRM link to a machine, and log in.

    Raises:
        MachineError: it cannot be opened; the kind says why, the message what to do.
    """
    # pywinrm takes a third of a second to import: who has no Windows machine does not pay it.
    from patchyard.transports._winrm_client import Client  # noqa: PLC0415
    from patchyard.transports._winrm_endpoint import Endpoint  # noqa: PLC0415

    client = Client(Endpoint.of(machine, inventory))
    try:
        client.log_in()
    except BaseException:
        client.close()
        raise
    return WinrmTransport(client)


TRANSPORT = TransportSpec(name="winrm", open=open_winrm)
