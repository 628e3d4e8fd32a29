"""At which learning rates units begin to die, and what moves them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

OCTAVE = 1.0  # of log2(rate / predicted rate)


def critical_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """Return each seed's rate at which units begin to die, between the last calm rate and the first that kills.

    A rate kills if the share of dead units rises by more than `RISE`, or the run diverges. ``at_edge`` tells that the
    grid holds no calm rate below, or none that kills; ``critical_rate`` is then NaN.
    """
    import pandas as pd

    rows = []
    for repeat, group in runs.sort_values("learning_rate", kind="stable").groupby("repeat"):
        rates = group["learning_rate"].to_numpy(dtype=float)
        kills = ((group["dead_at_end"] - group["dead_at_start"]) > settings.RISE) | (group["status"] == "diverged")
        first = int(np.argmax(kills.to_numpy())) if kills.any() else 0
        rate = math.sqrt(rates[first - 1] * rates[first]) if first > 0 else math.nan
        rows.append((repeat, rate, first == 0))
    frame = pd.DataFrame(rows, columns=["repeat", "critical_rate", "at_edge"])
    return frame.astype({"repeat": "int64", "critical_rate": "float64", "at_edge": "bool"})


def training_arm(trials: pd.DataFrame, bias: float = 0.0, normalization: str = "none") -> pd.DataFrame:
    """Return the trained networks with a bias and a normalisation."""
    from nnsim.report.arms import rows_of

    return rows_of(trials, kind="training", bias=bias, normalization=normalization)


def jump_questions(trials: pd.DataFrame, sharpness: pd.DataFrame) -> Iterator[Question]:
    """Ask at which learning rate units begin to die."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    runs = training_arm(trials).merge(rows_of(sharpness, bias=0.0)[["repeat", "sharpness"]], on="repeat")
    found = critical_rates(runs).merge(rows_of(sharpness, bias=0.0)[["repeat", "sharpness"]], on="repeat")
    runs = runs.assign(scaled=runs["learning_rate"] * runs["sharpness"] / 2)
    calm = runs[(runs["scaled"] <= 1) & (runs["status"] == "done")]
    rises = (calm["dead_at_end"] - calm["dead_at_start"]).groupby(calm["repeat"]).max().dropna()
    where = "he_normal, bias 0, full-batch descent, dead on all training rows"
    yield Question(
        "B4-calm", "claim", "Rates below 2 / sharpness kill hardly any unit.", "Lewkowycz et al. 2020", where,
        rises.to_numpy(dtype=float), 0.05, "at_most", note="largest rise of the share of dead units over these rates",
    )  # fmt: skip
    octaves = np.log2((found["critical_rate"] * found["sharpness"] / 2).to_numpy(dtype=float))
    ask = partial(
        Question, kind="claim", arm=where, values=octaves[np.isfinite(octaves)], margin=OCTAVE,
        at_edge=bool(found["at_edge"].any()),
        note=f"log2 of (rate at which {settings.RISE:g} of the units have died, over 2 / sharpness at the start)",
    )  # fmt: skip
    yield ask(
        "B4-jump", statement="Units begin to die where the rate reaches 2 / sharpness.",
        source="stability of gradient descent on a quadratic", prediction=0.0,
    )  # fmt: skip
    yield ask(
        "B4-catapult", statement="They begin to die at about 12 / sharpness, where the catapult of ReLU networks ends.",
        source="Lewkowycz et al. 2020, section 3", prediction=math.log2(6),
    )  # fmt: skip


def bias_questions(trials: pd.DataFrame, sign: str, bias: float) -> Iterator[Question]:
    """Ask what a bias at the start does to units."""
    from nnsim.report.old_questions import Question

    zero, other = training_arm(trials), training_arm(trials, bias)
    rates = [critical_rates(runs).set_index("repeat") for runs in (zero, other)]
    octaves = np.log2(rates[1]["critical_rate"] / rates[0]["critical_rate"]).dropna().to_numpy(dtype=float)
    starts = [runs.groupby("repeat")["dead_at_start"].first() for runs in (zero, other)]
    if sign == "positive":
        yield Question(
            "B4-positive-bias", "claim", "A positive bias at the start lets units stand higher learning rates.",
            "Goodfellow, Bengio and Courville 2016, section 6.3", f"bias {bias:g} over bias 0, he_normal",
            octaves if bias > 0 else np.empty(0), 0.0, "above",
            at_edge=bool(rates[0]["at_edge"].any() or rates[1]["at_edge"].any()),
            note="log2 of the ratio of the rates at which units begin to die, paired by seed; the bias raises the "
            "sharpness, too: in units of 2 / sharpness the order turns round, see the figure",
        )  # fmt: skip
        return
    yield Question(
        "B4-negative-bias", "claim", "A negative bias at the start means more dead units before any training.",
        "Goodfellow, Bengio and Courville 2016, section 6.3", f"bias {bias:g} minus bias 0, he_normal, epoch 0",
        (starts[1] - starts[0]).dropna().to_numpy(dtype=float) if bias < 0 else np.empty(0), 0.0, "above",
        note="share of units that are off on all training rows",
    )  # fmt: skip
