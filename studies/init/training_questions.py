"""Which networks start to learn: the trained half of A4, and A14."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings
from .signal_questions import HE

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.judge import Question

DEEP, SHALLOW = 30, 10  # He et al. 2015: at 22 layers both still learn


def training_questions(trials: pd.DataFrame, history: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask which ReLU networks learn, deep and shallow."""
    from nnsim.report.arms import ARM, at_chosen_rate, chosen_rates, rows_of
    from nnsim.report.judge import Question

    runs = rows_of(trials, kind="training", activation="relu")
    chosen = chosen_rates(runs, ARM).astype(runs.dtypes[[*ARM, "learning_rate"]])  # without rows they have no types
    history = history.astype({"learning_rate": float})
    edges = {tuple(row[:3]): bool(row.at_edge) for row in chosen.itertuples(index=False)}
    picked = at_chosen_rate(runs, chosen)
    shallow, deep = min(config["depth"]), max(config["depth"])
    chance = float(runs["chance"].max())
    half_way, left_chance = chance + (1 - chance) / 2, chance + 0.1

    def final(scheme: str, depth: int) -> np.ndarray:
        """Test metric at the rate that validation chose: the metric that chose it would flatter it."""
        rows = rows_of(picked, scheme=scheme, depth=depth).sort_values("repeat")
        return rows["test_metric"].where(rows["status"] == "done", chance).to_numpy(dtype=float)

    def asked(
        name: str, statement: str, scheme: str, depth: int, values: np.ndarray, bound: float, rule: Any
    ) -> Question:
        where = f"{scheme}, relu, {depth} layers of {config['width']}, {config['data']}"
        metric = "test" if rule == "at_least" else "validation"
        note = f"{metric} metric after {config['epochs']} epochs; chance is {chance:.3g}"
        edge = edges.get((scheme, "relu", depth), False) and rule == "at_least"
        return Question(
            name,
            "claim",
            statement,
            f"{HE}, section 2.2, figures 2 and 3",
            where,
            values,
            bound,
            rule,
            note=note,
            at_edge=edge,
        )

    stalls = rows_of(runs, scheme="xavier_normal", depth=deep)
    best = stalls.assign(value=stalls["validation_metric"].where(stalls["status"] == "done", chance))
    best = best.groupby("repeat")["value"].max().to_numpy(dtype=float)
    nobody = np.empty(0)
    learnt = final("he_normal", deep)
    if deep < DEEP:
        learnt = best = nobody
    yield asked("A4-deep-he", "A deep ReLU network with He's variance leaves chance behind by more than 0.1.",
                "he_normal", deep, learnt, left_chance, "at_least")  # fmt: skip
    yield asked("A4-deep-xavier", "With 1 / fan_in the deep network stays within 0.1 of chance at every learning rate.",
                "xavier_normal", deep, best, left_chance, "at_most")  # fmt: skip
    for scheme in ("he_normal", "xavier_normal"):
        statement = f"A shallow ReLU network learns with {scheme}: more than half way from chance to 1."
        name = f"A4-shallow-{scheme.split('_')[0]}"
        yield asked(
            name,
            statement,
            scheme,
            shallow,
            final(scheme, shallow) if shallow <= SHALLOW else nobody,
            half_way,
            "at_least",
        )
    lead, rate = _after_first_epoch(runs, history, shallow)
    at = "one learning rate" if math.isnan(rate) else f"learning rate {rate:g}"
    statement = f"Where both learn, He's network is ahead after the first epoch, both at {at}."
    yield asked("A4-first", statement, "he_normal minus xavier_normal", shallow, lead, 0.0, "above")


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
    from nnsim.report.judge import Question

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
