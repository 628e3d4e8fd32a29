"""How linear networks learn (A12): mode by mode, and in a time that depends on the start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.theory.training.linear_dynamics import half_time, mode_strength

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question
    from nnsim.report.tuned_arms import ChosenArms

SAXE = "Saxe, McClelland and Ganguli 2014"
CURVE = 0.02  # largest distance from the sigmoid, over the strength: steps are finite, and flow is not
HALF_TIME_MARGIN = 0.05  # of ln: twice the start, or another strength by a tenth, would be off by 0.1
GROWTH = math.log(2)  # of the steps where the depth grows fourfold


def curve_distances(modes: pd.DataFrame) -> pd.Series:
    """Return each seed's largest distance of a mode from its sigmoid curve, over the mode's strength."""
    distances = []
    for (repeat, strength), rows in modes.groupby(["repeat", "strength"]):
        curve = mode_strength(rows["step"], strength, rows["start"].iloc[0], 1 / rows["learning_rate"].iloc[0])
        distances.append((repeat, np.max(np.abs(rows["learnt"].to_numpy(dtype=float) - curve)) / strength))
    return _frame(distances).groupby("repeat")["value"].max()


def half_times(modes: pd.DataFrame, mode: int) -> pd.Series:
    """Return each seed's ln of the measured over the predicted step at which a mode has half its strength."""
    ratios = []
    for repeat, rows in modes[modes["mode"] == mode].groupby("repeat"):
        rows = rows.sort_values("step", kind="stable")
        strength, learnt = rows["strength"].iloc[0], rows["learnt"].to_numpy(dtype=float)
        predicted = half_time(strength, rows["start"].iloc[0], 1 / rows["learning_rate"].iloc[0])
        over = np.flatnonzero(learnt >= strength / 2)
        if not over.size or over[0] == 0:
            ratios.append((repeat, math.nan))
            continue
        ends = slice(over[0] - 1, over[0] + 1)
        found = np.interp(strength / 2, learnt[ends], rows["step"].to_numpy(dtype=float)[ends])
        ratios.append((repeat, math.log(found / predicted)))
    return _frame(ratios).set_index("repeat")["value"]


def _frame(rows: list[tuple]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=["repeat", "value"])


def mode_questions(modes: pd.DataFrame) -> Iterator[Question]:
    """Ask whether modes follow their sigmoid curves, from a balanced start and from a small random one."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    where = f"one hidden layer of {settings.MODE_UNITS}, linear, learning rate {settings.MODE_RATE:g}"
    distances = curve_distances(rows_of(modes, scheme="balanced"))
    yield Question(
        "A12-curve", "check", "From a balanced start every mode follows its sigmoid curve.", f"{SAXE}, eq. 12",
        f"balanced, {where}", distances.to_numpy(dtype=float), CURVE, "at_most",
        note="largest distance from the curve over the mode's strength",
    )  # fmt: skip
    small = rows_of(modes, scheme=settings.MODE_SCHEMES[1])
    last = len(settings.MODE_STRENGTHS)
    for mode, name in ((1, "strongest"), (last, "weakest")):
        yield Question(
            f"A12-half-time-{name}", "claim",
            f"From a small random start the {name} mode is half learnt when the formula for balanced layers says.",
            f"{SAXE}, sections 1.2 and 1.3", f"{settings.MODE_SCHEMES[1]}, {where}",
            half_times(small, mode).to_numpy(dtype=float), 0.0, margin=HALF_TIME_MARGIN,
            note="ln of the measured over the predicted half-time; each mode from its own start",
        )  # fmt: skip


# --- depth ---------------------------------------------------------------------------------------------------------


def learning_times(trials: pd.DataFrame) -> ChosenArms:
    """Return the arms at their quickest rates, with the ``steps`` to learn.

    A network that has not learnt when training ends, or diverges, counts with all the steps there were.
    """
    from nnsim.report.arms import rows_of
    from nnsim.report.selection import select_learning_rate
    from nnsim.report.tuned_arms import ChosenArms

    runs = rows_of(trials, kind="deep_linear")
    runs = runs[runs["status"] != "error"]
    runs = runs.assign(steps=runs["steps_to_learn"].astype(float).fillna(settings.DEEP_STEPS), status="done")
    runs = runs.assign(log_steps=np.log(runs["steps"].clip(lower=1)))
    names = ["scheme", "depth"]
    return ChosenArms(runs, names, select_learning_rate(runs, names, "log_steps", larger_is_better=False))


def depth_questions(trials: pd.DataFrame) -> Iterator[Question]:
    """Ask whether the steps to learn grow with depth, from orthogonal and from scaled Gaussian weights."""
    from nnsim.report.old_questions import Question

    arms = learning_times(trials)
    low, high = settings.DEEP_COMPARED
    texts: dict[str, tuple[str, str, Any]] = {
        "orthogonal:1": (
            "orthogonal",
            "From orthogonal weights four times the depth does not double the steps.",
            "at_most",
        ),
        "lecun_normal": ("gaussian", "From scaled Gaussian weights it more than doubles them.", "at_least"),
    }
    for scheme, (name, statement, rule) in texts.items():
        long, short = ({"scheme": scheme, "depth": depth} for depth in (high, low))
        yield Question(
            f"A12-depth-{name}", "claim", statement, f"{SAXE}, section 3, figure 6",
            f"{scheme}, linear, {high} hidden layers of {settings.DEEP_FEATURES} against {low}",
            arms.lead("log_steps", long, short), GROWTH, rule, at_edge=arms.at_edge(long, short),
            note=f"ln of the ratio of steps to {settings.DEEP_SHARE:.0%} of the loss, each at its quickest rate",
        )  # fmt: skip
