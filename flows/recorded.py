"""Flows as Patchyard has them: one parameters model in, one report out, always recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_type_hints
from uuid import UUID

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import BaseModel

from flows.server import recording_server
from patchyard.domain.admission import EXCEEDED
from patchyard.domain.emergency import NOT_BYPASSED
from patchyard.domain.outcome import Status
from patchyard.domain.report import RunReport
from patchyard.domain.verdict import verdict
from patchyard.errors import PatchyardError

P = TypeVar("P", bound=BaseModel)

GOOD = frozenset({Status.SUCCEEDED, Status.COMPLETED_WITH_WARNINGS})


class RunFailed(PatchyardError):
    """What a state `Failed` holds: Prefect wants an error there. It reads as the run's verdict."""

    def __init__(self, report: RunReport) -> None:
        super().__init__(verdict(report))
        self.report = report


class RecordedFlow(Flow[Any, Any], Generic[P]):
    """A flow that takes one parameters model and answers with a report.

    From Python its fields may be given as keywords: `patch(inventory="inventories/yard")`.
    The answer is the report whatever the verdict; the verdict is `report.status`.
    """

    def __call__(self, *args: Any, **fields: Any) -> Any:
        """Run the flow and return its `RunReport`.

        Args:
            *args: the parameters model, where its fields are not given as keywords.
            **fields: fields of the parameters model; or `parameters`, the model itself.

        Raises:
            pydantic.ValidationError: a field is unknown, missing or out of bounds.
            PatchyardError: what an operator wrote cannot be used, or a rule forbids the run.
        """
        wants_state = bool(fields.pop("return_state", False))
        fields.pop("wait_for", None)
        whole = args[0] if args else fields.pop("parameters", None)
        given = whole if whole is not None else self._model()(**fields)
        with recording_server():
            state: Any = super().__call__(given, return_state=True)
        return state if wants_state else _report(state)

    def _model(self) -> type[P]:
        model: type[P] = get_type_hints(self.fn)["parameters"]
        return model


class ServedFlow(Flow[Any, Any]):
    """A flow over one parameters model with an answer of its own, always recorded.

    From Python its fields may be given as keywords, as with a `RecordedFlow`.
    """

    def __call__(self, *args: Any, **fields: Any) -> Any:
        """Run the flow where a server records it, and return its answer."""
        whole = args[0] if args else fields.pop("parameters", None)
        model: type[BaseModel] = get_type_hints(self.fn)["parameters"]
        with recording_server():
            return super().__call__(whole if whole is not None else model(**fields))


def recorded_flow(
    name: str, run_name: str | Callable[[], str], **options: Any
) -> Callable[..., RecordedFlow[Any]]:
    """Make a function over one parameters model a recorded flow."""

    def made(function: Callable[[Any], State[RunReport]]) -> RecordedFlow[Any]:
        return RecordedFlow(
            function, name=name, flow_run_name=run_name, persist_result=False, **options
        )

    return made


def state_of(report: RunReport) -> State[RunReport]:
    """Return the named Prefect state that tells the verdict of a run."""
    if report.status == Status.SUCCEEDED:
        return Completed(message=verdict(report), data=report)
    if report.status in GOOD:
        return Completed(name=str(report.status), message=verdict(report), data=report)
    return Failed(message=verdict(report), data=RunFailed(report))


def closed_state(report: RunReport, word: str) -> State[RunReport]:
    """Return the state of a run that was not let into its window, named after why.

    Where another run has the window, or it was closed by a person, all is well; where it was
    missed, or an emergency was refused, a person must know.
    """
    if word in {EXCEEDED, NOT_BYPASSED}:
        return Failed(name=word, message=verdict(report), data=RunFailed(report))
    return Completed(name=word, message=verdict(report), data=report)


def flow_run_id() -> str:
    """Return the id of the flow run around us; empty where there is none."""
    return str(flow_run.id or "")


def cancel_asked() -> bool:
    """Say whether somebody cancelled the flow run around us, which its process learns as a signal.

    The same signal ends a process for other reasons. Where the server does not answer it is no
    cancel: the run is then taken up again.
    """
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(flow_run_id())).state
    except (httpx.HTTPError, PrefectException, ValueError):
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def _report(state: State[Any]) -> RunReport:
    """Return the report a final state carries, or raise what ended the run without one."""
    found = state.result(raise_on_failure=False)
    if isinstance(found, RunFailed):
        return found.report
    if isinstance(found, RunReport):
        return found
    if isinstance(found, BaseException):
        raise found
    raise RuntimeError(f"the run ended {state.type or StateType.FAILED} without a report")
