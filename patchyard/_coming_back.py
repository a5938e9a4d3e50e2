"""Log-ins that are refused while a machine comes back from a reboot.

For a short while a machine answers before it can check a password: the authority that does it, the
domain's controllers or Kerberos are not up yet. Credentials that worked before the reboot are then
sent again, a few times and minutes apart: more would lock accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from patchyard.errors import AuthenticationFailed

MOST = 3
"""Refused log-ins after one reboot, the first included."""

APART = timedelta(minutes=2)
"""Time from one refused log-in to the next."""


@dataclass
class Refusals:
    """The refused log-ins of one machine after one reboot."""

    clock: Callable[[], datetime]
    count: int = 0
    not_before: datetime | None = None

    def note(self, error: AuthenticationFailed) -> str:
        """Take note of a refusal. Answers what it means, in words.

        Raises:
            AuthenticationFailed: this was the last one that is taken for a slow start.
        """
        self.count += 1
        if self.count >= MOST:
            raise AuthenticationFailed(
                f"{error}; it was refused {self.count} times after the reboot, before which it "
                "was accepted"
            ) from error
        self.not_before = self.clock() + APART
        return f"it is not back yet: {error}"

    @property
    def waiting(self) -> bool:
        """True while no credentials may be sent."""
        return self.not_before is not None and self.clock() < self.not_before
