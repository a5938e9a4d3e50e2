"""A report as text: Markdown, JSON, CSV, and the table of a terminal."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from patchyard.domain.outcome import Status
from patchyard.domain.report import RunReport
from patchyard.domain.verdict import verdict
from patchyard.reporting import (
    CSV_COLUMNS,
    SCHEMA_VERSION,
    render_csv,
    render_json,
    render_markdown,
    render_table,
)
from patchyard.testing.reports import (
    START,
    every_status_report,
    large_report,
    sample_machine,
    sample_report,
)
from patchyard.untrusted import columns, visible
from tests.test_reporting import HIDDEN, HOSTILE, hostile_report


def parsed(text: str) -> list[Token]:
    """Read Markdown as a strict reader with tables does."""
    return MarkdownIt("commonmark").enable("table").parse(text)


def shape(text: str) -> list[str]:
    """Return the kinds of block and inline markup in a Markdown text."""
    kinds = []
    for token in parsed(text):
        kinds += [token.type, *(child.type for child in token.children or () if child.tag)]
    return kinds


class TestMarkdown:
    def test_the_verdict_comes_first(self) -> None:
        report = sample_report()
        first = parsed(render_markdown(report))[1]
        assert "".join(child.content for child in first.children or ()) == verdict(report)

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_adds_no_markup(self, text: str) -> None:
        rendered = render_markdown(hostile_report(text))
        assert shape(rendered) == shape(render_markdown(hostile_report("harmless")))
        assert not HIDDEN.search(rendered)

    @settings(max_examples=60, deadline=None)
    @given(st.text(alphabet="ab1 -+=#|*_`[](){}<>!\\.:\n~&", min_size=1, max_size=12))
    def test_no_text_of_markup_characters_adds_markup(self, text: str) -> None:
        if not text.strip():
            return
        plain = shape(render_markdown(hostile_report("harmless")))
        assert shape(render_markdown(hostile_report(text))) == plain

    @pytest.mark.parametrize("text", HOSTILE)
    def test_a_cell_shows_the_text_that_came(self, text: str) -> None:
        whole = " ".join(visible(text, limit=300).split())
        assert self.reason_cell(hostile_report(text)) == whole

    @settings(max_examples=60, deadline=None)
    @given(st.text(alphabet="ab1 -+=#|*_`[](){}<>!\\.:~&;", min_size=1, max_size=12))
    def test_a_cell_shows_any_markup_characters(self, text: str) -> None:
        if text.strip():
            assert self.reason_cell(hostile_report(text)) == " ".join(text.split())

    def reason_cell(self, report: RunReport) -> str:
        """Return what a reader sees in the last cell of the machines' table."""
        tokens = parsed(render_markdown(report))
        last = max(place for place, token in enumerate(tokens) if token.type == "td_open")
        return "".join(child.content for child in tokens[last + 1].children or ())

    def test_every_machine_has_a_row(self) -> None:
        text = render_markdown(sample_report())
        for machine in sample_report().machines:
            assert re.search(rf"^\| {machine.name} \|", text, re.MULTILINE)

    def test_only_machines_that_need_attention_have_a_section(self) -> None:
        headings = re.findall(r"^### (\S+):", render_markdown(sample_report()), re.MULTILINE)
        assert headings == [machine.name for machine in sample_report().attention]

    @pytest.mark.parametrize("troubled_every", [1, 50])
    def test_ten_thousand_machines_stay_small(self, troubled_every: int) -> None:
        text = render_markdown(large_report(10_000, troubled_every=troubled_every))
        assert len(text.encode()) < 100_000
        assert "and 9800 more: see the report file" in text

    def test_machines_that_need_attention_are_never_cut_for_healthy_ones(self) -> None:
        report = large_report(10_000)
        row = f"| {report.attention[-1].name} |"
        assert row in render_markdown(report)


