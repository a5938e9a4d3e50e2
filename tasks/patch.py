"""Work on machines: patch them, take a patch back, or fetch what they need ahead of that."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from patchyard.fleet import download_on, work_on
from patchyard.runs import open_run_of


@task(
    name="patch",
    task_run_name="{verb} {label}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def work_batch(run_id: str, label: str, *, verb: str) -> None:  # noqa: ARG001 - it names the task run
    """Take machines of an open run from where their records end to their verdicts.

    Args:
        run_id: id of a run that this process has open.
        label: which of its batches; names the task run.
        verb: patch or rollback; names it too.
    """
    run = open_run_of(run_id)
    run.batches["patch", label].work(lambda name: work_on(run, name))


@task(
    name="download",
    task_run_name="download {label}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def download_batch(run_id: str, label: str) -> None:
    """Fetch what the plan has for machines of an open run, and install nothing.

    Args:
        run_id: id of a run that this process has open.
        label: which of its batches; names the task run.
    """
    run = open_run_of(run_id)
    run.batches["download", label].work(lambda name: download_on(run, name))
