"""A simulated Windows computer behind a real WinRM server, and runs that a real store records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from patchyard.domain.inventory import CheckSpec, Connection, Inventory, Machine, OsFamily, Policy
from patchyard.domain.outcome import Status
from patchyard.domain.plan import MachinePlan, Plan
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import Classification
from patchyard.fleet import BEFORE, assess_machine
from patchyard.runs import Run
from patchyard.store import RunRecord, Store
from patchyard.testing.windows.host import SimulatedComputer
from patchyard.testing.windows.host.catalogue import Update
from patchyard.testing.windows.host.profiles import SERVER_2022, Profile
from patchyard.testing.windows.winrm import Account, Authority, WinrmServer

NAME, USER, PASSWORD = "win-1", "Administrator", "Passw0rd!"
RUN = "r1"
EVERYTHING = Selection(classifications=frozenset(Classification))
SERVICES = CheckSpec(kind="windows_services", options={})
POLICY = Policy(
    stable_seconds=0,
    check_seconds=30,
    reboot_seconds=7200,
    install_seconds=80000,
    lock_seconds=300,
    max_clock_skew=86400,
)


class OneAtATime(SimulatedComputer):
    """A computer whose agent installs nothing more while something waits for a reboot."""

    @property
    def reboot_first(self) -> bool:
        """Whether the update agent wants a reboot before it installs anything."""
        return bool(self.updates.pending())

    @reboot_first.setter
    def reboot_first(self, wanted: bool) -> None:
        assert not wanted


def computer(
    profile: Profile = SERVER_2022,
    *offered: Update,
    factor: float,
    minutes: float = 0.1,
    kind: type[SimulatedComputer] = SimulatedComputer,
) -> SimulatedComputer:
    """Return a computer that takes little time for all it does."""
    made = kind(NAME, profile, factor=factor)
    made.updates.offer(*(replace(each, minutes=minutes, reboot_minutes=0.1) for each in offered))
    made.updates.searching_seconds = 2
    made.supply.down_seconds, made.supply.starting_seconds = 10, 10
    # A reboot must leave its job the time to tell its end, although that is interpreted here.
    made.supply.going_seconds = 25
    return made


def serve(served: SimulatedComputer, authority: Authority | None = None) -> WinrmServer:
    """Return the server before a computer; with an authority it speaks HTTPS alone."""
    accounts = [Account(USER, PASSWORD)]
    if authority is None:
        return WinrmServer(served, accounts)
    certificate = authority.server("127.0.0.1")
    return WinrmServer(served, accounts, http=None, https=0, certificate=certificate)


def inventory(
    folder: Path, port: int, checks: Sequence[CheckSpec] = (SERVICES,), *, ca: Path | None = None
) -> Inventory:
    """Return an inventory with the one machine; with `ca` it is reached over HTTPS."""
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(PASSWORD)
    winrm = {"scheme": "https", "ca": str(ca)} if ca else {"scheme": "http"}
    connection = Connection.model_validate(
        {
            "transport": "winrm",
            "user": USER,
            "password": "file:password",
            "port": port,
            "timeouts": {"connect": 5, "auth": 20},
            "winrm": {"auth": "ntlm", **winrm},
        }
    )
    machine = Machine(
        name=NAME,
        address="127.0.0.1",
        os_family=OsFamily.WINDOWS,
        connection=connection,
        policy=POLICY,
        checks=tuple(checks),
    )
    return Inventory(name="yard", folder=str(folder), machines=(machine,))


def open_run(store: Store) -> RunRecord:
    """Record a run of the one machine that has no plan yet, as a flow does before it looks."""
    record = RunRecord(
        id=RUN,
        kind="patch",
        inventory="yard",
        scope="*",
        parameters={"seed": "s", "slots": 1, "reboot": "if_required"},
        status=Status.IN_PROGRESS,
        started_at=datetime.now(UTC),
    )
    store.create_run(record)
    store.add_machines(RUN, [(NAME, 0, 0)])
    return record


def make_plan(run: Run, selection: Selection = EVERYTHING) -> None:
    """Look at the machine, and freeze the plan that installs what is selected."""
    assess_machine(run, NAME, refresh=True)
    seen = run.store.assessment(run.id, NAME, BEFORE)
    assert seen is not None, run.store.machines(run.id)
    updates, _ = select(seen, selection)
    part = MachinePlan(machine=NAME, manager="windows_update", updates=updates)
    plan = Plan(inventory="yard", scope="*", machines=(part,), waves=((NAME,),))
    run.store.set_plan(run.id, plan)
