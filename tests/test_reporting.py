"""The renderings of a report: complete, safe with hostile text, bounded in size."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchyard.domain.health import Difference, Outcome
from patchyard.domain.outcome import InstallationState, Status
from patchyard.domain.plan import LeftOut, WhyNot
from patchyard.domain.report import MachineReport, RunReport, StepReport, UpdateReport
from patchyard.domain.updates import Classification
from patchyard.domain.verdict import verdict
from patchyard.reporting import (
    SECTIONS,
    render_csv,
    render_html,
    render_json,
    render_markdown,
    render_table,
    write_report,
)
from patchyard.templates import ROOT
from patchyard.testing.reports import (
    START,
    every_status_report,
    large_report,
    sample_machine,
    sample_report,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    '" onmouseover="alert(3)',
    "</style></title><script>alert(4)</script>",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x00\x08",
    "\u202egnp.exe \u2066\u200b\ufeff",
    "a | b `c` [x](javascript:alert(5)) ![i](http://[::1]/i) **b** &lt;",
    "- item\n# heading\n\n| t |\n|---|",
    "=HYPERLINK(1)",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 5000,
    "\u65e5\u672c\u8a9e",
)

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def hostile_report(text: str) -> RunReport:
    """Return a report in which every free text is the given one."""
    update = UpdateReport(
        name=text,
        architecture=text,
        before=text,
        planned=f"{text}2",
        after=text,
        classification=Classification.SECURITY,
        severity=text,
        state=InstallationState.FAILED,
        detail=text,
        title=text,
    )
    left_out = LeftOut(
        name=text,
        architecture=text,
        installed=text,
        candidate=text,
        classification=Classification.OTHER,
        why=WhyNot.HELD,
        detail=text,
    )
    check = Difference(check=text, before=Outcome.PASSED, after=Outcome.FAILED, detail=text)
    words = dict.fromkeys(("address", "platform", "os", "reason", "path", "path_reason"), text)
    machine = MachineReport(
        name=text,
        status=Status.ROLLED_BACK,
        undo=text,
        updates=(update,),
        left_out=(left_out,),
        checks=(check,),
        steps=(StepReport(key=text, title=text, started_at=START, result=text),),
        findings=(text,),
        **words,
    )
    run = ("run_id", "kind", "inventory", "scope", "summary", "plan_hash", "halted_because")
    return RunReport(
        status=Status.FAILED,
        started_at=START,
        not_reached=(text,),
        drift=(text,),
        machines=(machine,),
        **dict.fromkeys(run, text),
    )


class Page(HTMLParser):
    """Reads an HTML page into its elements, its text, and the ends that do not match."""

    VOID = frozenset({"meta", "input", "br", "link", "img", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of that name."""
        return [attrs for name, attrs in self.elements if name == tag]

    def ids(self) -> list[str]:
        """Return every id on the page."""
        return [attrs["id"] or "" for _, attrs in self.elements if "id" in attrs]


