"""A real OpenSSH server for tests."""

from tests.sshd.server import QUICK, Sshd, free_port, keygen

__all__ = ["QUICK", "Sshd", "free_port", "keygen"]
