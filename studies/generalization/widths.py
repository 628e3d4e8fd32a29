"""What more units do to the gap and to the test error, up to the width that fits the labels and beyond."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.questions import Above, AtLeast, Question
from nnsim.report.selection import select_learning_rate
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.parts import Config, Part

from .shared import NOISY, ZHANG, NoisyTrial, runs_of, settings_of

if TYPE_CHECKING:
    import pandas as pd

FITS = 0.95  # a width interpolates if it has this share of its noisy training labels right
NAKKIRAN = "Nakkiran et al. 2020"
TEXTS = {"gap": "gap", "log_loss": "logarithm of the test loss", "test_metric": "test error"}


def trials(config: Config) -> Iterator[NoisyTrial]:
    """Yield every width at every label noise, without a regulariser."""
    shared = settings_of(config) | {"kind": "width", "regulariser": "none", "strength": 0.0}
    grid = product(config["label_noise"], config["width"], config["learning_rate"], range(config["seeds"]))
    for noise, width, rate, repeat in grid:
        yield NoisyTrial(label_noise=noise, width=width, learning_rate=rate, repeat=repeat, **shared)


def width_arms(trials: pd.DataFrame, chosen_by: str = "train_metric") -> ChosenArms:
    """Choose each width's rate, usually by the training accuracy: the question is what the best fit makes of new rows.

    Among rates that fit equally well the smallest is chosen.
    """
    runs, names = runs_of(trials, "width"), ["label_noise", "width"]
    chosen = select_learning_rate(runs, names, chosen_by)
    chosen["at_edge"] = chosen["at_edge"].astype(bool) & (chosen[chosen_by] < 1.0)  # nothing fits better than wholly
    return ChosenArms(runs, names, chosen)


def _width(noise: float, width: int) -> dict[str, Any]:
    return {"label_noise": noise, "width": width}


def _threshold(arms: ChosenArms, noise: float, widths: Sequence[int]) -> int:
    """Smallest width that interpolates; 0 where none does."""
    fits = (width for width in sorted(widths) if arms.values("train_metric", _width(noise, width)).mean() >= FITS)
    return next(fits, 0)


def _fit_questions(arms: ChosenArms, config: Config) -> Iterator[Question]:
    """Ask what a wide network makes of wrong labels."""
    noise, clean, widest = max(config["label_noise"]), min(config["label_noise"]), max(config["width"])
    noisy_arm, clean_arm = _width(noise, widest), _width(clean, widest)
    yield Question(
        id="G-memorise",
        kind="claim",
        statement="A wide network fits labels that are wrong: over 99 % of its training labels.",
        source=ZHANG,
        arm=f"{config['data']}, label noise {noise:g}, width {widest}",
        values=arms.values("train_metric", noisy_arm).dropna().to_numpy(),
        rule=AtLeast(0.99),
        note="training accuracy on noisy labels",
    )
    yield Question(
        id="G-gap-noise",
        kind="claim",
        statement="Wrong labels widen the gap of a wide network.",
        source=ZHANG,
        arm=f"{config['data']}, width {widest}, label noise {noise:g} against {clean:g}",
        values=arms.lead("gap", noisy_arm, clean_arm) if noise > clean else np.empty(0),
        rule=Above(0.0),
        at_edge=arms.at_edge(noisy_arm, clean_arm),
    )


def _compared(
    config: Config, threshold: int, arms: ChosenArms, column: str, first: int, second: int, **asked: Any
) -> Question:
    """Ask whether the first of two widths has more of a column, of an accuracy the error, at the largest noise."""
    noise = max(config["label_noise"])
    pair = _width(noise, first), _width(noise, second)
    lead = arms.lead(column, *pair) if threshold and first and second and first != second else np.empty(0)
    where = f"{config['data']}, {config['rows']} rows, label noise {noise:g}"
    return Question(
        arm=f"{where}, width {first} against {second}",
        values=-lead if column == "test_metric" else lead,
        rule=Above(0.0),
        note=f"paired difference of the {TEXTS[column]}; width {threshold} is the first to fit {FITS:.0%}",
        at_edge=arms.at_edge(*pair),
        **asked,
    )


def _gap_questions(arms: ChosenArms, threshold: int, config: Config) -> Iterator[Question]:
    """Ask where the gap grows with width."""
    ask = partial(_compared, config, threshold)
    yield ask(
        *(arms, "gap", threshold, min(config["width"])),
        id="G-gap-rises",
        kind="claim",
        statement="Up to the width that fits the noisy labels, the gap grows with width.",
        source="bias and variance: Geman, Bienenstock and Doursat 1992",
    )
    yield ask(
        *(arms, "gap", threshold, max(config["width"])),
        id="G-gap-falls",
        kind="correction",
        statement="More parameters do not always overfit more: beyond the width that fits the labels the gap shrinks.",
        source="textbook statement: the more parameters, the larger the gap; Neyshabur et al. 2015",
    )


def _peak_questions(arms: ChosenArms, tuned: ChosenArms, threshold: int, config: Config) -> Iterator[Question]:
    """Ask whether error and loss peak at the width that just fits."""
    narrowest, widest = min(config["width"]), max(config["width"])
    narrower = max((width for width in config["width"] if width < threshold), default=0)
    ask = partial(_compared, config, threshold)
    yield ask(
        *(arms, "test_metric", threshold, narrower),
        id="G-peak-error",
        kind="claim",
        statement="Double descent of the error: trained networks err more often at the width that just fits the labels "
        "than at the next narrower one.",
        source=NAKKIRAN,
    )
    yield ask(
        *(arms, "log_loss", threshold, narrowest),
        id="G-peak-loss",
        kind="claim",
        statement="Double descent of the loss, up: the test loss at the width that just fits the labels is above the "
        "narrowest network's.",
        source=NAKKIRAN,
    )
    yield ask(
        *(arms, "log_loss", threshold, widest),
        id="G-second-descent",
        kind="claim",
        statement="Double descent of the loss, down: wider networks have a smaller test loss than the one that just "
        "fits the labels.",
        source=NAKKIRAN,
    )
    yield ask(
        *(tuned, "log_loss", narrowest, threshold),
        id="G-peak-tuned",
        kind="claim",
        statement="At the rates that validation rows choose the loss has no such peak: at that width it is below the "
        "narrowest network's.",
        source="Nakkiran et al. 2021",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask what more units do to the gap, and where the test error peaks."""
    trials = tables["trials"]
    arms = width_arms(trials)
    threshold = _threshold(arms, max(config["label_noise"]), config["width"])
    yield from _fit_questions(arms, config)
    yield from _gap_questions(arms, threshold, config)
    yield from _peak_questions(arms, width_arms(trials, "validation_metric"), threshold, config)


WIDTHS = Part(kinds={"width": NOISY}, trials=trials, questions=questions)