class TestJson:
    def test_it_is_the_whole_report_with_a_version(self) -> None:
        report = sample_report()
        content = json.loads(render_json(report))
        assert content.pop("schema_version") == SCHEMA_VERSION
        assert RunReport.model_validate(content) == report

    @pytest.mark.parametrize("text", HOSTILE)
    def test_machine_text_is_unchanged_and_harmless_in_a_terminal(self, text: str) -> None:
        rendered = render_json(hostile_report(text))
        assert rendered.isascii()
        assert "\x1b" not in rendered
        assert json.loads(rendered)["machines"][0]["findings"] == [text]


class TestCsv:
    def rows(self, report: RunReport) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(render_csv(report))))

    def test_one_row_per_machine_and_update(self) -> None:
        rows = self.rows(sample_report())
        assert len(rows) == sum(len(machine.updates) for machine in sample_report().machines)
        assert list(rows[0]) == list(CSV_COLUMNS)
        assert None not in rows[0].values()

    def test_a_machine_without_updates_has_one_row(self) -> None:
        bare = sample_machine("bare", Status.SUCCEEDED).model_copy(update={"updates": ()})
        (row,) = self.rows(sample_report().model_copy(update={"machines": (bare,)}))
        assert (row["machine"], row["update"], row["status"]) == ("bare", "", "Succeeded")

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t=", "\r=", "\uff1d"])
    def test_no_cell_is_a_formula(self, start: str) -> None:
        (row,) = self.rows(hostile_report(f"{start}cmd"))
        for name, cell in row.items():
            assert cell.lstrip()[:1] not in set("=+-@\uff1d"), name

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_stays_in_its_cell(self, text: str) -> None:
        rendered = render_csv(hostile_report(text))
        assert len(rendered.splitlines()) == 2
        assert not HIDDEN.search(rendered)


class TestTable:
    @pytest.mark.parametrize("width", [60, 80, 100])
    @pytest.mark.parametrize("report", [sample_report(), every_status_report()])
    def test_no_line_is_wider_than_asked(self, report: RunReport, width: int) -> None:
        assert max(map(columns, render_table(report, width=width).splitlines())) <= width

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_neither_acts_nor_breaks_a_line(self, text: str) -> None:
        table = render_table(hostile_report(text))
        assert max(map(columns, table.splitlines())) <= 100
        assert not HIDDEN.search(table)

    def test_it_ends_with_the_verdict(self) -> None:
        report = sample_report()
        last = render_table(report).rstrip("\n").split("\n\n")[-1]
        assert last.replace("\n", " ") == verdict(report)

    def test_every_machine_has_a_row_and_columns_are_aligned(self) -> None:
        lines = render_table(sample_report()).splitlines()
        place = lines[0].index("status")
        rows = {line.split()[0]: line for line in lines if line[:1].isalpha()}
        for machine in sample_report().machines:
            assert rows[machine.name][place:].startswith(machine.status)

    def test_the_reason_stands_under_a_machine_that_needs_a_look(self) -> None:
        report = RunReport(
            run_id="r",
            kind="patch",
            inventory="i",
            scope="",
            status=Status.FAILED,
            started_at=START,
            machines=(
                sample_machine("web-01", Status.SUCCEEDED, wave=1, path="reboot"),
                sample_machine("web-02", Status.ROLLED_BACK, wave=2, path="none"),
            ),
        )
        assert render_table(report) == (
            "machine  wave  status       updates  path    reboot     undo\n"
            f"{'─' * 88}\n"
            "web-01      1  Succeeded      20/20  reboot  Completed  possible\n"
            "web-02      2  rolled_back     0/20  none    NotNeeded  "
            "done: 20 of 20 packages are back\n"
            "    check systemd_unit legacy-app.service failed after the update; "
            "failed_units regressed\n"
            "\n"
            "1 of 2 machines is patched; 1 rolled_back (web-02: systemd_unit legacy-app.service "
            "and 1 more\ncheck).\n"
        )

    def test_many_machines_are_cut_with_those_that_need_a_look_kept(self) -> None:
        report = large_report(3000)
        table = render_table(report)
        assert len(table.splitlines()) < 300
        assert all(f"\n{machine.name} " in table for machine in report.attention)
        assert re.search(r"and 2,\d{3} more machines", table)
