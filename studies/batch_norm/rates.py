"""At which learning rates networks learn, with normalisation and without (D1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtLeast, Question, Rule
from nnsim.study.parts import Config

from .shared import NORMALIZATIONS

if TYPE_CHECKING:
    import pandas as pd

FAR = 10.0  # times a rate, which is far higher


def learns(runs: pd.DataFrame) -> pd.Series:
    """Tell whether each run ended more than half way from chance to 1."""
    half_way = runs["chance"] + (1 - runs["chance"]) / 2
    return (runs["status"] == "done") & (runs["validation_metric"] > half_way)


def _largest_rates(runs: pd.DataFrame, normalization: str) -> pd.Series:
    """Return ln of the largest rate at which each seed learns; NaN where it learns at none."""
    rows = rows_of(runs, normalization=normalization)
    rates = rows["learning_rate"].where(learns(rows))
    return np.log(rates.groupby(rows["repeat"]).max().astype(float))


def _lead_questions(runs: pd.DataFrame, name: str, where: str, top: float) -> Iterator[Question]:
    """Ask how much higher a rate may be with each normalisation; `top` is the highest of the grid."""
    largest = {kind: _largest_rates(runs, kind) for kind in NORMALIZATIONS}
    rules: dict[str, Rule] = {"batch": AtLeast(math.log(FAR)), "layer": Above(0.0)}
    for kind, rule in rules.items():
        words = f"{FAR:g} times the" if kind == "batch" else "higher"
        yield Question(
            id=f"D1-rates-{kind}-{name}",
            kind="claim",
            statement=f"With {kind} normalisation a {name} network learns at {words} rates of one without.",
            source="Ioffe and Szegedy 2015; Bjorck et al. 2018",
            arm=f"{kind} over none, {where}",
            values=(largest[kind] - largest["none"]).dropna().to_numpy(dtype=float),
            rule=rule,
            note="ln of the ratio of the largest rates of the grid at which a seed learns",
            at_edge=bool((largest["none"] >= math.log(top)).any()),
        )


def _survival_question(runs: pd.DataFrame, name: str, where: str) -> Question:
    """Ask whether normalised networks learn where no plain one does."""
    plain = rows_of(runs, normalization="none")
    learners = learns(plain).groupby(plain["learning_rate"]).sum()
    lost = [rate for rate in learners.index if not learners[learners.index >= rate].any()]
    rate = min(lost, default=math.nan)
    at = "no such rate" if math.isnan(rate) else f"rate {rate:g}"
    return Question(
        id=f"D1-survival-{name}",
        kind="claim",
        statement="Where no plain network learns any more, most batch normalised ones do.",
        source="Ioffe and Szegedy 2015",
        arm=f"batch, {at}, {where}",
        values=learns(rows_of(runs, normalization="batch", learning_rate=rate)).to_numpy(dtype=float),
        rule=Above(0.5),
        interval="proportion",
        note="at the lowest rate from which on no network without normalisation learns",
    )


def questions(runs: pd.DataFrame, config: Config) -> Iterator[Question]:
    """Ask at which rates shallow and deep networks learn."""
    for name, depth in (("shallow", min(config["depth"])), ("deep", max(config["depth"]))):
        where = f"he_normal, relu, {depth} layers of {config['width']}, {config['data']}"
        rows = rows_of(runs, depth=depth)
        yield from _lead_questions(rows, name, where, max(config["learning_rate"]))
        yield _survival_question(rows, name, where)
