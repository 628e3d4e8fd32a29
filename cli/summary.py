"""How a run ends on standard output: what it answers, counts, what fails or stays open, and where the report is.

It fits a terminal of 80 columns and 30 rows, whatever the study.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len
from rich.text import Text

from nnsim.runs.merge import StudyResult
from nnsim.runs.suite import SuiteResult

from .tables import console

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

WIDTH = 80
SHOWN = 10
"""Claims that are named, those that fail first."""

LONGEST_SENTENCE = 220
"""Cells of a sentence: three lines, which break at words."""

LONGEST_NAME = 32
GAP = "  "
VERDICT_STYLES = {"holds": "green", "fails": "bold red", "inconclusive": "yellow", "untested": "dim"}
OPEN = {"fails": "fails", "inconclusive": "open"}
"""Verdicts whose claims are named, in this order, and the word that stands in front."""


def print_summary(result: StudyResult) -> None:
    """Print how the run of one study ended."""
    from nnsim.report.answer import answer  # pandas is loaded by now

    terminal = console(WIDTH)
    _print_answer(terminal, result.study.title, answer(result.study, result.claims))
    _print_counts(terminal, result.claims, result.manifest["trials"])
    _print_open(terminal, result.claims)
    _print_path("report", result.folder / "report.html")


def print_suite_summary(result: SuiteResult) -> None:
    """Print how the run of several studies ended."""
    from nnsim.report.claims import verdict_counts

    terminal = console(WIDTH)
    _print_answer(terminal, "What networks do, study by study", _suite_answer(result.claims))
    _print_counts(terminal, result.claims, result.trials)
    each = []
    for name, claims in result.claims.groupby("study", sort=False):
        counts = verdict_counts(claims)
        each.append(f"{name} {counts['holds']}/{counts['fails']}/{counts['inconclusive'] + counts['untested']}")
    terminal.print(Text(f"hold/fail/other: {', '.join(each)}"))
    named = result.claims.assign(id=result.claims["study"] + " " + result.claims["id"])
    _print_open(terminal, named)
    _print_path("page", result.folder / "index.html")


def _suite_answer(claims: pd.DataFrame) -> Iterable[str]:
    """Yield a sentence on all claims, and one on each ledger's sentences."""
    from nnsim.report.claims import verdict_sentence
    from nnsim.report.text_review import find_ledgers, ledger_frame

    yield f"Of {len(claims)} claims of {claims['study'].nunique()} studies {verdict_sentence(claims)}."
    for title, rows in ledger_frame(find_ledgers(), claims).groupby("ledger", sort=False):
        findings = ", ".join(f"{count} {finding}" for finding, count in rows["finding"].value_counts().items())
        yield f"{title}: of {len(rows)} sentences {findings}."


def _print_answer(terminal: Console, title: str, sentences: Iterable[str]) -> None:
    from nnsim.report.answer import VERDICT_WORDS

    terminal.print(_cut(title, terminal.width), style="bold")
    for sentence in sentences:
        line = _cut(sentence, LONGEST_SENTENCE)
        for verdict, words in VERDICT_WORDS.items():
            line.highlight_regex(f"^{words}:", VERDICT_STYLES[verdict])
        terminal.print(line)


def _print_counts(terminal: Console, claims: pd.DataFrame, trials: dict[str, int]) -> None:
    from nnsim.report.claims import verdict_counts, verdict_word

    counts = verdict_counts(claims)
    untested = f", {counts['untested']} untested" if counts["untested"] else ""
    holds, fails = (f"{counts[verdict]} {verdict_word(verdict, counts[verdict])}" for verdict in ("holds", "fails"))
    terminal.print(f"\nclaims: {holds}, {fails}, {counts['inconclusive']} open{untested}")
    done, diverged, failed = (trials.get(status, 0) for status in ("done", "diverged", "error"))
    terminal.print(f"trials: {done} done, {diverged} diverged, {failed} failed")


def _print_open(terminal: Console, claims: pd.DataFrame) -> None:
    """Print a line for each claim that fails, then for those that stay open, and how many are left out."""
    rows = [claim for verdict in OPEN for claim in claims[claims["verdict"] == verdict].to_dict("records")]
    shown = rows[:SHOWN]
    if not shown:
        return
    width = min(LONGEST_NAME, max(cell_len(claim["id"]) for claim in shown))
    terminal.print()
    for claim in shown:
        terminal.print(_row(claim, width, terminal.width), no_wrap=True)
    if len(rows) > len(shown):
        terminal.print(f"... and {len(rows) - len(shown)} more (--claims prints all)")


def _row(claim: dict[str, Any], width: int, whole: int) -> Text:
    verdict = Text(f"{OPEN[claim['verdict']]:<5}", style=VERDICT_STYLES[claim["verdict"]])
    name = _cut(claim["id"], width, pad=True)
    room = whole - len(verdict) - width - 2 * len(GAP)
    return Text.assemble(verdict, GAP, name, GAP, _cut(claim["statement"], max(room, 1)))


def _cut(text: str, width: int, pad: bool = False) -> Text:
    """Return text on one line, cut with an ellipsis where it is wider than `width` cells."""
    line = Text(" ".join(text.split()))
    line.truncate(width, overflow="ellipsis", pad=pad)
    return line


def _print_path(what: str, path: Path) -> None:
    click.echo(f"{what}: {path}")  # a path is never broken
