"""A WinRM server for tests: real HTTP and HTTPS on loopback before a simulated computer.

with WinrmServer(computer, [Account("Administrator", "secret")]) as server:
    server.faults.add(Fault.RESET_AFTER, "Send")
    ...   # a client talks to server.address, server.http_port
    assert server.counts.attempts == 1
"""

from patchyard.testing.windows.winrm.certificates import Authority, Issued
from patchyard.testing.windows.winrm.counts import Counts
from patchyard.testing.windows.winrm.faults import ANY, AUTHENTICATE, CONNECT, Fault, Faults
from patchyard.testing.windows.winrm.problems import Code
from patchyard.testing.windows.winrm.realm import Realm
from patchyard.testing.windows.winrm.server import WinrmServer
from patchyard.testing.windows.winrm.settings import Account, Settings

__all__ = [
    "ANY",
    "AUTHENTICATE",
    "CONNECT",
    "Account",
    "Authority",
    "Code",
    "Counts",
    "Fault",
    "Faults",
    "Issued",
    "Realm",
    "Settings",
    "WinrmServer",
]
