"""Work on machines: patch them, or take a patch back."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from patchyard.fleet import work_on
from patchyard.runs import open_run_of
from tasks.batches import each


@task(
    name="patch",
    task_run_name="{verb} {label}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def work_batch(run_id: str, verb: str, label: str, machines: list[str]) -> None:  # noqa: ARG001 - they name the task run
    """Take machines of an open run from where their records end to their verdicts.

    Args:
        run_id: id of a run that this process has open.
        verb: patch or rollback; names the task run.
        label: what the task run holds; names it too.
        machines: names of the machines.
    """
    run = open_run_of(run_id)
    each(machines, lambda name: work_on(run, name), threads=len(machines))
