"""At which learning rates units begin to die, and what moves them (B4)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtMost, Question, Within
from nnsim.study.parts import Config

if TYPE_CHECKING:
    import pandas as pd

RISE = 0.1  # of the share of dead units, which counts as a jump
OCTAVE = 1.0  # of log2(rate / predicted rate)
GOODFELLOW = "Goodfellow, Bengio and Courville 2016, section 6.3"


def trained(trials: pd.DataFrame, bias: float = 0.0, normalization: str = "none") -> pd.DataFrame:
    """Return the trained networks with a bias and a normalisation."""
    return rows_of(trials, kind="training", bias=bias, normalization=normalization)


def critical_rates(runs: pd.DataFrame) -> dict[int, float]:
    """Return each seed's rate at which units begin to die, between the last calm rate and the first that kills.

    A rate kills if the share of dead units rises by more than `RISE`, or the run diverges. The rate is NaN where the
    grid holds no calm rate below, or none that kills.
    """
    found = {}
    for repeat, group in runs.sort_values("learning_rate", kind="stable").groupby("repeat"):
        rates = group["learning_rate"].to_numpy(dtype=float)
        kills = ((group["dead_at_end"] - group["dead_at_start"]) > RISE) | (group["status"] == "diverged")
        first = int(np.argmax(kills.to_numpy())) if kills.any() else 0
        found[repeat] = math.sqrt(rates[first - 1] * rates[first]) if first > 0 else math.nan
    return found


def _at_edge(*rates: dict[int, float]) -> bool:
    return any(math.isnan(rate) for found in rates for rate in found.values())


def _octaves_over(first: dict[int, float], second: dict[int, float]) -> np.ndarray:
    """Return log2(first / second) of each seed that has both."""
    values = np.log2(np.array([first[repeat] / second[repeat] for repeat in first if repeat in second], dtype=float))
    return values[np.isfinite(values)]


def _calm_question(runs: pd.DataFrame, where: str) -> Question:
    calm = runs[(runs["learning_rate"] * runs["sharpness"] / 2 <= 1) & (runs["status"] == "done")]
    rises = (calm["dead_at_end"] - calm["dead_at_start"]).groupby(calm["repeat"]).max().dropna()
    return Question(
        id="B4-calm",
        kind="claim",
        statement="Rates below 2 / sharpness kill hardly any unit.",
        source="Lewkowycz et al. 2020",
        arm=where,
        values=rises.to_numpy(dtype=float),
        rule=AtMost(0.05),
        note="largest rise of the share of dead units over these rates",
    )


def _jump_questions(trials: pd.DataFrame, sharpness: pd.DataFrame) -> Iterator[Question]:
    """Ask at which learning rate, in units of 2 / sharpness, units begin to die."""
    where = "he_normal, bias 0, full-batch descent, dead on all training rows"
    sharp = rows_of(sharpness, bias=0.0)[["repeat", "sharpness"]]
    runs = trained(trials).merge(sharp, on="repeat")
    yield _calm_question(runs, where)
    rates, values = critical_rates(runs), sharp.set_index("repeat")["sharpness"]
    octaves = np.log2(np.array([rate * values[repeat] / 2 for repeat, rate in rates.items()], dtype=float))
    ask = partial(
        Question,
        kind="claim",
        arm=where,
        values=octaves[np.isfinite(octaves)],
        note=f"log2 of (rate at which {RISE:g} of the units have died, over 2 / sharpness at the start)",
        at_edge=_at_edge(rates),
    )
    yield ask(
        id="B4-jump",
        statement="Units begin to die where the rate reaches 2 / sharpness.",
        source="stability of gradient descent on a quadratic",
        rule=Within(0.0, OCTAVE),
    )
    yield ask(
        id="B4-catapult",
        statement="They begin to die at about 12 / sharpness, where the catapult of ReLU networks ends.",
        source="Lewkowycz et al. 2020, section 3",
        rule=Within(math.log2(6), OCTAVE),
    )


def _batch_question(trials: pd.DataFrame) -> Question:
    """Ask whether batch normalisation moves the rate at which units begin to die."""
    normal, plain = (critical_rates(trained(trials, normalization=name)) for name in ("batch", "none"))
    return Question(
        id="B4-batch-onset",
        kind="claim",
        statement="With batch normalisation units begin to die at higher rates.",
        source="Ioffe and Szegedy 2015",
        arm="with over without, he_normal, bias 0",
        values=_octaves_over(normal, plain),
        rule=Above(0.0),
        note="log2 of the ratio of the rates at which units begin to die, paired by seed",
        at_edge=_at_edge(normal, plain),
    )


def _positive_bias_question(trials: pd.DataFrame, bias: float) -> Question:
    """Ask whether a positive bias moves it."""
    other, zero = critical_rates(trained(trials, bias)), critical_rates(trained(trials))
    return Question(
        id="B4-positive-bias",
        kind="claim",
        statement="A positive bias at the start lets units stand higher learning rates.",
        source=GOODFELLOW,
        arm=f"bias {bias:g} over bias 0, he_normal",
        values=_octaves_over(other, zero) if bias > 0 else np.empty(0),
        rule=Above(0.0),
        note="log2 of the ratio of the rates at which units begin to die, paired by seed; the bias raises the "
        "sharpness, too: in units of 2 / sharpness the order turns round, see the figure",
        at_edge=_at_edge(other, zero),
    )


def _negative_bias_question(trials: pd.DataFrame, bias: float) -> Question:
    """Ask whether a negative bias leaves units dead before any training."""
    other, zero = (trained(trials, at).groupby("repeat")["dead_at_start"].first() for at in (bias, 0.0))
    return Question(
        id="B4-negative-bias",
        kind="claim",
        statement="A negative bias at the start means more dead units before any training.",
        source=GOODFELLOW,
        arm=f"bias {bias:g} minus bias 0, he_normal, epoch 0",
        values=(other - zero).dropna().to_numpy(dtype=float) if bias < 0 else np.empty(0),
        rule=Above(0.0),
        note="share of units that are off on all training rows",
    )


def questions(trials: pd.DataFrame, sharpness: pd.DataFrame, config: Config) -> Iterator[Question]:
    """Ask from which rate on units die, and what normalisation and biases do to it."""
    yield from _jump_questions(trials, sharpness)
    yield _batch_question(trials)
    yield _positive_bias_question(trials, max(config["bias"]))
    yield _negative_bias_question(trials, min(config["bias"]))
