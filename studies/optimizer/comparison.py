"""Which optimizer is better, each tuned as often as the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnsim.kernels.formulas.optimizers import OPTIMIZERS
from nnsim.report.arms import scored
from nnsim.report.questions import AtLeast, Question, Rule, Within
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.network_trials import TRAINING, train_network
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import TrainingTrial

from .shared import NETWORK, data_named, runs_of, training_cost

if TYPE_CHECKING:
    import pandas as pd

CENTRES = {
    **{"sgd": 10**-0.5, "momentum": 10**-1.5, "nesterov": 10**-1.5, "adagrad": 10**-1.5},
    **{"rmsprop": 10**-2.5, "adam": 10**-2.5, "adamw": 10**-2.5},
}
"""Middle of each optimizer's grid: momentum 0.9 multiplies a step by 10, adaptive steps have the rate's own size."""
DEFAULT_RATE = 0.001
CLOSE = 0.02  # of the test metric: half a point of accuracy is noise, five are a choice
SEEDS_TOLD = 6


class Pair(NamedTuple):
    """Two optimizers, and what is said of the first one's lead."""

    first: str
    second: str
    rule: Rule
    source: str
    statement: str


PAIRS = (
    Pair(
        *("momentum", "sgd", AtLeast(-CLOSE), "Choi et al. 2019; Sutskever et al. 2013"),
        "At equal tuning budgets momentum is no worse than plain SGD.",
    ),
    Pair(
        *("nesterov", "momentum", Within(0.0, CLOSE), "Sutskever et al. 2013"),
        "At equal tuning budgets Nesterov's momentum and the heavy ball end alike.",
    ),
    Pair(
        *("adam", "rmsprop", AtLeast(-CLOSE), "Choi et al. 2019"),
        "At equal tuning budgets Adam is no worse than RMSProp, which it contains.",
    ),
    Pair(
        *("adam", "momentum", AtLeast(-CLOSE), "Choi et al. 2019; Wilson et al. 2017 say the opposite"),
        "At equal tuning budgets Adam is no worse than SGD with momentum.",
    ),
    Pair(
        *("adamw", "adam", Within(0.0, CLOSE), "Loshchilov and Hutter 2019"),
        "In a short run decoupled decay changes little: AdamW ends where Adam does.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ComparedTrial(TrainingTrial):
    """A training by one of the optimizers; `budget` is the number of runs that its arm is tuned with."""

    optimizer: str
    weight_decay: float
    budget: int


def grid(optimizer: str, rates: int) -> list[float]:
    """Return so many learning rates, a factor sqrt(10) apart, around the middle that belongs to the optimizer."""
    first = (1 - rates) // 2
    return [float(f"{CENTRES[optimizer] * 10 ** (step / 2):.4g}") for step in range(first, first + rates)]


def trials(config: Config) -> Iterator[ComparedTrial]:
    """Yield the training runs: every arm has the same number of rates and the same seeds."""
    shared = {**NETWORK, **{name: config[name] for name in ("width", "epochs", "batch_size")}, "probe_epoch": []}
    shared |= {"kind": "training", "budget": config["rates"] * config["seeds"]}
    for data, optimizer in product(config["data"], config["optimizer"]):
        decay = config["weight_decay"] if OPTIMIZERS[optimizer].decoupled else 0.0
        arm = shared | data_named(config, data) | {"optimizer": optimizer, "weight_decay": decay}
        for rate, repeat in product(grid(optimizer, config["rates"]), range(config["seeds"])):
            yield ComparedTrial(learning_rate=rate, repeat=repeat, **arm)


def measure(trial: ComparedTrial) -> Measured:
    """Train a network; its layers are not looked at."""
    found = train_network(trial)
    return {name: found[name] for name in ("trials", "history")}


def tuned_arms(runs: pd.DataFrame) -> ChosenArms:
    """Choose the rate of each optimizer on each data set by the validation metric."""
    return ChosenArms(scored(runs), ["data", "optimizer"])


def _note(config: Config) -> str:
    told = f"difference of test metrics, {config['rates']} rates x {config['seeds']} seeds an arm"
    if config["seeds"] >= SEEDS_TOLD:
        return told
    return f"{told}; with fewer than {SEEDS_TOLD} pairs no exact test of a difference can reach 0.05"


def _tie(lead: np.ndarray) -> str:
    tied = lead.size > 0 and not lead.any()
    return "; the arms end alike on every seed: this data set does not tell them apart" if tied else ""


def _pair_questions(arms: ChosenArms, data: str, note: str) -> Iterator[Question]:
    for first, second, rule, source, statement in PAIRS:
        pair = {"data": data, "optimizer": first}, {"data": data, "optimizer": second}
        lead = arms.lead("score", *pair)
        yield Question(
            id=f"optimizer-{first}-{second}-{data}",
            kind="claim",
            statement=statement,
            source=source,
            arm=f"{first} minus {second}, {data}",
            values=lead,
            rule=rule,
            note=note + _tie(lead),
            at_edge=arms.at_edge(*pair),
        )


def _page_questions(arms: ChosenArms, data: str, note: str) -> Iterator[Question]:
    adamw, momentum = ({"data": data, "optimizer": optimizer} for optimizer in ("adamw", "momentum"))
    yield Question(
        id=f"page-adamw-best-{data}",
        kind="correction",
        statement="Nothing is special about AdamW: tuned as often, it ends within 0.02 of SGD with momentum.",
        source="teaching pages that name AdamW as the optimizer to start with; Schmidt, Schneider and Hennig 2021",
        arm=f"adamw minus momentum, {data}",
        values=arms.lead("score", adamw, momentum),
        rule=Within(0.0, CLOSE),
        note=note,
        at_edge=arms.at_edge(adamw, momentum),
    )
    untuned = arms.values("score", adamw, DEFAULT_RATE) - arms.values("score", adamw)
    yield Question(
        id=f"page-adamw-default-{data}",
        kind="correction",
        statement="AdamW at 0.001, untuned, loses at most 0.02 to AdamW tuned.",
        source="teaching pages that say: start at 1e-3 with AdamW",
        arm=f"adamw at {DEFAULT_RATE:g} minus adamw tuned, {data}",
        values=untuned.dropna().to_numpy(),
        rule=AtLeast(-CLOSE),
        note=f"{note}; tuned rate {arms.rate(adamw):g}",
        at_edge=arms.at_edge(adamw),
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask which of two optimizers ends better, and what AdamW is worth untuned."""
    arms, note = tuned_arms(runs_of(tables["trials"], "training")), _note(config)
    for data in config["data"]:
        yield from _pair_questions(arms, data, note)
        yield from _page_questions(arms, data, note)


COMPARISON = Part(
    kinds={"training": Kind(ComparedTrial, measure, training_cost, TRAINING)}, trials=trials, questions=questions
)
