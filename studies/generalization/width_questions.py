"""What more units do to the gap and to the test error, up to the width that fits the labels and beyond."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .arms import width_arms

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question
    from nnsim.report.tuned_arms import ChosenArms

FITS = 0.95  # a width interpolates if it has this share of its noisy training labels right
ZHANG = "Zhang et al. 2017"
NAKKIRAN = "Nakkiran et al. 2020"


def _width(noise: float, width: int) -> dict[str, Any]:
    return {"label_noise": noise, "width": width}


def _threshold(arms: ChosenArms, noise: float, widths: Sequence[int]) -> int:
    """Return the smallest width that interpolates; 0 where none does."""
    fits = (width for width in sorted(widths) if arms.values("train_metric", _width(noise, width)).mean() >= FITS)
    return next(fits, 0)


def width_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what more units do to the gap, and where the test error peaks."""
    arms = width_arms(trials)
    threshold = _threshold(arms, max(config["label_noise"]), config["width"])
    yield from _gap_questions(arms, threshold, config)
    yield from _peak_questions(arms, width_arms(trials, "validation_metric"), threshold, config)


def _compared(
    arms: ChosenArms, column: str, first: int, second: int, threshold: int, config: dict[str, Any]
) -> dict[str, Any]:
    """Return what a question says of two widths: what the first has more of, of an accuracy the error."""
    noise = max(config["label_noise"])
    pair = _width(noise, first), _width(noise, second)
    lead = arms.lead(column, *pair) if threshold and first and second and first != second else np.empty(0)
    where = f"{config['data']}, {config['rows']} rows, label noise {noise:g}, width {first} against {second}"
    note = f"paired difference of the {TEXTS[column]}; width {threshold} is the first to fit {FITS:.0%}"
    values = -lead if column == "test_metric" else lead
    return {"values": values, "arm": where, "at_edge": arms.at_edge(*pair), "note": note}


def _gap_questions(arms: ChosenArms, threshold: int, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.old_questions import Question

    narrowest, widest = min(config["width"]), max(config["width"])
    noise, clean = max(config["label_noise"]), min(config["label_noise"])
    noisy_arm, clean_arm = _width(noise, widest), _width(clean, widest)
    yield Question(
        "G-memorise", "claim", "A wide network fits labels that are wrong: over 99 % of its training labels.", ZHANG,
        f"{config['data']}, label noise {noise:g}, width {widest}",
        arms.values("train_metric", noisy_arm).dropna().to_numpy(), 0.99, "at_least",
        note="training accuracy on noisy labels",
    )  # fmt: skip
    yield Question(
        "G-gap-rises", "claim", "Up to the width that fits the noisy labels, the gap grows with width.",
        "bias and variance: Geman, Bienenstock and Doursat 1992", prediction=0.0, rule="above",
        **_compared(arms, "gap", threshold, narrowest, threshold, config),
    )  # fmt: skip
    yield Question(
        "G-gap-falls", "correction",
        "More parameters do not always overfit more: beyond the width that fits the labels the gap shrinks.",
        "textbook statement: the more parameters, the larger the gap; Neyshabur et al. 2015", prediction=0.0,
        rule="above", **_compared(arms, "gap", threshold, widest, threshold, config),
    )  # fmt: skip
    yield Question(
        "G-gap-noise", "claim", "Wrong labels widen the gap of a wide network.", ZHANG,
        f"{config['data']}, width {widest}, label noise {noise:g} against {clean:g}",
        arms.lead("gap", noisy_arm, clean_arm) if noise > clean else np.empty(0), 0.0, "above",
        at_edge=arms.at_edge(noisy_arm, clean_arm),
    )  # fmt: skip


def _peak_questions(arms: ChosenArms, tuned: ChosenArms, threshold: int, config: dict[str, Any]) -> Iterator[Question]:
    from nnsim.report.old_questions import Question

    narrowest, widest = min(config["width"]), max(config["width"])
    narrower = max((width for width in config["width"] if width < threshold), default=0)
    ask = partial(Question, kind="claim", prediction=0.0, rule="above")
    yield ask(
        "G-peak-error", source=NAKKIRAN, statement="Double descent of the error: trained networks err more often at "
        "the width that just fits the labels than at the next narrower one.",
        **_compared(arms, "test_metric", threshold, narrower, threshold, config),
    )  # fmt: skip
    yield ask(
        "G-peak-loss", source=NAKKIRAN, statement="Double descent of the loss, up: the test loss at the width that "
        "just fits the labels is above the narrowest network's.",
        **_compared(arms, "log_loss", threshold, narrowest, threshold, config),
    )  # fmt: skip
    yield ask(
        "G-second-descent", source=NAKKIRAN, statement="Double descent of the loss, down: wider networks have a "
        "smaller test loss than the one that just fits the labels.",
        **_compared(arms, "log_loss", threshold, widest, threshold, config),
    )  # fmt: skip
    yield ask(
        "G-peak-tuned", source="Nakkiran et al. 2021", statement="At the rates that validation rows choose the loss "
        "has no such peak: at that width it is below the narrowest network's.",
        **_compared(tuned, "log_loss", narrowest, threshold, threshold, config),
    )  # fmt: skip


TEXTS = {"gap": "gap", "log_loss": "logarithm of the test loss", "test_metric": "test error"}
