"""A simulated yard: many machines behind a real SSH server, with a simulated package state.

What runs on a machine is the shipped script, by the real shell. Only the tools that the script
calls, such as apt-get and systemctl, are stand-ins; they refuse a call that they were not told.
"""

from __future__ import annotations

from patchyard.testing.simulated.machine import Fault, SimulatedMachine, machines
from patchyard.testing.simulated.yard import SimulatedYard, YardFailed

__all__ = ["Fault", "SimulatedMachine", "SimulatedYard", "YardFailed", "machines"]
