"""Assess machines."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from patchyard.fleet import assess_machine
from patchyard.runs import open_run_of


@task(
    name="assess",
    task_run_name="assess {label}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def assess_batch(run_id: str, label: str, *, refresh: bool) -> None:
    """Assess machines of an open run and keep what was seen. A machine's trouble is recorded.

    Args:
        run_id: id of a run that this process has open.
        label: which of its batches; names the task run.
        refresh: whether repositories are asked anew.
    """
    run = open_run_of(run_id)
    run.batches["assess", label].work(lambda name: assess_machine(run, name, refresh=refresh))
