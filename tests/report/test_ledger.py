"""Ledgers: which claims test a sentence, what their verdicts make of it, and that our own names claims that exist."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from nnsim_studies.ledger import ledger as ours

from nnsim.experiment.config import resolve
from nnsim.report.judging import claims_of
from nnsim.report.text_review import (
    Answer,
    Ledger,
    Sentence,
    about,
    answer,
    begins,
    find_ledgers,
    ledger_frame,
    unmatched,
)
from nnsim.runs.contract import empty_tables
from nnsim.study.discovery import find_study, study_names

RIGHT, WRONG = Answer("right", "It is so."), Answer("wrong", "It is not.")
SENTENCE = Sentence("Water is wet.", (("init", "A1"), ("other", "B2-exact")), RIGHT, WRONG)


def claims(*verdicts: str) -> pd.DataFrame:
    rows = [("init", f"A1-{number}", verdict) for number, verdict in enumerate(verdicts)]
    return pd.DataFrame(rows, columns=["study", "id", "verdict"])


class TestMatching:
    @pytest.mark.parametrize(
        ("claim", "prefix", "expected"),
        [("A1", "A1", True), ("A1-relu", "A1", True), ("A14-zeros", "A1", False), ("A1-relu", "A1-re", False)],
    )
    def test_a_prefix_ends_at_a_hyphen(self, claim: str, prefix: str, expected: bool) -> None:
        assert begins(claim, prefix) is expected

    def test_a_claim_belongs_to_its_study(self) -> None:
        rows = [("init", "A1-x"), ("init", "B2-exact"), ("other", "B2-exact"), ("other", "A1-x")]
        found = about(SENTENCE, pd.DataFrame(rows, columns=["study", "id"]))
        assert list(found.itertuples(index=False, name=None)) == [("init", "A1-x"), ("other", "B2-exact")]

    def test_what_matches_nothing_is_found(self) -> None:
        assert unmatched(Ledger("T", (SENTENCE,)), "init", ["A1-x"]) == []
        assert unmatched(Ledger("T", (SENTENCE,)), "init", ["A2-x"]) == ["A1"]


class TestAnswer:
    @pytest.mark.parametrize(
        ("verdicts", "finding"),
        [
            (["holds", "holds"], "right"),
            (["holds", "untested"], "right"),
            (["holds", "fails"], "wrong"),
            (["inconclusive", "fails"], "wrong"),
            (["holds", "inconclusive"], "undecided"),
            (["untested"], "not tested"),
            ([], "not tested"),
        ],
        ids="-".join,
    )
    def test_it_follows_from_the_verdicts(self, verdicts: list[str], finding: str) -> None:
        assert answer(SENTENCE, claims(*verdicts)).finding == finding

    def test_open_claims_are_named(self) -> None:
        assert "A1-1" in answer(SENTENCE, claims("holds", "inconclusive")).text

    def test_a_row_says_what_was_judged(self) -> None:
        (row,) = ledger_frame([Ledger("T", (SENTENCE,))], claims("holds", "fails")).to_dict("records")
        assert row["finding"] == "wrong"
        assert row["tested_by"] == "init A1, other B2-exact"
        assert row["verdicts"] == "1 holds, 1 fails (failed: A1-1)"


class TestOurs:
    def test_it_is_offered(self) -> None:
        assert ours in find_ledgers()

    @pytest.mark.parametrize("name", study_names())
    def test_every_name_is_a_claim_of_the_study(self, name: str, tmp_path: Path) -> None:
        study = find_study(name)
        judged = claims_of(study, empty_tables(study, tmp_path), resolve(study, "quick", {}))
        assert unmatched(ours, name, [claim.id for claim in judged]) == []

    def test_every_study_exists(self) -> None:
        assert {study for sentence in ours.sentences for study, _ in sentence.claims} <= set(study_names())

    @pytest.mark.parametrize("sentence", ours.sentences, ids=lambda sentence: sentence.says[:40])
    def test_both_answers_are_given(self, sentence: Sentence) -> None:
        assert sentence.holds.finding != sentence.fails.finding
        assert sentence.holds.text != sentence.fails.text
