"""The verdict: one true sentence, whatever happened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchyard.domain.meaning import COMPLIANCES, REBOOTS, STATES, STATUSES, WHY_NOTS
from patchyard.domain.outcome import InstallationState, RebootStatus, Status
from patchyard.domain.plan import WhyNot
from patchyard.domain.report import MachineReport, RunReport
from patchyard.domain.updates import Compliance
from patchyard.domain.verdict import verdict
from patchyard.testing.reports import every_status_report, sample_machine, sample_report


def report(*machines: MachineReport, **fields: object) -> RunReport:
    """Return a run of these machines, without the halt of the sample."""
    plain = {"machines": machines, "not_reached": (), "halted_because": ""}
    return sample_report().model_copy(update=plain | fields)


def machine(status: Status = Status.SUCCEEDED, **fields: object) -> MachineReport:
    """Return a sample machine that is named after its status."""
    made = sample_machine(f"{status.lower()}-01", status)
    return made.model_copy(update=fields)


IDLE = machine(updates=(), wave=None)
LACKING = machine(
    Status.COMPLETED_WITH_WARNINGS,
    name="lacking-01",
    updates=(),
    wave=None,
    compliance_after=Compliance.MISSING,
)


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (report(), "No machine is in scope."),
        (report(machine()), "1 of 1 machine is patched."),
        (report(machine(), machine()), "2 of 2 machines are patched."),
        (report(machine(), kind="rollback"), "1 of 1 machine is back on earlier versions."),
        (report(IDLE), "Nothing to do: the machine is compliant."),
        (report(IDLE, IDLE), "Nothing to do: all 2 machines are compliant."),
        (
            report(IDLE, IDLE.model_copy(update={"status": Status.COMPLETED_WITH_WARNINGS})),
            "Nothing was installed: 2 of 2 machines are compliant, 1 with warnings (succeeded-01).",
        ),
        (
            report(IDLE, machine(updates=(), compliance_after=Compliance.UNKNOWN)),
            "Nothing was installed: 1 of 2 machines is compliant.",
        ),
        (
            report(machine(Status.NOT_STARTED), IDLE, dry_run=True),
            "Dry run, nothing was changed: 20 updates would be installed on 1 of 2 machines.",
        ),
        (
            report(IDLE, machine(Status.UNREACHABLE, updates=()), dry_run=True),
            "Dry run: nothing to install on 2 machines; 1 unreachable (unreachable-01).",
        ),
        (
            report(machine(), machine(Status.FAILED), machine(Status.UNKNOWN), kind="assess"),
            (
                "3 machines assessed: 1 compliant, 1 missing, 1 unknown; "
                "1 Unknown (unknown-01), 1 Failed (failed-01)."
            ),
        ),
        (
            report(machine(), machine(Status.COMPLETED_WITH_WARNINGS)),
            "2 of 2 machines are patched, 1 with warnings (completedwithwarnings-01).",
        ),
        (
            report(machine(), LACKING, IDLE),
            (
                "Nothing to do on 1 machine; nothing installable on 1 machine (lacking-01); "
                "1 of 3 machines is patched."
            ),
        ),
        (
            report(*[machine(Status.FAILED, name=f"n{i}") for i in range(5)]),
            "0 of 5 machines are patched; 5 Failed (n0, n1, n2 and 2 more).",
        ),
        (
            report(machine(Status.NOT_STARTED), machine(), halted_because="x", not_reached=("a",)),
            "1 of 2 machines is patched; the run was halted, 1 machine not reached.",
        ),
        (
            report(machine(Status.NOT_STARTED), machine()),
            "1 of 2 machines is patched; 1 NotStarted (notstarted-01).",
        ),
    ],
)
def test_the_sentence_says_how_it_went(run: RunReport, sentence: str) -> None:
    assert verdict(run) == sentence


def test_a_machine_that_was_undone_is_named_with_its_check() -> None:
    assert (
        "1 rolled_back (rolled_back-01: systemd_unit legacy-app.service and 1 more check)"
        in verdict(report(machine(), machine(Status.ROLLED_BACK)))
    )


@given(st.lists(st.sampled_from([*Status]), min_size=1, max_size=8))
def test_no_bad_machine_is_passed_over(statuses: list[Status]) -> None:
    sentence = verdict(report(*(machine(status) for status in statuses)))
    for status in set(statuses):
        if not status.good:
            assert f"{statuses.count(status)} {status}" in sentence
    good = sum(status.good for status in statuses)
    assert sentence.startswith(f"{good} of {len(statuses)} machine")


@given(st.lists(st.sampled_from([*Status]), max_size=8))
def test_counts_hold_every_machine(statuses: list[Status]) -> None:
    run = report(*(machine(status) for status in statuses))
    assert sum(run.counts.values()) == len(statuses)
    assert list(run.counts) == [status for status in Status if status in statuses]


def test_every_word_has_a_meaning() -> None:
    assert set(STATUSES) == set(Status)
    assert set(STATES) == set(InstallationState)
    assert set(REBOOTS) == set(RebootStatus)
    assert set(COMPLIANCES) == set(Compliance)
    assert set(WHY_NOTS) == set(WhyNot)


def test_only_success_and_what_never_began_or_is_off_by_design_need_no_look() -> None:
    quiet = {Status.SUCCEEDED, Status.NOT_STARTED, Status.SKIPPED}
    seen = {machine.status for machine in every_status_report().attention}
    assert seen == set(Status) - quiet


@pytest.mark.parametrize(
    "fields",
    [
        {"compliance_after": Compliance.UNKNOWN},
        {"reboot": RebootStatus.REQUIRED},
        {"reboot": RebootStatus.FAILED},
        {"checks": machine(Status.ROLLED_BACK).checks},
    ],
)
def test_success_with_a_doubt_needs_a_look(fields: dict[str, object]) -> None:
    assert report(machine().model_copy(update=fields)).attention


def test_the_ledger_holds_every_update_left_out_once() -> None:
    left = machine().left_out
    ledger = machine().ledger
    assert sorted(item.name for items in ledger.values() for item in items) == sorted(
        item.name for item in left
    )
    assert all(item.why == why for why, items in ledger.items() for item in items)
