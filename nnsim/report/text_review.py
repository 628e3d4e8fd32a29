"""A ledger: the sentences of a teaching text, each beside the claims that test it and what they say of it.

A package offers its ledger by the entry-point group ``nnsim.ledgers``: an object of class `Ledger`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Literal

import pandas as pd

from nnsim.report.claims import verdict_sentence
from nnsim.study.declaration import Column

GROUP = "nnsim.ledgers"

Finding = Literal["right", "right with a condition", "wrong", "undecided", "not tested"]


@dataclass(frozen=True)
class Answer:
    """What a ledger says of a sentence, once the claims about it are judged."""

    finding: Finding
    text: str


@dataclass(frozen=True)
class Sentence:
    """One sentence of a teaching text that can be tested.

    Attributes
    ----------
    says : str
        The sentence, in our own words.
    claims : tuple of (str, str)
        The study, and the id of a claim or what the ids of several begin with: ``("init", "A8")`` is all of A8.
    holds, fails : Answer
        What follows where all these claims hold, and where one of them fails.
    """

    says: str
    claims: tuple[tuple[str, str], ...]
    holds: Answer
    fails: Answer


@dataclass(frozen=True)
class Ledger:
    """The sentences of one teaching text, under a title."""

    title: str
    sentences: tuple[Sentence, ...]


LEDGER_COLUMNS = (
    Column("ledger", "text", "", "teaching text"),
    Column("says", "text", "", "what it says, in other words"),
    Column("finding", "text", "", "right, right with a condition, wrong, undecided or not tested"),
    Column("answer", "text", "", "what the measurements say"),
    Column("tested_by", "text", "", "studies and claims that test it"),
    Column("verdicts", "text", "", "how these claims were judged"),
)


def find_ledgers() -> list[Ledger]:
    """Return the ledgers of all installed packages, in the order of their names."""
    return [entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)]


def begins(claim: str, prefix: str) -> bool:
    """Return whether a claim's id is `prefix`, or `prefix` and a further word: A1 begins A1-relu, but not A14."""
    return claim == prefix or claim.startswith(f"{prefix}-")


def about(sentence: Sentence, claims: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `claims`, which names each one's study, that test `sentence`."""
    tests = [
        any(study == name and begins(claim, prefix) for name, prefix in sentence.claims)
        for study, claim in zip(claims["study"], claims["id"], strict=True)
    ]
    return claims[pd.Series(tests, index=claims.index, dtype=bool)]


def answer(sentence: Sentence, claims: pd.DataFrame) -> Answer:
    """Return what `claims`, all of them about `sentence`, say of it.

    One that fails decides. Where none fails and at least one holds, those that are inconclusive leave the sentence
    undecided; claims that a run could not test are passed over.
    """
    verdicts = set(claims["verdict"]) - {"untested"}
    if not verdicts:
        return Answer("not tested", "No trial of this run could tell.")
    if "fails" in verdicts:
        return sentence.fails
    if "inconclusive" in verdicts:
        open_claims = ", ".join(claims.loc[claims["verdict"] == "inconclusive", "id"])
        return Answer("undecided", f"This run is too small to tell: {open_claims} could go either way.")
    return sentence.holds


def ledger_frame(ledgers: Iterable[Ledger], claims: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each sentence, with the columns of `LEDGER_COLUMNS`.

    Parameters
    ----------
    ledgers : iterable of Ledger
    claims : DataFrame
        Rows as in ``claims.csv``, with the column ``study``.
    """
    rows = [_row(ledger, sentence, claims) for ledger in ledgers for sentence in ledger.sentences]
    return pd.DataFrame(rows, columns=[column.name for column in LEDGER_COLUMNS]).astype("str")


def _row(ledger: Ledger, sentence: Sentence, claims: pd.DataFrame) -> tuple[str, ...]:
    tests = about(sentence, claims)
    said = answer(sentence, tests)
    named = ", ".join(f"{study} {prefix}" for study, prefix in sentence.claims)
    failed = ", ".join(tests.loc[tests["verdict"] == "fails", "id"])
    verdicts = verdict_sentence(tests) + (f" (failed: {failed})" if failed else "")
    return ledger.title, sentence.says, said.finding, said.text, named, verdicts


def unmatched(ledger: Ledger, study: str, ids: Sequence[str]) -> list[str]:
    """Return what `ledger` names of `study` that begins none of its claims' `ids`, sorted.

    Parameters
    ----------
    ledger : Ledger
    study : str
        Name of the study.
    ids : sequence of str
        Ids of all its claims.
    """
    named = {prefix for sentence in ledger.sentences for name, prefix in sentence.claims if name == study}
    return sorted(prefix for prefix in named if not any(begins(claim, prefix) for claim in ids))
