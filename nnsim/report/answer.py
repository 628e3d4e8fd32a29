"""What a run answers, in two sentences that its verdicts make: a study names the claims, the measurements decide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nnsim.study.declaration import Study

if TYPE_CHECKING:
    from pandas import DataFrame, Series

SENTENCES = 2
VERDICT_WORDS = {"holds": "Holds", "fails": "Fails", "inconclusive": "Stays open", "untested": "Not tested"}
ONE_SIDED = ("at most", "at least", "above")


def answer(study: Study, claims: DataFrame) -> tuple[str, ...]:
    """Return the verdicts on the claims that answer the question of `study`, one sentence each.

    Those that the study names come first, then the others in its order, the checks of the program last. A claim that no
    trial of the run could test is passed over where another one was tested.

    Parameters
    ----------
    study : Study
        Its `answer` names claims.
    claims : DataFrame
        Rows as in ``claims.csv``.
    """
    named = {claim: place for place, claim in enumerate(study.answer)}
    order = sorted(
        claims.index,
        key=lambda row: (
            claims.at[row, "verdict"] == "untested",
            named.get(claims.at[row, "id"], len(named)),
            claims.at[row, "kind"] == "check",
        ),
    )
    return tuple(_sentence(claims.loc[row]) for row in order[:SENTENCES])


def _sentence(claim: Series) -> str:
    statement = " ".join(claim["statement"].split()).rstrip(".")
    return f"{VERDICT_WORDS[claim['verdict']]}: {statement}{_numbers(claim)}."


def _numbers(claim: Series) -> str:
    """Return what was measured beside what was predicted, in brackets; nothing where nothing was measured."""
    if math.isnan(claim["estimate"]):
        return ""
    rule = next((f"{words} " for words in ONE_SIDED if claim["method"].endswith(words)), "")
    margin = "" if math.isnan(claim["margin"]) else f" ± {claim['margin']:.4g}"
    return f" (measured {claim['estimate']:.4g}, predicted {rule}{claim['prediction']:.4g}{margin})"
