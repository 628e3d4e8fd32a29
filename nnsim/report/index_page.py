"""From the results of several studies to one page: every verdict, what did not hold, and the ledgers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nnsim.core.atomic_files import publish
from nnsim.report.claims import CLAIM_COLUMNS, verdict_counts, verdict_sentence
from nnsim.report.document import (
    Block,
    Bullets,
    ClaimTable,
    Document,
    Heading,
    LedgerTable,
    Link,
    Listing,
    Paragraph,
    Text,
    VerdictCounts,
    spans,
)
from nnsim.report.html import to_html
from nnsim.report.render import frame_csv
from nnsim.report.text_review import find_ledgers, ledger_frame
from nnsim.study.declaration import Column, Study

KINDS = (("claim", "Claims"), ("correction", "Corrections"), ("check", "Checks"))

SUITE_CLAIM_COLUMNS = (Column("study", "text", "", "study that judges the claim"), *CLAIM_COLUMNS)


@dataclass(frozen=True)
class Chapter:
    """What one study left: its claims, or the sentence that says why there are none.

    Attributes
    ----------
    name : str
        The study's, and its folder's beside the page.
    error : str
        Why it could not be run; empty where it was.
    study : Study or None
    claims : DataFrame or None
        As ``claims.csv`` holds them.
    """

    name: str
    error: str = ""
    study: Study | None = None
    claims: pd.DataFrame | None = None


def all_claims(chapters: Sequence[Chapter]) -> pd.DataFrame:
    """Return the claims of all chapters, with the column ``study`` in front."""
    frames = [chapter.claims.assign(study=chapter.name) for chapter in chapters if chapter.claims is not None]
    columns = [column.name for column in SUITE_CLAIM_COLUMNS]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def write_suite(folder: Path, chapters: Sequence[Chapter], command: str) -> list[Path]:
    """Write ``claims.csv``, ``ledger.csv`` and ``index.html`` into `folder`, which exists.

    Parameters
    ----------
    folder : Path
        Holds the result folders of the chapters.
    chapters : sequence of Chapter
    command : str
        What runs them all again.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    StoreError
        If a file cannot be written; each file is whole or absent.
    """
    claims = all_claims(chapters)
    ledger = ledger_frame(find_ledgers(), claims)
    files = {
        "claims.csv": frame_csv(claims),
        "ledger.csv": frame_csv(ledger),
        "index.html": to_html(suite_document(chapters, claims, ledger, command), {}).encode(),
    }
    for name, content in files.items():
        publish(folder / name, [content])
    return [folder / name for name in files]


def suite_document(chapters: Sequence[Chapter], claims: pd.DataFrame, ledger: pd.DataFrame, command: str) -> Document:
    """Return the page as a document.

    Parameters
    ----------
    chapters : sequence of Chapter
    claims : DataFrame
        Of `all_claims`.
    ledger : DataFrame
        Of `nnsim.report.text_review.ledger_frame`.
    command : str
        What runs all studies again.
    """
    count = f"{len(chapters)} {'study' if len(chapters) == 1 else 'studies'}, {len(claims)} claims"
    blocks = (*_answer(chapters, claims), *_ledgers(ledger), *_chapters(chapters), *_reproduce(command))
    return Document("What networks do, study by study", count, blocks)


def _answer(chapters: Sequence[Chapter], claims: pd.DataFrame) -> Iterator[Block]:
    parts = {label: claims[claims["kind"] == kind] for kind, label in KINDS}
    yield from (VerdictCounts(label, verdict_counts(part)) for label, part in parts.items() if len(part))
    yield Heading("Answer")
    errors = [(Text(f"{chapter.name}: {chapter.error}"),) for chapter in chapters if chapter.error]
    if errors:
        yield Paragraph(spans("These studies could not be run; nothing below speaks of them."))
        yield Bullets(tuple(errors))
    corrections = parts["Corrections"]
    if len(corrections):
        yield Paragraph(spans(f"Of the corrections of teaching texts, {verdict_sentence(corrections)}."))
        yield ClaimTable(_named(corrections), "Corrections: where a text is wrong, or right only with a condition.")
    yield from _failed(claims)


def _failed(claims: pd.DataFrame) -> Iterator[Block]:
    for verdict, title, text in (
        ("fails", "What failed", "No claim failed."),
        ("inconclusive", "What stayed open", "No claim stayed open."),
    ):
        part = claims[claims["verdict"] == verdict]
        yield Heading(title, level=2)
        yield ClaimTable(_named(part), f"Claims whose verdict is: {verdict}.") if len(part) else Paragraph(spans(text))


def _named(claims: pd.DataFrame) -> pd.DataFrame:
    """Return the claims with their study's name in front of their ids."""
    return claims.assign(id=claims["study"] + " " + claims["id"])


def _ledgers(ledger: pd.DataFrame) -> Iterator[Block]:
    for title, rows in ledger.groupby("ledger", sort=False):
        counts: Mapping[str, int] = rows["finding"].value_counts()
        yield Heading(str(title))
        yield Paragraph((Text(", ".join(f"{count} {finding}" for finding, count in counts.items()) + "."),))
        yield LedgerTable(
            rows,
            "Each sentence that can be tested, in our words, and what the claims say of it: one that fails decides; "
            "one that is inconclusive leaves it undecided.",
        )


def _chapters(chapters: Sequence[Chapter]) -> Iterator[Block]:
    yield Heading("Studies")
    for chapter in chapters:
        if chapter.study is None or chapter.claims is None:
            continue
        yield Heading(f"{chapter.study.title} ({chapter.name})", level=2)
        yield Paragraph((Text(chapter.study.question),))
        yield Paragraph(
            (*spans(f"Claims: {verdict_sentence(chapter.claims)}. "), Link("Report", f"{chapter.name}/report.html"))
        )


def _reproduce(command: str) -> list[Block]:
    return [Heading("How to reproduce it"), Listing(command)]
