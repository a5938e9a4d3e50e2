"""Transactions: what Windows Update, DISM and wusa say, judged update by update.

The result of a whole batch tells nothing: each update has its own (windows.md 1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from patchyard.domain.downloading import NOTHING, told_of
from patchyard.domain.transaction import InstallProblem as Problem
from patchyard.domain.transaction import Transaction
from patchyard.errors import MalformedOutput
from patchyard.managers.windows_update.codes import Code, Retry, explain, in_words
from patchyard.managers.windows_update.facts import Facts, as_list, facts_of, number, word
from patchyard.managers.windows_update.wording import code_in, shortened
from patchyard.transcript import Section, Transcript

SUCCEEDED = frozenset({2, 3})
"""OperationResultCode of what succeeded, with errors or without."""

SHOWN = 3
"""Failures told in one detail before it only counts them."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What did not come about, of which update, and why."""

    name: str
    problem: Problem
    text: str


def parse_transaction(transcript: Transcript) -> Transaction:
    """Read the answers of the scripts `install`, `repair`, `undo` and `download`.

    Raises:
        ScriptFailed: an act failed and said nothing.
        MalformedOutput: the output has no end of what was begun.
    """
    for name, judged in _ACTS.items():
        section = transcript.get(name)
        if section is not None and section.status != 0:
            return _refused(section)
        if section is not None:
            facts = facts_of(section)
            return _told(judged(facts), good=_there(facts) if name == "download" else "")
    seen = ", ".join(transcript.sections) or "nothing"
    raise MalformedOutput(f"the transaction has no end in the output (seen: {seen})")


def _refused(section: Section) -> Transaction:
    """An act that failed as a whole says why by its code."""
    code = code_in(section.stderr)
    if code is None and not section.stderr:
        section.require()
    said = in_words(code, section.stderr) if code is not None else section.stderr
    return Transaction(
        exit_status=section.status,
        problem=explain(code).problem if code is not None else Problem.OTHER,
        detail=shortened(f"{section.name}: {said}"),
    )


def _told(failures: Iterable[_Failure], *, good: str = "") -> Transaction:
    """Make one transaction of all that failed; the first kind of failure names it."""
    found = list(failures)
    if not found:
        return Transaction(exit_status=0, detail=good)
    # A cancel is no failure of an update, but decides that nothing further is begun.
    cancelled = any(failure.problem == Problem.CANCELLED for failure in found)
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    more += f"; there: {good}" if good not in {"", NOTHING} else ""
    told = "; ".join(f"{f.name}: {f.text}" if f.name else f.text for f in found[:SHOWN])
    return Transaction(
        exit_status=1,
        problem=Problem.CANCELLED if cancelled else found[0].problem,
        detail=shortened(told + more),
        culprits=tuple(dict.fromkeys(f.name for f in found if f.name)),
    )


def _rows(facts: Facts, name: str) -> list[Facts]:
    return [row for row in as_list(facts.get(name)) if isinstance(row, dict)]


def _installed(facts: Facts) -> Iterator[_Failure]:
    return _of_updates(facts, _not_installed)


def _downloaded(facts: Facts) -> Iterator[_Failure]:
    return _of_updates(facts, _not_there)


def _of_updates(facts: Facts, lacking: Callable[[Facts], str]) -> Iterator[_Failure]:
    """Tell what failed. `lacking` says what is missing of one that nothing went wrong with."""
    if facts.get("busy"):
        yield _Failure("", Problem.LOCKED, "another installation is at work, and did not end")
        return
    rows = _rows(facts, "updates")
    # What was only put off is told after what failed: the failure is the reason.
    found = [failure for row in rows for failure in _of_update(row, lacking)]
    yield from sorted(found, key=lambda failure: failure.text in _PUT_OFF.values())


def _not_installed(row: Facts) -> str:
    told = isinstance(row.get("install"), dict)
    return "" if told else "nothing is told of its installation"


