"""Kerberos tickets for those who are in the inventory with a password.

The one way to say whose ticket is meant, in a process with many threads, is a collection of
caches in which Kerberos finds the principal by itself: KRB5CCNAME counts for the whole process.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from patchyard.errors import AuthenticationFailed, MachineError, TimedOut, Unreachable
from patchyard.transports._winrm_endpoint import Endpoint

COLLECTIONS = frozenset({"DIR", "KEYRING", "KCM", "API"})
"""Kinds of caches that hold tickets of several principals."""

DEFAULT_CACHE = "/tmp/krb5cc_{uid}"  # noqa: S108 - where MIT Kerberos keeps tickets by itself

_lock = threading.Lock()
_fetched: dict[str, int] = {}
_refused: dict[str, str] = {}


def fetch(endpoint: Endpoint, *, seen: int = 0) -> int:
    """Get a ticket for a machine's user by their password, unless this process has got one.

    Args:
        endpoint: whose user.
        seen: which one was found to be no good any more; 0 for none. Of many threads that find
            so, the first gets a new one.

    Returns:
        The number of the ticket, counting those of this user.

    Raises:
        AuthenticationFailed: the password is wrong, or Kerberos is not set up. A wrong password
            is not tried again by this process, whichever machine it is for: it would lock the
            account.
        Unreachable: no KDC answers.
    """
    password = endpoint.password.get_secret_value() if endpoint.password else ""
    with _lock:
        who = f"{_collection()} {endpoint.user} {hashlib.sha256(password.encode()).hexdigest()}"
        if who in _refused:
            raise AuthenticationFailed(f"{endpoint.label}: {_refused[who]}")
        if _fetched.get(who, 0) > seen:
            return _fetched[who]
        said = _kinit(endpoint, password)
        if said:
            raise _judged(endpoint, said, who)
        _fetched[who] = seen + 1
        return _fetched[who]


def _collection() -> str:
    """Return the process' collection of caches; make one, with the present cache in it."""
    named = os.environ.get("KRB5CCNAME", "")
    if named.partition(":")[0] in COLLECTIONS:
        return named
    folder = tempfile.mkdtemp(prefix="patchyard-tickets-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    present = Path(named.removeprefix("FILE:") or DEFAULT_CACHE.format(uid=os.getuid()))
    if present.is_file():
        # A link, so that whoever keeps that cache fresh keeps it fresh for us.
        Path(folder, "tkt").symlink_to(present.resolve())
        Path(folder, "primary").write_text("tkt\n")
    os.environ["KRB5CCNAME"] = f"DIR:{folder}"
    return os.environ["KRB5CCNAME"]


def _kinit(endpoint: Endpoint, password: str) -> str:
    """Ask for a ticket; returns what went wrong in the program's words, or nothing."""
    if not password or "\n" in password:
        return "a password cannot be empty or hold a line end"
    program = shutil.which("kinit")
    if program is None:
        return "kinit is not installed here (Debian: krb5-user)"
    try:
        done = subprocess.run(
            [program, endpoint.user],
            input=f"{password}\n".encode(),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=endpoint.timeouts.auth,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        limit = endpoint.timeouts.auth
        raise TimedOut(f"{endpoint.label}: no Kerberos ticket within {limit:g} s") from error
    if done.returncode == 0:
        return ""
    return " ".join(done.stderr.decode("utf-8", "replace").split()) or "kinit failed"


def _judged(endpoint: Endpoint, said: str, who: str) -> MachineError:
    message = f"no Kerberos ticket for {endpoint.user!r}: {said.removeprefix('kinit: ')}"
    if "Cannot contact any KDC" in said or "Cannot resolve" in said:
        return Unreachable(f"{endpoint.label}: {message}")
    _refused[who] = message
    return AuthenticationFailed(f"{endpoint.label}: {message}; it is not tried again")
