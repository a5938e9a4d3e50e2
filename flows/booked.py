"""What is booked in Prefect: the flow runs of windows, seen, made and withdrawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Failed, Scheduled
from pydantic import ValidationError

from patchyard.booking import Booking, fingerprint
from patchyard.domain.dispatching import Booked, Died, ticket
from patchyard.errors import ConfigurationError
from patchyard.maintenance_parameters import bare_key
from patchyard.openings import GONE
from patchyard.parameters import PatchParameters, WindowParameters
from patchyard.store import Store

WITHDRAWN = frozenset({"Withdrawn", "Missed"})
"""Names of the states in which a dispatcher leaves runs that are not to begin."""

GIVEN_UP = "GivenUp"
"""The name of the state in which a dispatcher leaves a run of a window that it gives up."""

BACK = timedelta(days=9)
"""So long ago may a run have begun whose window has not ended: one lasts a week at most, and is
prepared for a day at most."""

SILENT = timedelta(minutes=10)
"""A run that began and has not claimed its window for so long has died. Its window is booked
again; should it live after all, whoever claims first has the window."""

PAGE = 200

UNREAD = "?"
"""Stands for the inventory of a run whose parameters are of another version."""


class Desk:
    """The flow runs of one inventory's windows."""

    def __init__(
        self, client: SyncPrefectClient, store: Store, deployment: str, inventory: str
    ) -> None:
        """Find the deployment.

        Raises:
            ConfigurationError: there is no such deployment.
        """
        self._client, self._store, self._inventory = client, store, inventory
        try:
            self._deployment = client.read_deployment_by_name(deployment).id
        except ObjectNotFound:
            raise ConfigurationError.of(
                f"there is no deployment {deployment!r}; make deploy registers it",
                field="deployment",
            ) from None
        self._runs: dict[str, UUID] = {}
        self._spent: Counter[str] = Counter()
        self._dead: dict[str, Died] = {}
        self.folders: set[str] = set()
        """Folders of the inventories whose windows were seen under this inventory's name."""

    @property
    def _tag(self) -> str:
        return f"windows:{self._inventory}"

    @property
    def died(self) -> tuple[Died, ...]:
        """The windows whose runs have all died before they claimed them."""
        return tuple(self._dead.values())

    def look(
        self,
        wanted: Mapping[str, Booking],
        now: datetime,
        ended: Iterable[str] = (),
        since: datetime | None = None,
    ) -> dict[str, Booked]:
        """Return what is booked, or was claimed, by the keys of windows.

        Args:
            wanted: the windows that have not ended.
            now: the controller's clock.
            ended: keys of windows that have ended since then.
            since: up to when it was looked before; now, where that is left out.
        """
        for kept in (self._runs, self._spent, self._dead, self.folders):
            kept.clear()
        runs = [(run, p, p.window) for run, p in self._read_all(since or now) if p.window]
        claimed = self._claimed({*wanted, *ended, *(window.key for _, _, window in runs)})
        booked: dict[str, Booked] = {}
        for run, parameters, window in runs:
            key, asks = window.key, fingerprint(parameters)
            anew = key in wanted and wanted[key].asks != asks
            if key not in claimed and _spent(run, parameters, now, anew=anew):
                self._note_spent(run, window, counts=not anew)
                continue
            self._runs[key] = run.id
            begun = run.state_type != StateType.SCHEDULED
            booked[key] = Booked(key, window.start, window.end, begun, asks)
        booked |= claimed
        self._dead = {key: each for key, each in self._dead.items() if key not in booked}
        return booked

    def _note_spent(self, run: FlowRun, window: WindowParameters, *, counts: bool) -> None:
        """Count a run that has claimed nothing and will not do so any more."""
        self._spent[window.key] += 1
        state = run.state
        if counts and state and state.name not in {*WITHDRAWN, GIVEN_UP, GONE}:
            before = self._dead.get(window.key)
            self._dead[window.key] = Died(window.key, window.end, before.times + 1 if before else 1)
            self._runs.setdefault(window.key, run.id)

    def _claimed(self, wanted: set[str]) -> dict[str, Booked]:
        """Return the windows that a run has claimed: whatever Prefect has forgotten of them."""
        keys = {key: bare_key(key) for key in wanted}
        claims = self._store.window_claims(self._inventory, set(keys.values()))
        taken = {claim.key: claim for claim in claims}
        found: dict[str, Booked] = {}
        for key, bare in keys.items():
            if claim := taken.get(bare):
                found[key] = Booked(key, claim.opens_at, claim.closes_at, begun=True)
        runs = (self._store.run(run_id) for run_id in {claim.run_id for claim in taken.values()})
        self.folders |= {str(run.parameters.get("folder", "")) for run in runs if run} - {""}
        return found

    def _read_all(self, since: datetime) -> Iterator[tuple[FlowRun, PatchParameters]]:
        """Return the flow runs whose windows this version can read, with what they are to do."""
        for run in self._read(since):
            if parameters := _parameters(run):
                if parameters.inventory != UNREAD and run.state_type == StateType.SCHEDULED:
                    self.folders.add(parameters.inventory)
                yield run, parameters

    def _read(self, since: datetime) -> Iterator[FlowRun]:
        """Return the flow runs of windows that may not have been over then, oldest first."""
        offset = 0
        while True:
            page = self._client.read_flow_runs(
                deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[self._deployment])),
                flow_run_filter=FlowRunFilter(
                    tags=FlowRunFilterTags(all_=[self._tag]),
                    expected_start_time=FlowRunFilterExpectedStartTime(after_=since - BACK),
                ),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
                limit=PAGE,
                offset=offset,
            )
            yield from page
            if len(page) < PAGE:
                return
            offset += PAGE

    def book(self, booking: Booking) -> None:
        """Book a run for its window, at its exact time. Booking the same again changes nothing."""
        window = booking.window
        number = self._spent[window.key]
        once = f"{self._inventory}/{ticket(window.key, window.start)}/{booking.asks}/{number}"
        self._client.create_flow_run_from_deployment(
            self._deployment,
            parameters={"parameters": booking.parameters.model_dump(mode="json")},
            state=Scheduled(scheduled_time=booking.begins),
            name=f"{window.key}",
            tags=["patchyard", "window", self._tag],
            idempotency_key=once,
        )

    def give_up(self, key: str, why: str) -> None:
        """Leave the run of a window that has died as one that nothing follows."""
        state: State[None] = Failed(name=GIVEN_UP, message=why)
        self._client.set_flow_run_state(self._runs[key], state, force=True)

    def withdraw(self, key: str, name: str, why: str) -> None:
        """Cancel a run that has not begun; it stays in sight, with the reason."""
        self._spent[key] += 1
        self._client.set_flow_run_state(self._runs[key], Cancelled(name=name, message=why))