def _not_there(row: Facts) -> str:
    return "" if row.get("there") is True else "not there after the download"


def _there(facts: Facts) -> str:
    """Tell the updates that are downloaded. An update's size is the most it may have to fetch."""
    rows = [row for row in _rows(facts, "updates") if row.get("there") is True]
    new = [row for row in rows if row.get("before") is not True]
    size = sum(number(row.get("bytes")) or 0 for row in new)
    return told_of(len(rows), size, len(rows) - len(new), most="at most ")


_PUT_OFF: Mapping[str, str] = {
    "download": "not begun, for not all could be downloaded",
    "reboot": "waits for a reboot",
    "cancelled": "not begun, for the run was cancelled",
}
"""Why the script did not begin with an update."""

_SKIPPED: Mapping[str, Problem] = {
    "download": Problem.FETCH_FAILED,
    "cancelled": Problem.CANCELLED,
}


def _of_update(row: Facts, lacking: Callable[[Facts], str]) -> Iterator[_Failure]:
    name, state = word(row.get("name")), word(row.get("state"))
    if state == "installed":
        return
    if state == "absent":
        yield _Failure(name, Problem.NOT_AVAILABLE, "not offered any more")
        return
    if state == "other":
        told = f"revision {row.get('offered')} is offered, {row.get('revision')} was planned"
        yield _Failure(name, Problem.NOT_AVAILABLE, told)
        return
    yield from _of_steps(row, name, lacking)


def _of_steps(row: Facts, name: str, lacking: Callable[[Facts], str]) -> Iterator[_Failure]:
    for step, fallback in (("download", Problem.FETCH_FAILED), ("install", Problem.OTHER)):
        result = row.get(step)
        if isinstance(result, dict):
            code = _code(result)
            if code is not None:
                problem = fallback if code.problem == Problem.OTHER else code.problem
                yield _Failure(name, problem, str(code))
                return
    error, skipped = row.get("error"), word(row.get("skipped"))
    if isinstance(error, dict):
        given = number(error.get("hresult")) or 0
        told = in_words(given, word(error.get("message")))
        yield _Failure(name, explain(given).problem, told)
    elif skipped:
        problem = _SKIPPED.get(skipped, Problem.OTHER)
        yield _Failure(name, problem, _PUT_OFF.get(skipped, skipped))
    elif told := lacking(row):
        yield _Failure(name, Problem.OTHER, told)


def _code(result: Facts) -> Code | None:
    """Return what a result failed with; None where it is good."""
    code = explain(number(result.get("hresult")) or 0)
    if number(result.get("code")) in SUCCEEDED or (code.number and code.good):
        return None
    return code if code.number else Code(0, "failed without a code", "", Retry.LATER)


def _repaired(facts: Facts) -> Iterator[_Failure]:
    health = word(facts.get("health"))
    if health.lower() != "healthy":
        told = f"the component store is {health or 'of unknown health'} after RestoreHealth"
        yield _Failure("", Problem.BROKEN_DATABASE, told)


def _undone(facts: Facts) -> Iterator[_Failure]:
    pending = [word(reason) for reason in as_list(facts.get("pending"))]
    if pending:
        told = f"a reboot is pending ({', '.join(pending)}), so nothing was taken back"
        yield _Failure("", Problem.LOCKED, told)
        return
    for row in _rows(facts, "updates"):
        name = word(row.get("key")).partition(":")[0]
        why = word(row.get("problem"))
        if why:
            yield _Failure(name, Problem.OTHER, why)
        for act in _rows(row, "acts"):
            code = explain(number(act.get("code")) or 0)
            if not code.good:
                told = f"{code} {word(act.get('what'))}".strip()
                yield _Failure(name, code.problem, told)


_ACTS: Mapping[str, Callable[[Facts], Iterator[_Failure]]] = {
    "install": _installed,
    "repair": _repaired,
    "undo": _undone,
    "download": _downloaded,
}
"""The sections that act, one of which ends a transaction."""
