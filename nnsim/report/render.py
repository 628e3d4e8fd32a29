"""From the tables of a finished run to what a reader opens: summary, claims, figures and the report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype

from nnsim.core.atomic_files import publish, writing
from nnsim.experiment.csv_rows import WRITERS
from nnsim.report.answer import answer
from nnsim.report.claims import (
    CLAIM_COLUMNS,
    claims_frame,
    summary_columns,
    summary_frame,
    verdict_counts,
    verdict_sentence,
)
from nnsim.report.document import (
    Block,
    Bullets,
    ClaimTable,
    Document,
    FigureBlock,
    Formula,
    Heading,
    KeyValues,
    Listing,
    Math,
    Paragraph,
    TableBlock,
    Text,
    VerdictCounts,
    number_text,
    row,
    spans,
    subscript,
)
from nnsim.report.figures import FigureSpec, encode, forest, save
from nnsim.report.html import to_html
from nnsim.report.judging import claims_of
from nnsim.report.statistics import FEWEST, coverage_table
from nnsim.study.declaration import Column, Study, Table

SUMMARY_ROWS = 200
"""Rows of the summary that the report shows; the file holds all."""

_FIGURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Findings:
    """All that a report is made of: what was asked, what was measured, and what follows from it."""

    study: Study
    tables: Mapping[str, pd.DataFrame]
    config: Mapping[str, Any]
    manifest: Mapping[str, Any]
    claims: pd.DataFrame
    summary: pd.DataFrame
    figures: Mapping[str, FigureSpec]


def write_report(
    folder: Path,
    study: Study,
    tables: Mapping[str, pd.DataFrame],
    config: Mapping[str, Any],
    manifest: Mapping[str, Any],
    figure_formats: Sequence[str] = ("png",),
) -> list[Path]:
    """Write ``summary.csv``, ``claims.csv``, ``figures/`` and ``report.html`` into `folder`, from the tables alone.

    Parameters
    ----------
    folder : Path
        The result folder; it exists.
    study : Study
    tables : mapping of str to DataFrame
        Each table as read back from its CSV file.
    config : mapping
        The resolved configuration: axis name to its values.
    manifest : mapping
        Provenance, shown as it is; ``command`` is what reproduces the run.
    figure_formats : sequence of str
        Any of `nnsim.report.figures.FORMATS`.

    Returns
    -------
    list of Path
        The files written, in order.

    Raises
    ------
    UnknownNameError
        If a figure format does not exist.
    StoreError
        If a file cannot be written; each file is whole or absent.
    ValueError
        If the study names a figure so that it cannot be a file name.
    """
    folder = Path(folder)
    findings = find(study, tables, config, manifest)
    files = [folder / "summary.csv", folder / "claims.csv"]
    publish(files[0], [frame_csv(findings.summary)])
    publish(files[1], [frame_csv(findings.claims)])
    with writing(folder / "figures"):
        (folder / "figures").mkdir(exist_ok=True)
    images = {}
    for name, spec in findings.figures.items():
        written = save(spec.figure, folder / "figures" / name, figure_formats)
        images[name] = _shown(spec, written)
        files += written
    files.append(folder / "report.html")
    publish(files[-1], [to_html(report_document(findings), images).encode(errors="backslashreplace")])
    return files


def _shown(spec: FigureSpec, written: Sequence[Path]) -> bytes:
    """Return the image that the page embeds: a file just written where there is one, sharpest first."""
    files = {file.suffix: file for file in written}
    file = files.get(".svg") or files.get(".png")
    return file.read_bytes() if file else encode(spec.figure, "svg")


def find(
    study: Study, tables: Mapping[str, pd.DataFrame], config: Mapping[str, Any], manifest: Mapping[str, Any]
) -> Findings:
    """Ask the study for its summary, claims and figures; the claims plot comes first among the figures.

    Parameters
    ----------
    study, tables, config, manifest
        As in `write_report`.

    Raises
    ------
    ValueError
        If the study names a figure so that it cannot be a file name.
    """
    tables, config = dict(tables), dict(config)
    claims = claims_frame(claims_of(study, tables, config))
    figures = {"claims": _claims_figure(claims)} if len(claims) else {}
    figures |= study.figures(tables, config)
    for name in figures:
        if not _FIGURE_NAME.fullmatch(name):
            raise ValueError(f"study '{study.name}' has a figure '{name}': use letters, digits, '-' and '_'")
    return Findings(study, tables, config, manifest, claims, summary_frame(study.summary(tables)), figures)


def frame_csv(frame: pd.DataFrame) -> bytes:
    """Return `frame` as CSV in the written form of all result files: shortest exact floats, no spreadsheet formulas."""
    columns = [_csv_cells(frame[name]) for name in frame.columns]
    header = [WRITERS["text"](str(name)) for name in frame.columns]
    return "".join(",".join(cells) + "\n" for cells in [header, *zip(*columns, strict=True)]).encode()


def _csv_cells(column: pd.Series) -> list[str]:
    kind = _kind(column)
    if kind == "float":
        return [WRITERS["float"](value) for value in column]
    return [
        "" if missing else WRITERS[kind](str(value) if kind == "text" else value)
        for value, missing in zip(column, column.isna(), strict=True)
    ]


def _kind(column: pd.Series) -> str:
    tests = {"bool": is_bool_dtype, "int": is_integer_dtype, "float": is_float_dtype}
    return next((kind for kind, test in tests.items() if test(column)), "text")


def _claims_figure(claims: pd.DataFrame) -> FigureSpec:
    caption = (
        "All claims on one scale: the prediction is 0, the margin fixed beforehand is the grey band. A claim holds if "
        "its whole interval lies in the band and fails if it lies outside. Arrows are further away than three margins."
    )
    lines = (f"{claim.id} {claim.verdict}" for claim in claims.itertuples())
    return FigureSpec(forest(claims), caption, f"Claims and their verdicts: {', '.join(lines)}.")


def report_document(findings: Findings) -> Document:
    """Return the report as a document."""
    study = findings.study
    trials = number_text(len(findings.tables["trials"]), "d")
    subtitle = f"nnsim study {study.name} · {trials} trials · seed {findings.manifest.get('seed', 'unknown')}"
    sections = (_question, _answer, _figures, _summary, _cautions, _methods, _reproduce, _provenance, _columns)
    return Document(study.title, subtitle, tuple(block for section in sections for block in section(findings)))


def _prose(text: str) -> list[Block]:
    return [Paragraph(spans(" ".join(part.split()))) for part in text.split("\n\n") if part.strip()]


def _question(findings: Findings) -> list[Block]:
    study = findings.study
    return [Heading("Question"), *_prose(study.question), Heading("What to expect"), *_prose(study.expect)]


def _answer(findings: Findings) -> Iterator[Block]:
    is_check = findings.claims["kind"] == "check"
    claims, checks = findings.claims[~is_check], findings.claims[is_check]
    yield from (
        VerdictCounts(label, verdict_counts(part))
        for label, part in (("Claims", claims), ("Checks", checks))
        if len(part)
    )
    yield Heading("Answer")
    yield Paragraph((Text(" ".join(answer(findings.study, findings.claims))),))
    yield Paragraph(
        spans(f"Of the claims about the world, {verdict_sentence(claims)}. Of the checks, {verdict_sentence(checks)}.")
    )
    if len(claims):
        yield ClaimTable(claims, "Claims: published statements that this run could have contradicted.")
    if len(checks):
        yield ClaimTable(checks, "Checks: theorems and identities. One that fails means a mistake in the program.")


def _figures(findings: Findings) -> Iterator[Block]:
    yield Heading("Figures")
    for name, spec in findings.figures.items():
        yield FigureBlock(name, spec.caption, spec.alt)


def _summary(findings: Findings) -> list[Block]:
    total = len(findings.summary)
    shown = "All rows" if total <= SUMMARY_ROWS else f"The first {SUMMARY_ROWS} of {total} rows"
    return [Heading("Summary"), TableBlock(findings.summary.head(SUMMARY_ROWS), f"{shown} of summary.csv.")]


def _cautions(findings: Findings) -> list[Block]:
    study = findings.study
    falsify = [Heading("What would falsify it"), *_prose(study.falsify)]
    return [*falsify, Heading("A common misreading"), *_prose(study.misreading)]


def _methods(findings: Findings) -> list[Block]:
    return [
        Heading("Methods"),
        Heading("What was varied", level=2),
        TableBlock(_axes_frame(findings), "The axes of the study with their values in this run."),
        Paragraph((Text(_status_sentence(findings.tables["trials"])),)),
        Heading("How a claim is judged", level=2),
        *_rules(findings.claims),
    ]


def _axes_frame(findings: Findings) -> pd.DataFrame:
    rows = [(axis.option, _values_text(findings.config.get(axis.name)), axis.help) for axis in findings.study.axes]
    return pd.DataFrame(rows, columns=["option", "values", "meaning"])


def _values_text(values: Any) -> str:
    return ", ".join(str(value) for value in values) if isinstance(values, tuple | list) else str(values)


def _status_sentence(trials: pd.DataFrame) -> str:
    counts = trials["status"].value_counts()
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    return f"Trials by status: {words or 'none'}. Each is a row of trials.csv; none was dropped."


def _rules(claims: pd.DataFrame) -> Iterator[Block]:
    yield Bullets(
        (
            spans("The unit of replication is an independent seed: `n` in the tables."),
            spans(
                "With a margin, a claim *holds* only if its whole interval lies within prediction ± margin and *fails* "
                "if it lies wholly outside; otherwise it is *inconclusive*. More noise never makes a claim hold."
            ),
            spans("Without a margin, the rule is named beside the claim. *Untested*: no trial of this run could tell."),
            spans("Margins are fixed in the study's code; none was chosen from this run's data."),
            spans(
                f"Fewer than {FEWEST} seeds decide nothing about a mean: five pairs that all agree have probability "
                "2/2^5 = 0.0625 under no difference. What else an interval cannot show stands in the claim's note."
            ),
        )
    )
    levels = claims["confidence"].dropna()
    if len(levels):
        yield from _simultaneous(levels)
        yield from _coverage(claims["method"])


def _simultaneous(levels: pd.Series) -> Iterator[Block]:
    joint = number_text(max(0.0, 1.0 - float((1.0 - levels).sum())), ".3g")
    yield from _prose(
        f"""By Bonferroni's inequality, the {len(levels)} intervals, each with the level c that `claims.csv` names, all
        cover their true values at once with probability at least {joint}, if each covers as often as it states. Holm's
        steps are not used: a claim can be decided both ways, so they would not be known to keep the level."""
    )
    event = Math("text", "every interval covers")
    bound = row("1", "−", row("∑", "(", "1", "−", subscript("c", "i"), ")"))
    yield Formula(row("P", "(", event, ")", "≥", bound), "P(every interval covers) is at least 1 - sum of (1 - c_i)")


def _coverage(methods: pd.Series) -> Iterator[Block]:
    """Show how often the intervals among `methods` covered in simulated samples."""
    used = methods.str.split(",").str[0].str.replace(r" \d+ and \d+", "", regex=True)
    table = coverage_table()
    table = table[table["method"].isin(used)]
    if table.empty:
        return
    yield from _prose(
        """How often they do was measured in simulated samples of n values. Where a mean's values are as skewed as
        log-normal ones, no interval for few values covers as often as it states; such quantities are judged by their
        geometric mean or median, and zeros and ones as proportions."""
    )
    cells = table["n"].map("n = {}: ".format) + table["coverage"].map("{:.2%}".format, na_action="ignore")
    cells = cells.fillna(table["n"].map("n = {}: too few".format))
    levels = table["confidence"].map("stated {:.4g}".format)
    wide = table.assign(cell=cells, level=levels).pivot_table(
        index=["method", "data"], columns="level", values="cell", aggfunc="; ".join, sort=False
    )
    frame = wide.reset_index().rename(columns={"method": "interval", "data": "values"})
    yield TableBlock(frame, "Share of simulated samples whose interval covers the truth (tests/extended).")


def _reproduce(findings: Findings) -> list[Block]:
    command = findings.manifest.get("command") or f"nnsim study {findings.study.name}"
    text = command if isinstance(command, str) else shlex.join(map(str, command))
    return [
        Heading("How to reproduce it"),
        Listing(text),
        *_prose(
            """The same command gives the same bytes in every canonical table, with any number of jobs, on any machine
            (tested on Linux, x86-64). Summary, claims, figures and this page are made from the CSV files alone; numbers
            of summary and claims are rounded so that they are the same, too, measured times aside."""
        ),
    ]


def _provenance(findings: Findings) -> list[Block]:
    references = tuple((Text(reference),) for reference in findings.study.references)
    return [
        Heading("References"),
        Bullets(references),
        Heading("Provenance"),
        KeyValues(tuple(_flat(findings.manifest))),
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} · ")
        else:
            yield f"{prefix}{name}", _values_text(value)


def _columns(findings: Findings) -> Iterator[Block]:
    yield Heading("Columns")
    yield Paragraph((Text("What each column of each file means, in the order of the file."),))
    for table in findings.study.tables:
        yield _dictionary(f"{table.name}.csv{_reservation(table)}", table.header)
    yield _dictionary("summary.csv", summary_columns(findings.study, list(findings.summary.columns)))
    yield _dictionary("claims.csv", CLAIM_COLUMNS)


def _reservation(table: Table) -> str:
    if table.timed:
        return " (measured times: others at every measurement)"
    return "" if table.canonical else " (not canonical: may differ in the last digits between machines)"


def _dictionary(caption: str, columns: Sequence[Column]) -> TableBlock:
    rows = [(column.name, column.kind, column.unit, column.description) for column in columns]
    return TableBlock(pd.DataFrame(rows, columns=["column", "kind", "unit", "meaning"]), caption)