def _parameters(run: FlowRun) -> PatchParameters | None:
    """Return what a run is started with; what this version cannot read is not to begin."""
    given = run.parameters.get("parameters")
    try:
        return PatchParameters.model_validate(given)
    except ValidationError:
        return _window_only(given)


def _window_only(given: object) -> PatchParameters | None:
    """Return the window of a run whose other parameters are of another version."""
    if not isinstance(given, dict):
        return None
    try:
        window = WindowParameters.model_validate(given.get("window"))
    except ValidationError:
        return None
    return PatchParameters(inventory=UNREAD, window=window)


def _spent(run: FlowRun, parameters: PatchParameters, now: datetime, *, anew: bool) -> bool:
    """Say whether a run that has claimed nothing will not do so any more.

    One that a person cancelled, or that came to an end by itself, is not spent: it is answered for.
    A dry run at work is not silent: it claims nothing. What was given up is tried again only
    where something else is to be done now (`anew`).
    """
    state = run.state
    if state is None or state.is_scheduled():
        return False
    if state.is_cancelled() or state.is_cancelling():
        return state.name in WITHDRAWN
    if state.is_completed():
        return state.name == GONE
    if state.name == GIVEN_UP:
        return anew
    if state.is_crashed():
        return True
    return state.timestamp + SILENT < now and not (parameters.dry_run and state.is_running())
