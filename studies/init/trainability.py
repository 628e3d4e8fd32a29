"""Which networks start to learn (the trained half of A4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import ARM, rows_of, scored
from nnsim.report.questions import Above, AtLeast, AtMost, Question, Rule
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import TRAINING, train_network
from nnsim.study.parts import Config, Kind, Part
from nnsim.study.trials import TrainingTrial

from .shared import HE, training_cost

if TYPE_CHECKING:
    import pandas as pd

DEEP, SHALLOW = 30, 10  # He et al. 2015: at 22 layers both still learn
PAIR = ["he_normal", "xavier_normal"]

Ask = Callable[..., Question]


def trials(config: Config) -> Iterator[TrainingTrial]:
    """Yield the networks: every arm runs the same whole grid of learning rates and seeds."""
    shared: dict[str, Any] = {name: config[name] for name in ("width", "epochs", "batch_size", "momentum")}
    shared |= data_settings(config)
    shared["probe_epoch"] = sorted({epoch for epoch in config["probe_epoch"] if epoch < config["epochs"]})
    grid = product(config["scheme"], config["activation"], config["depth"], config["learning_rate"])
    for (scheme, activation, depth, rate), repeat in product(grid, range(config["seeds"])):
        arm: dict[str, Any] = {"scheme": scheme, "activation": activation, "depth": depth, "learning_rate": rate}
        yield TrainingTrial(kind="training", repeat=repeat, **arm, **shared)


def _question(config: Config, chance: float, *, scheme: str, depth: int, rule: Rule, **fields: Any) -> Question:
    metric = "test" if isinstance(rule, AtLeast) else "validation"
    return Question(
        kind="claim",
        source=f"{HE}, section 2.2, figures 2 and 3",
        arm=f"{scheme}, relu, {depth} layers of {config['width']}, {config['data']}",
        rule=rule,
        note=f"{metric} metric after {config['epochs']} epochs; chance is {chance:.3g}",
        **fields,
    )


def _deep_questions(arms: ChosenArms, deep: int, left_chance: float, ask: Ask) -> Iterator[Question]:
    he, xavier = ({"scheme": scheme, "depth": deep} for scheme in PAIR)
    # The validation metric that chose the rate would flatter what it chose: only the best of a failure is told by it.
    learnt, best = arms.values("score", he).to_numpy(), _best_at_any_rate(arms, xavier)
    if deep < DEEP:
        learnt = best = np.empty(0)
    yield ask(
        id="A4-deep-he",
        statement="A deep ReLU network with He's variance leaves chance behind by more than 0.1.",
        **he,
        values=learnt,
        rule=AtLeast(left_chance),
        at_edge=arms.at_edge(he),
    )
    yield ask(
        id="A4-deep-xavier",
        statement="With 1 / fan_in the deep network stays within 0.1 of chance at every learning rate.",
        **xavier,
        values=best,
        rule=AtMost(left_chance),
    )


def _shallow_questions(arms: ChosenArms, shallow: int, half_way: float, ask: Ask) -> Iterator[Question]:
    for scheme in PAIR:
        arm = {"scheme": scheme, "depth": shallow}
        yield ask(
            id=f"A4-shallow-{scheme.split('_')[0]}",
            statement=f"A shallow ReLU network learns with {scheme}: more than half way from chance to 1.",
            **arm,
            values=arms.values("score", arm).to_numpy() if shallow <= SHALLOW else np.empty(0),
            rule=AtLeast(half_way),
            at_edge=arms.at_edge(arm),
        )


def _best_at_any_rate(arms: ChosenArms, arm: dict[str, Any]) -> np.ndarray:
    """Best validation metric over all rates, for each seed."""
    rows = rows_of(arms.grid, **arm)
    value = rows["validation_metric"].where(rows["status"] == "done", rows["chance"])
    return value.groupby(rows["repeat"]).max().to_numpy(dtype=float)


def _first_question(runs: pd.DataFrame, history: pd.DataFrame, depth: int, ask: Ask) -> Question:
    lead, rate = _after_first_epoch(runs, history.astype({"learning_rate": float}), depth)
    at = "one learning rate" if math.isnan(rate) else f"learning rate {rate:g}"
    return ask(
        id="A4-first",
        statement=f"Where both learn, He's network is ahead after the first epoch, both at {at}.",
        scheme="he_normal minus xavier_normal",
        depth=depth,
        values=lead,
        rule=Above(0.0),
    )


def _after_first_epoch(runs: pd.DataFrame, history: pd.DataFrame, depth: int) -> tuple[np.ndarray, float]:
    """Lead of He over Glorot after one epoch for each seed, at the rate at which the two together end best."""
    pair = runs[(runs["depth"] == depth) & runs["scheme"].isin(PAIR)]
    scores = pair["validation_metric"].where(pair["status"] == "done", pair["chance"])
    means = scores.groupby(pair["learning_rate"]).mean().dropna()
    if pair["scheme"].nunique() < 2 or means.empty:
        return np.empty(0), math.nan
    rate = float(means.idxmax())
    rows = rows_of(history, activation="relu", depth=depth, learning_rate=rate, epoch=1)
    wide = rows.pivot(index="repeat", columns="scheme", values="validation_metric")
    wide = wide.reindex(columns=PAIR).dropna()
    return (wide["he_normal"] - wide["xavier_normal"]).to_numpy(), rate


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask which ReLU networks learn, deep and shallow."""
    runs = rows_of(tables["trials"], kind="training", activation="relu")
    chance = float(runs["chance"].max())  # one data set has one
    arms = ChosenArms(scored(runs.assign(chance=chance)), ARM)
    ask = partial(_question, config, chance)
    deep, shallow = max(config["depth"]), min(config["depth"])
    yield from _deep_questions(arms, deep, chance + 0.1, ask)
    yield from _shallow_questions(arms, shallow, chance + (1 - chance) / 2, ask)
    yield _first_question(runs, tables["history"], shallow, ask)


TRAINABILITY = Part(
    kinds={"training": Kind(TrainingTrial, train_network, training_cost, TRAINING)}, trials=trials, questions=questions
)
