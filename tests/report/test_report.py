from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from jinja2 import UndefinedError

from nnsim.core.errors import StoreError
from nnsim.report import document as doc
from nnsim.report import figures, html
from nnsim.report.claims import (
    CLAIM_COLUMNS,
    VERDICT_SYMBOLS,
    VERDICTS,
    Claim,
    claims_frame,
    summary_columns,
    verdict_counts,
    verdict_sentence,
)
from nnsim.report.html import to_html
from nnsim.report.render import SUMMARY_ROWS, frame_csv, report_document, write_report
from nnsim.report.render import find as find_results
from nnsim.report.text_review import Answer, Ledger, Sentence, ledger_frame
from nnsim.study.declaration import PRESETS, Axis, Column, Study, Table

HOSTILE = "<script>alert('x')</script>\"&--><img src=http://evil.example/x.png onerror=alert(1)>"
VOID = {"br", "img", "meta"}


class Page(HTMLParser):
    """Reads a page, checks that tags are balanced, and remembers every tag, attribute and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def a_claim(name: str = "A4", verdict: str = "holds", kind: str = "claim", **values: float | str) -> Claim:
    numbers = {"prediction": 1.0, "margin": 0.1, "estimate": 1.02, "low": 0.97, "high": 1.07, "n": 20}
    return Claim(name, kind, "He keeps the variance.", "He 2015", "relu", verdict=verdict, **(numbers | values))  # type: ignore[arg-type]


def a_figure() -> figures.FigureSpec:
    with figures.style():
        figure, panels = figures.panel_grid(width=figures.COLUMN_WIDTH)
        figures.measured(panels[0, 0], [1, 2], [0.5, 0.25])
    return figures.FigureSpec(figure, f"Caption {HOSTILE}", f"Words {HOSTILE}")


def a_study(claims: list[Claim] | None = None, **changes: object) -> Study:
    columns = (
        Column("kind", "text", "", "part of the study"),
        Column("scheme", "text", "", "initialisation scheme"),
        Column("accuracy", "float", "1", "validation accuracy"),
        Column("status", "text", "", "what became of the trial"),
        Column("reason", "text", "", "why"),
    )
    fields: dict[str, object] = {
        "name": "toy",
        "title": "A toy & its title",
        "question": "Which *scheme* keeps the variance in `trials.csv`?\n\nSecond paragraph.",
        "expect": "He does.",
        "falsify": "A drift.",
        "misreading": "That the spread is fixed.",
        "references": ("He et al. 2015",),
        "axes": (Axis("scheme", str, "initialisation scheme", dict.fromkeys(PRESETS, ("he",))),),
        "tables": (Table("trials", columns),),
        "schema_version": 1,
        "trials": lambda config: [],
        "measure": lambda trial: {},
        "cost": lambda trial: 0.0,
        "summary": lambda tables: tables["trials"].groupby("scheme", as_index=False).agg(n=("kind", "size")),
        "claims": lambda tables, config: [a_claim()] if claims is None else claims,
        "figures": lambda tables, config: {"accuracy": a_figure()},
    }
    return Study(**(fields | changes))  # type: ignore[arg-type]


def the_trials(schemes: tuple[str, ...] = ("he", HOSTILE)) -> dict[str, pd.DataFrame]:
    rows = [
        {"trial": f"{seed}", "kind": "train", "scheme": scheme, "accuracy": 0.5, "status": status, "reason": ""}
        for scheme in schemes
        for seed, status in enumerate(("done", "done", "diverged"))
    ]
    return {"trials": pd.DataFrame(rows)}


CONFIG = {"scheme": ("he", HOSTILE)}
MANIFEST = {"seed": 7, "command": "nnsim study toy --seed 7", "versions": {"numpy": "2.0", HOSTILE: HOSTILE}}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("result")
    claims = [a_claim("A4"), a_claim("A5", "fails", note=HOSTILE), a_claim("A14", kind="check")]
    files = write_report(folder, a_study(claims), the_trials(), CONFIG, MANIFEST, ("png", "svg"))
    return folder, files


@pytest.fixture(scope="module")
def page(result) -> Page:
    return Page((result[0] / "report.html").read_text(encoding="utf-8"))


def render(*blocks: doc.Block, images: dict[str, bytes] | None = None) -> str:
    return to_html(doc.Document("title", "subtitle", blocks), images or {})


def body(html: str) -> str:
    return html[html.index("<main>") :]


# claims


def test_claims_frame_keeps_order_and_columns():
    frame = claims_frame([a_claim("B"), a_claim("A")])
    assert list(frame["id"]) == ["B", "A"]
    assert list(frame.columns) == [column.name for column in CLAIM_COLUMNS]


def test_empty_claims_frame_has_the_same_types():
    pd.testing.assert_series_equal(claims_frame([]).dtypes, claims_frame([a_claim()]).dtypes)


def test_a_claim_that_is_only_stated_is_untested():
    claim = Claim("A1", "claim", "statement", "source", "arm")
    assert claim.verdict == "untested"
    assert math.isnan(claim.estimate)


@pytest.mark.parametrize("wrong", [{"verdict": "hold"}, {"kind": "theorem"}])
def test_verdict_and_kind_are_closed_sets(wrong):
    with pytest.raises(ValueError, match="allowed are"):
        a_claim(**wrong)


def test_every_verdict_has_its_own_symbol():
    assert set(VERDICT_SYMBOLS) == set(VERDICTS)
    assert len(set(VERDICT_SYMBOLS.values())) == len(VERDICTS)


def test_verdicts_are_counted():
    frame = claims_frame([a_claim(verdict=verdict) for verdict in ("holds", "fails", "holds", "untested")])
    assert verdict_counts(frame) == {"holds": 2, "fails": 1, "inconclusive": 0, "untested": 1}


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"holds": 11, "fails": 1, "inconclusive": 2}, "11 hold, 1 fails, 2 inconclusive"),
        ({"holds": 1, "fails": 2}, "1 holds, 2 fail"),
        ({"untested": 3}, "3 untested"),
        ({}, "none was made"),
    ],
)
def test_verdict_sentence(counts, sentence):
    claims = [a_claim(verdict=verdict) for verdict, count in counts.items() for _ in range(count)]
    assert verdict_sentence(claims_frame(claims)) == sentence


# dictionary of the summary


@pytest.mark.parametrize(
    ("name", "unit", "description"),
    [
        ("scheme", "", "initialisation scheme"),
        ("n", "trials", "trials behind the row"),
        ("accuracy_median", "1", "median over seeds: validation accuracy"),
        ("accuracy_n", "trials", "trials behind the row: validation accuracy"),
    ],
)
def test_summary_column_is_explained(name, unit, description):
    (column,) = summary_columns(a_study(), [name])
    assert (column.name, column.unit, column.description) == (name, unit, description)


def test_summary_column_that_nothing_explains_is_refused():
    with pytest.raises(ValueError, match="'colour'"):
        summary_columns(a_study(), ["colour"])


# document model


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("plain", (doc.Text("plain"),)),
        ("see `x.csv`", (doc.Text("see "), doc.Code("x.csv"))),
        ("*all* of it", (doc.Emphasis("all"), doc.Text(" of it"))),
        ("2 * 3", (doc.Text("2 * 3"),)),
        ("`a*b*c`", (doc.Code("a*b*c"),)),
        ("", ()),
    ],
)
def test_inline_markup(markup, expected):
    assert doc.spans(markup) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (-2.0, "−2"),
        (1.5e-7, "1.5 × 10⁻⁷"),
        (-3e12, "−3 × 10¹²"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_number_text(value, text):
    assert doc.number_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(123456), "123456"),
        (np.float64(0.5), "0.5"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (None, "–"),
        (pd.NA, "–"),
        ("he", "he"),
    ],
)
def test_cell_text(value, text):
    assert doc.cell_text(value) == text


# HTML of one block


def test_table_uses_the_formats_it_is_given():
    html = render(doc.TableBlock(pd.DataFrame({"x": [0.123456]}), "caption", {"x": ".2f"}))
    assert ">0.12<" in html


def test_empty_table_keeps_its_head():
    page = Page(render(doc.TableBlock(pd.DataFrame({"a column": []}), "caption")))
    assert "a column" in page.text


def test_formula_is_mathml_with_words():
    tree = doc.row("1", "≥", doc.subscript("c", "i"))
    html = render(doc.Formula(tree, "one is at least c_i"))
    assert "<mrow><mn>1</mn><mo>≥</mo><msub><mi>c</mi><mi>i</mi></msub></mrow>" in html
    assert 'aria-label="one is at least c_i"' in html


SENTENCE = Sentence(HOSTILE, (("init", HOSTILE),), Answer("right", HOSTILE), Answer("wrong", HOSTILE))
LEDGER = ledger_frame(
    [Ledger(HOSTILE, (SENTENCE,))], pd.DataFrame({"study": ["init"], "id": HOSTILE, "verdict": "holds"})
)
PARTS = [
    doc.Heading(HOSTILE),
    doc.Heading(HOSTILE, level=2),
    doc.Paragraph((doc.Text(HOSTILE), doc.Code(HOSTILE), doc.Emphasis(HOSTILE), doc.Link(HOSTILE, HOSTILE))),
    doc.Bullets(((doc.Text(HOSTILE),),)),
    doc.Listing(HOSTILE),
    doc.Formula(doc.row(HOSTILE), HOSTILE),
    doc.TableBlock(pd.DataFrame({HOSTILE: [HOSTILE]}), HOSTILE),
    doc.FigureBlock("f", HOSTILE, HOSTILE),
    doc.ClaimTable(claims_frame([Claim(HOSTILE, "claim", HOSTILE, HOSTILE, HOSTILE, note=HOSTILE)]), HOSTILE),
    doc.LedgerTable(LEDGER, HOSTILE),
    doc.VerdictCounts(HOSTILE, {"holds": 1}),
    doc.KeyValues(((HOSTILE, HOSTILE),)),
]
INLINE = [kind(HOSTILE) for kind in (doc.Text, doc.Code, doc.Emphasis)] + [doc.Link(HOSTILE, HOSTILE)]


def name_of(part: object) -> str:
    return type(part).__name__


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_block_shows_hostile_text_as_text(part):
    page = Page(render(part, images={"f": b"<svg/>"}))
    assert "script" not in page.tags
    assert page.values("onerror") == []
    assert HOSTILE in page.text


@pytest.mark.parametrize("span", INLINE, ids=name_of)
def test_every_inline_part_shows_hostile_text_as_text(span):
    assert HOSTILE in Page(render(doc.Paragraph((span,)))).text


def test_no_kind_of_part_is_left_out_here():
    assert {type(part) for part in PARTS} == set(get_args(doc.Block))
    assert {type(span) for span in INLINE} == set(get_args(doc.Inline))


def test_there_is_no_template_but_the_one_that_is_tested_here():
    assert [path.name for path in Path(html.__file__).with_name("templates").iterdir()] == ["report.html"]


@dataclass(frozen=True)
class Footnote:
    text: str


@pytest.mark.parametrize(
    "part", [Footnote("see below"), doc.Paragraph((Footnote("see below"),)), doc.Bullets(((Footnote("see below"),),))]
)
def test_a_part_that_the_template_does_not_know_is_an_error(part):
    with pytest.raises(TypeError, match="no template shows a Footnote"):
        render(part)


def test_a_finding_that_does_not_exist_is_an_error():
    with pytest.raises(UndefinedError):
        render(doc.LedgerTable(LEDGER.assign(finding="perhaps"), "caption"))


def test_a_ledger_says_sentence_finding_and_verdicts():
    frame = pd.DataFrame([("T", "Water is wet.", "wrong", "It is dry.", "init A1", "1 fails")], columns=list(LEDGER))
    page = body(render(doc.LedgerTable(frame, "caption")))
    assert '<span class="verdict fails">wrong</span>' in page
    assert all(text in page for text in ("Water is wet.", "It is dry.", "init A1 · 1 fails"))


def test_figure_that_nobody_drew_is_an_error():
    with pytest.raises(KeyError, match="missing"):
        render(doc.FigureBlock("missing", "caption", "alt"))


@pytest.mark.parametrize("verdict", VERDICTS)
def test_claim_table_says_its_verdict_by_word_symbol_and_class(verdict):
    html = body(render(doc.ClaimTable(claims_frame([a_claim(verdict=verdict)]), "caption")))
    assert f'class="verdict {verdict}"' in html
    assert f">{VERDICT_SYMBOLS[verdict]}</span> {verdict}<" in html


# the page


def test_page_has_no_script_and_no_handler(page):
    assert "script" not in page.tags
    assert [name for name, _ in page.attributes if name.startswith("on")] == []


def test_page_refers_to_nothing_outside(page):
    assert all(value.startswith("data:image/svg+xml;base64,") for value in page.values("src"))
    assert all(value.startswith("#section-") for value in page.values("href"))
    assert set(page.tags).isdisjoint({"link", "iframe", "object", "embed", "form", "base"})


def test_style_loads_nothing(result):
    html = (result[0] / "report.html").read_text(encoding="utf-8")
    style = html[html.index("<style>") : html.index("</style>")]
    assert re.search(r"url\(|@import|@font-face", style) is None


def test_page_forbids_what_it_does_not_need(page):
    (policy,) = [value for value in page.values("content") if "default-src" in value]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_contents_lead_to_every_section(page):
    targets = [value.removeprefix("#") for value in page.values("href")]
    assert targets == [value for value in page.values("id") if value.startswith("section-")]
    assert len(targets) == 12


def test_every_image_has_words(page):
    assert page.tags.count("img") == 2
    assert all(page.values("alt"))


def test_page_begins_with_its_doctype(result):
    assert (result[0] / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>\n")


@pytest.mark.parametrize(
    "text",
    [
        "A toy & its title",
        "6 trials · seed 7",
        "Of the claims about the world, 1 holds, 1 fails. Of the checks, 1 holds.",
        "Second paragraph.",
        "Trials by status: 4 done, 2 diverged.",
        "nnsim study toy --seed 7",
        "versions · numpy",
        "He et al. 2015",
        "validation accuracy",
        HOSTILE,
    ],
)
def test_page_tells(page, text):
    assert text in page.text


def test_joint_confidence_is_one_minus_the_sum_of_the_rest():
    claims = [a_claim("A", confidence=0.99), a_claim("B", confidence=0.98), Claim("C", "claim", "s", "s", "s")]
    results = find_results(a_study(claims), the_trials(), CONFIG, MANIFEST)
    text = Page(to_html(report_document(results), {"claims": b"", "accuracy": b""})).text
    assert "the 2 intervals" in text
    assert "at least 0.97" in text


def test_long_summary_is_cut_and_says_so():
    long = pd.DataFrame({"n": range(SUMMARY_ROWS + 1)})
    results = find_results(a_study(summary=lambda tables: long), the_trials(), CONFIG, MANIFEST)
    captions = [block.caption for block in report_document(results).blocks if isinstance(block, doc.TableBlock)]
    assert f"The first {SUMMARY_ROWS} of {SUMMARY_ROWS + 1} rows of summary.csv." in captions


def coverage_of(*methods: str) -> list[doc.TableBlock]:
    claims = [a_claim(f"A{i}", confidence=0.975, method=method) for i, method in enumerate(methods)]
    blocks = report_document(find_results(a_study(claims), the_trials(), CONFIG, MANIFEST)).blocks
    return [block for block in blocks if isinstance(block, doc.TableBlock) and "covers the truth" in block.caption]


def test_methods_say_how_often_the_intervals_that_were_used_cover():
    (table,) = coverage_of(
        "skew-adjusted t interval of the mean, equivalence", "order statistics 2 and 9 of the median"
    )
    assert set(table.frame["interval"]) == {"skew-adjusted t interval of the mean", "order statistics of the median"}
    assert list(table.frame.columns[2:]) == ["stated 0.95", "stated 0.999"]
    median = table.frame[table.frame["interval"].str.contains("median")]
    assert median["stated 0.95"].str.fullmatch(r"n = 6: 9[67]\.\d+%; n = 10: 9\d\.\d+%; n = 20: 9\d\.\d+%").all()
    assert median["stated 0.999"].str.startswith("n = 6: too few; n = 10: too few; n = 20: ").all()


def test_methods_have_no_coverage_of_what_was_not_used():
    assert coverage_of("made up, equivalence") == []


# files


def test_files_are_listed_in_order(result):
    folder, files = result
    assert [file.relative_to(folder).as_posix() for file in files] == [
        "summary.csv",
        "claims.csv",
        "figures/claims.png",
        "figures/claims.svg",
        "figures/accuracy.png",
        "figures/accuracy.svg",
        "report.html",
    ]
    assert all(file.is_file() for file in files)


def test_second_report_is_the_same_bytes(result, tmp_path):
    _, files = result
    claims = [a_claim("A4"), a_claim("A5", "fails", note=HOSTILE), a_claim("A14", kind="check")]
    again = write_report(tmp_path, a_study(claims), the_trials(), CONFIG, MANIFEST, ("png", "svg"))
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]


def test_claims_csv_reads_back(result):
    frame = pd.read_csv(result[0] / "claims.csv", keep_default_na=False)
    assert list(frame["verdict"]) == ["holds", "fails", "holds"]
    assert frame["note"][1] == HOSTILE


def test_report_without_claims_figures_and_trials(tmp_path):
    study = a_study([], figures=lambda tables, config: {})
    files = write_report(tmp_path, study, {"trials": the_trials()["trials"].head(0)}, CONFIG, {}, ("png",))
    assert [file.name for file in files] == ["summary.csv", "claims.csv", "report.html"]
    assert "none was made" in files[-1].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "a b"])
def test_figure_name_that_is_no_file_name_is_refused_before_anything_is_written(tmp_path, name):
    study = a_study(figures=lambda tables, config: {name: a_figure()})
    with pytest.raises(ValueError, match="letters, digits"):
        write_report(tmp_path, study, the_trials(), CONFIG, MANIFEST, ("png",))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def full_after(monkeypatch) -> Iterator[list[int]]:
    left = [0]
    real = os.fsync

    def fsync(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return left


@pytest.mark.parametrize("files", range(5))
def test_full_disk_leaves_whole_files_only(result, tmp_path, full_after, files):
    full_after[0] = 2 * files  # each file is synced, and its folder after it
    claims = [a_claim("A4"), a_claim("A5", "fails", note=HOSTILE), a_claim("A14", kind="check")]
    with pytest.raises(StoreError, match="full"):
        write_report(tmp_path, a_study(claims), the_trials(), CONFIG, MANIFEST, ("png",))
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) == files
    for file in written:
        assert file.read_bytes() == (result[0] / file.relative_to(tmp_path)).read_bytes()


def test_csv_has_one_written_form_for_each_kind():
    frame = pd.DataFrame(
        {
            "text": ["=1+1", 'a,"b"'],
            "float": [0.1, math.nan],
            "int": [1, -2],
            "bool": [True, False],
            "missing": pd.array([1, None], dtype="Int64"),
        }
    )
    assert frame_csv(frame) == (b'text,float,int,bool,missing\n\'=1+1,0.1,1,true,1\n"a,""b""",nan,-2,false,\n')