class TestHtml:
    def test_it_needs_nothing_from_outside(self) -> None:
        text = render_html(sample_report())
        assert not re.search(r"\b(src|srcset|action)=|@import|url\(|https?:|<link", text)
        assert "default-src 'none'" in text

    def test_an_update_with_a_title_is_told_by_it_and_its_versions_are_revisions(self) -> None:
        update = UpdateReport(
            name="KB5120229", architecture="2e0b7a5c", before="", planned="200", after="200",
            classification=Classification.SECURITY, state=InstallationState.INSTALLED,
            title="2026-08 Security Update",
        )  # fmt: skip
        run = sample_report()
        machine = run.machines[0].model_copy(update={"updates": (update,)})
        text = render_html(run.model_copy(update={"machines": (machine,)}))
        assert "KB5120229 <small>2026-08 Security Update</small>" in text
        assert ">revision 200</td>" in text
        assert "2e0b7a5c" not in text

    def test_the_policy_lets_only_its_own_script_run(self) -> None:
        text = render_html(sample_report())
        scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        assert len(scripts) == 1
        digest = b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in text

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_adds_no_element_and_hides_nothing(self, text: str) -> None:
        harmless = Page(render_html(hostile_report("harmless")))
        rendered = render_html(hostile_report(text))
        page = Page(rendered)
        names = [(tag, sorted(attrs)) for tag, attrs in page.elements]
        assert names == [(tag, sorted(attrs)) for tag, attrs in harmless.elements]
        assert not HIDDEN.search(rendered)

    @settings(max_examples=40, deadline=None)
    @given(st.text(min_size=1, max_size=60).filter(str.strip))
    def test_no_text_at_all_adds_an_element(self, text: str) -> None:
        expected = [tag for tag, _ in Page(render_html(hostile_report("harmless"))).elements]
        page = Page(render_html(hostile_report(text)))
        assert [tag for tag, _ in page.elements if tag != "small"] == [
            tag for tag in expected if tag != "small"
        ]
        assert not HIDDEN.search("".join(page.text))

    def test_a_long_text_is_cut_and_says_so(self) -> None:
        assert "(3,000 characters more)" in render_html(hostile_report("x" * 5000))

    def test_the_verdict_is_the_only_first_heading(self) -> None:
        report = sample_report()
        text = render_html(report)
        assert re.findall(r"<h1>(.*?)</h1>", text) == [verdict(report)]

    def test_every_table_has_a_caption_and_every_header_a_scope(self) -> None:
        page = Page(render_html(sample_report()))
        assert len(page.all("caption")) == len(page.all("table")) > 0
        assert all("scope" in attrs for attrs in page.all("th"))

    def test_ids_are_unique_and_every_link_inside_the_page_leads_somewhere(self) -> None:
        page = Page(render_html(sample_report()))
        ids = page.ids()
        assert len(ids) == len(set(ids))
        targets = [attrs["href"] or "" for attrs in page.all("a")]
        assert len(targets) == len(sample_report().machines)
        assert {target.removeprefix("#") for target in targets} <= set(ids)

    def test_machines_that_need_attention_are_open_and_the_others_are_not(self) -> None:
        report = sample_report()
        sections = Page(render_html(report)).all("details")
        assert len(sections) == len(report.machines)
        assert sum("open" in attrs for attrs in sections) == len(report.attention) == 4

    def test_without_scripts_the_filter_is_not_there(self) -> None:
        (form,) = Page(render_html(sample_report())).all("form")
        assert "hidden" in form

    def test_every_status_is_shown_as_it_is_and_explained(self) -> None:
        text = render_html(every_status_report())
        rows = re.findall(r'<tr role="row" data-s="([^"]*)"', text)
        assert rows == [str(status) for status in Status]
        legend = text[text.index('id="words"') :]
        assert all(f">{status}</span></dt>" in legend for status in Status)

    def test_the_path_the_ledger_the_checks_and_the_steps_are_there(self) -> None:
        text = render_html(sample_report())
        for words in (
            "3 services run code that was replaced: cron, nginx, ssh",
            "systemd_unit legacy-app.service",
            "regressed",
            "was not good before",
            "An exclude mask names it.",
            "apt-mark hold",
            "done: 20 of 20 packages are back",
            "1 min 36 s",
            "planned 3.0.16-1~deb12u1",
            "unattended-upgrades is active",
        ):
            assert words in text, words

    def test_a_dry_run_says_so(self) -> None:
        assert "Dry run." not in render_html(sample_report())
        assert "Dry run." in render_html(sample_report().model_copy(update={"dry_run": True}))

    def test_a_halt_and_what_was_not_reached_are_named(self) -> None:
        text = render_html(sample_report())
        assert "the failure budget of 2 machines is used up" in text
        assert re.search(r'id="not-reached">.*?<li>cache-01</li>', text, re.DOTALL)

    def test_a_run_without_machines_renders(self) -> None:
        report = sample_report().model_copy(update={"machines": (), "not_reached": ()})
        assert "No machine is in scope." in render_html(report)
        assert "No machine is in scope." in render_markdown(report)
        assert "No machine is in scope." in render_table(report)

    def test_above_the_limit_quiet_machines_keep_their_row(self) -> None:
        report = large_report(SECTIONS + 1)
        page = Page(render_html(report))
        assert len(page.all("details")) == len(report.attention)
        assert len(page.all("tr")) > SECTIONS


class TestColours:
    """The contrast of text on its ground, by the formula of WCAG 2."""

    PAIRS = (
        *(("text", "page"), ("muted", "page"), ("accent", "page"), ("text", "raised")),
        *((tone, f"{tone}-back") for tone in ("good", "warn", "bad", "idle")),
        *((tone, "page") for tone in ("good", "warn", "bad", "idle")),
    )

    @pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
    def test_text_can_be_read(self, scheme: int) -> None:
        css = (ROOT / "report" / "report.css.j2").read_text()
        blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[scheme]))
        for text, ground in self.PAIRS:
            assert self.contrast(colours[text], colours[ground]) >= 4.5, (text, ground)

    def contrast(self, one: str, other: str) -> float:
        dark, light = sorted((self.luminance(one), self.luminance(other)))
        return (light + 0.05) / (dark + 0.05)

    def luminance(self, colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class TestFiles:
    def test_every_form_is_written_and_named(self, tmp_path: Path) -> None:
        files = write_report(sample_report(), tmp_path / "runs" / "one")
        assert list(files) == ["html", "markdown", "json", "csv"]
        assert sorted(p.name for p in (tmp_path / "runs" / "one").iterdir()) == [
            *("report.csv", "report.html", "report.json", "report.md")
        ]
        assert 'href="report.csv"' in files["html"].read_text(encoding="utf-8")
        assert files["json"].read_text(encoding="utf-8") == render_json(sample_report())

    def test_a_report_is_replaced_whole(self, tmp_path: Path) -> None:
        write_report(large_report(20), tmp_path)
        files = write_report(sample_report(), tmp_path)
        assert files["csv"].read_text(encoding="utf-8") == render_csv(sample_report())


def test_the_severity_that_its_maker_gave_stands_beside_the_class_of_an_update() -> None:
    machine = sample_machine("win-1", Status.SUCCEEDED)
    first = machine.updates[0].model_copy(update={"severity": "Important"})
    report = sample_report().model_copy(
        update={"machines": (machine.model_copy(update={"updates": (first,)}),)}
    )
    assert f"{first.classification}<small>Important</small>" in render_html(report)
    (row,) = csv.DictReader(io.StringIO(render_csv(report)))
    assert row["severity"] == "Important"
    assert "Important" in render_json(report)
