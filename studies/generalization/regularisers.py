"""What regularisers are worth, each at its tuned rate and strength."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from nnsim.report.arms import chosen_rates
from nnsim.report.questions import Above, Question
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.parts import Config, Part

from .shared import NOISY, NoisyTrial, runs_of, settings_of

if TYPE_CHECKING:
    import pandas as pd


class Regulariser(NamedTuple):
    """The axis that holds its strengths, its name in words, and the paper."""

    axis: str
    words: str
    source: str


REGULARISERS = {
    "dropout": Regulariser("dropout", "dropout", "Srivastava et al. 2014"),
    "adamw": Regulariser("decoupled_decay", "decoupled weight decay (AdamW)", "Loshchilov and Hutter 2019"),
    "l2": Regulariser("penalty", "an L2 penalty in Adam", "Krogh and Hertz 1992"),
    "stopping": Regulariser("patience", "early stopping", "Prechelt 1998"),
}
LABELS = {"none": "nothing"} | {name: regulariser.words for name, regulariser in REGULARISERS.items()}


def trials(config: Config) -> Iterator[NoisyTrial]:
    """Yield every regulariser at every strength, at the largest label noise and one width."""
    shared = settings_of(config) | {"kind": "regularised", "width": config["tuned_width"]}
    shared |= {"label_noise": max(config["label_noise"])}
    arms = [("none", 0.0)]
    arms += [(name, float(strength)) for name, (axis, *_) in REGULARISERS.items() for strength in config[axis]]
    for (name, strength), rate, repeat in product(arms, config["tuned_rate"], range(config["seeds"])):
        yield NoisyTrial(regulariser=name, strength=strength, learning_rate=rate, repeat=repeat, **shared)


def regularised_arms(trials: pd.DataFrame) -> tuple[ChosenArms, dict[str, float]]:
    """Return the arms with their rates, and the strength of each regulariser; validation rows choose both.

    The weakest strength has an arm without the regulariser next to it, so only the strongest is an edge.
    """
    runs, names = runs_of(trials, "regularised"), ["regulariser", "strength"]
    chosen = chosen_rates(runs, names)
    best = {}
    for name, group in chosen.groupby("regulariser", sort=False):
        strength = float(group.sort_values("validation_metric", ascending=False, kind="stable")["strength"].iloc[0])
        best[str(name)] = strength
        strongest = group["strength"].min() if name == "stopping" else group["strength"].max()
        if (name, strongest) not in {("none", 0.0), ("stopping", 1.0)}:  # no patience is shorter than one epoch
            edge = (chosen["regulariser"] == name) & (chosen["strength"] == strongest)
            chosen.loc[edge, "at_edge"] = True
    return ChosenArms(runs, names, chosen), best


def _compared(
    config: Config, arms: ChosenArms, strengths: dict[str, float], column: str, first: str, second: str, **asked: Any
) -> Question:
    """Ask whether the first of two regularisers has more of a column, each at its chosen strength."""
    pair = [{"regulariser": name, "strength": strengths.get(name, 0.0)} for name in (first, second)]
    where = f"{config['data']}, width {config['tuned_width']}, label noise {max(config['label_noise']):g}"
    sides = " against ".join(f"{LABELS[name]} {strengths.get(name, 0.0):g}" for name in (first, second))
    return Question(
        kind="claim",
        arm=f"{where}; {sides}",
        values=arms.lead(column, *pair),
        rule=Above(0.0),
        note=f"paired difference of the {column.replace('_', ' ')}; rates and strengths chosen on validation rows",
        at_edge=arms.at_edge(*pair),
        **asked,
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask which regularisers narrow the gap, and which raise the test accuracy."""
    ask = partial(_compared, config, *regularised_arms(tables["trials"]))
    for name, (_, words, source) in REGULARISERS.items():
        yield ask(
            *("gap", "none", name),
            id=f"G-{name}-gap",
            statement=f"With label noise {words} narrows the gap.",
            source=source,
        )
        yield ask(
            *("test_metric", name, "none"),
            id=f"G-{name}-test",
            statement=f"With label noise {words} raises the test accuracy of a network with a tuned rate.",
            source=source,
        )
    yield ask(
        *("test_metric", "adamw", "l2"),
        id="G-adamw-l2",
        statement="Decoupled decay gives a higher test accuracy than an L2 penalty in Adam, both tuned.",
        source=REGULARISERS["adamw"].source,
    )


REGULARISED = Part(kinds={"regularised": NOISY}, trials=trials, questions=questions)
