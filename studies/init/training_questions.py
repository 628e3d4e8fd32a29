"""Which networks start to learn: the trained half of A4, and A14."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings
from .signal_questions import HE

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question
    from nnsim.report.tuned_arms import ChosenArms

DEEP, SHALLOW = 30, 10  # He et al. 2015: at 22 layers both still learn


def training_questions(trials: pd.DataFrame, history: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask which ReLU networks learn, deep and shallow."""
    from nnsim.report.arms import ARM, rows_of, scored
    from nnsim.report.tuned_arms import ChosenArms

    runs = rows_of(trials, kind="training", activation="relu")
    chance = float(runs["chance"].max())  # one data set has one
    arms = ChosenArms(scored(runs.assign(chance=chance)), ARM)
    ask = partial(_question, config, chance)
    yield from _deep_questions(arms, max(config["depth"]), chance + 0.1, ask)
    yield from _shallow_questions(arms, min(config["depth"]), chance + (1 - chance) / 2, ask)
    lead, rate = _after_first_epoch(runs, history.astype({"learning_rate": float}), min(config["depth"]))
    at = "one learning rate" if math.isnan(rate) else f"learning rate {rate:g}"
    statement = f"Where both learn, He's network is ahead after the first epoch, both at {at}."
    yield ask("A4-first", statement, "he_normal minus xavier_normal", min(config["depth"]), lead, 0.0, "above")


def _question(
    config: dict[str, Any], chance: float, name: str, statement: str, scheme: str, depth: int, values: np.ndarray,
    bound: float, rule: Any, at_edge: bool = False,
) -> Question:  # fmt: skip
    from nnsim.report.old_questions import Question

    where = f"{scheme}, relu, {depth} layers of {config['width']}, {config['data']}"
    metric = "test" if rule == "at_least" else "validation"
    note = f"{metric} metric after {config['epochs']} epochs; chance is {chance:.3g}"
    source = f"{HE}, section 2.2, figures 2 and 3"
    return Question(name, "claim", statement, source, where, values, bound, rule, note=note, at_edge=at_edge)


def _deep_questions(
    arms: ChosenArms, deep: int, left_chance: float, ask: Callable[..., Question]
) -> Iterator[Question]:
    he, xavier = ({"scheme": scheme, "depth": deep} for scheme in ("he_normal", "xavier_normal"))
    # The validation metric that chose the rate would flatter what it chose: only the best of a failure is told by it.
    learnt, best = arms.values("score", he).to_numpy(), _best_at_any_rate(arms, xavier)
    if deep < DEEP:
        learnt = best = np.empty(0)
    yield ask("A4-deep-he", "A deep ReLU network with He's variance leaves chance behind by more than 0.1.",
              "he_normal", deep, learnt, left_chance, "at_least", arms.at_edge(he))  # fmt: skip
    yield ask("A4-deep-xavier", "With 1 / fan_in the deep network stays within 0.1 of chance at every learning rate.",
              "xavier_normal", deep, best, left_chance, "at_most")  # fmt: skip


def _shallow_questions(
    arms: ChosenArms, shallow: int, half_way: float, ask: Callable[..., Question]
) -> Iterator[Question]:
    for scheme in ("he_normal", "xavier_normal"):
        arm = {"scheme": scheme, "depth": shallow}
        values = arms.values("score", arm).to_numpy() if shallow <= SHALLOW else np.empty(0)
        statement = f"A shallow ReLU network learns with {scheme}: more than half way from chance to 1."
        name = f"A4-shallow-{scheme.split('_')[0]}"
        yield ask(name, statement, scheme, shallow, values, half_way, "at_least", arms.at_edge(arm))


def _best_at_any_rate(arms: ChosenArms, arm: dict[str, Any]) -> np.ndarray:
    """Best validation metric over all rates, for each seed."""
    from nnsim.report.arms import rows_of

    rows = rows_of(arms.grid, **arm)
    value = rows["validation_metric"].where(rows["status"] == "done", rows["chance"])
    return value.groupby(rows["repeat"]).max().to_numpy(dtype=float)


def _after_first_epoch(runs: pd.DataFrame, history: pd.DataFrame, depth: int) -> tuple[np.ndarray, float]:
    """Lead of He over Glorot after one epoch for each seed, at the rate at which the two together end best."""
    from nnsim.report.arms import rows_of

    pair = runs[(runs["depth"] == depth) & runs["scheme"].isin(["he_normal", "xavier_normal"])]
    scores = pair["validation_metric"].where(pair["status"] == "done", pair["chance"])
    means = scores.groupby(pair["learning_rate"]).mean().dropna()
    if pair["scheme"].nunique() < 2 or means.empty:
        return np.empty(0), math.nan
    rate = float(means.idxmax())
    rows = rows_of(history, activation="relu", depth=depth, learning_rate=rate, epoch=1)
    wide = rows.pivot(index="repeat", columns="scheme", values="validation_metric")
    wide = wide.reindex(columns=["he_normal", "xavier_normal"]).dropna()
    return (wide["he_normal"] - wide["xavier_normal"]).to_numpy(), rate


def symmetry_questions(trials: pd.DataFrame) -> Iterator[Question]:
    """Ask whether units that start equal stay equal."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(trials, kind="symmetry")
    where = f"tanh, {settings.SYMMETRY_DEPTH} layers of {settings.SYMMETRY_WIDTH}, {settings.SYMMETRY_EPOCHS} epochs"
    source = "Rumelhart, Hinton and Williams 1986"
    for scheme in settings.SYMMETRY_SCHEMES[:2]:
        yield Question(
            f"A14-{scheme.split(':')[0]}", "check", f"Units that start equal ({scheme}) stay equal, to the last bit.",
            source, f"{scheme}, {where}", rows_of(rows, scheme=scheme)["asymmetry"].to_numpy(), 0.0, "exact",
        )  # fmt: skip
    yield Question(
        "A14-random", "check", "Units that start different stay different.", source, f"he_normal, {where}",
        rows_of(rows, scheme="he_normal")["asymmetry"].to_numpy(), 0.1, "at_least",
    )  # fmt: skip
