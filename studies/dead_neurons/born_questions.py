"""How often networks are born dead, and what helps."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.theory.signals.dead_units import born_dead_bound, dead_at_input, dead_at_input_bound

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

LU = "Lu, Shin, Su and Karniadakis 2020"
LAW_MARGIN = 0.045  # one layer more or less would be off by 0.06 and more
EXACT_MARGIN = 0.03
TEXTBOOK = "textbook statement: dead units come from pushed weights; use leaky ReLU or He's initialization"


def _narrow(trials: pd.DataFrame, column: str, **arm: Any) -> np.ndarray:
    """Return zeros and ones of an arm's networks; an arm is plain where nothing else is said."""
    from nnsim.report.arms import rows_of

    plain = {"scheme": "he_normal", "activation": "relu", "shift": 0.0}
    rows = rows_of(trials, kind="narrow", status="done", **(plain | arm)).sort_values("repeat", kind="stable")
    return rows[column].to_numpy(dtype=float)


def law_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask how often narrow networks are silent, and how often they are born dead."""
    from nnsim.report.old_questions import Question

    for width, depth in product(config["narrow_width"], config["narrow_depth"]):
        shape, where = {"width": width, "depth": depth}, f"he_normal, relu, {depth} layers of {width}, one input"
        ask = partial(Question, interval="proportion", arm=where)
        yield ask(
            f"B1-{width}x{depth}", "claim", "A network is silent at a given input as often as 1 - (1 - 2^-N)^m says.",
            LU, values=_narrow(trials, "silent", **shape), prediction=dead_at_input([width] * depth), margin=LAW_MARGIN,
        )  # fmt: skip
        if depth == 2:
            yield ask(
                f"B2-exact-{width}", "claim", "Two narrow layers are born dead as often as the exact law says.",
                f"{LU}, theorem 3", values=_narrow(trials, "born_dead", **shape),
                prediction=born_dead_bound(width, 2), margin=EXACT_MARGIN,
            )  # fmt: skip
    width, depth = max(config["narrow_width"]), max(config["narrow_depth"])
    ask = partial(Question, interval="proportion", arm=f"he_normal, relu, {depth} layers of {width}, one input")
    born = _narrow(trials, "born_dead", width=width, depth=depth)
    yield ask(
        "B2-lower", "claim", "A deep narrow network is born dead at least as often as the lower bound says.",
        f"{LU}, theorem 3", values=born, prediction=born_dead_bound(width, depth), rule="at_least",
    )  # fmt: skip
    yield ask(
        "B2-upper", "claim", "A constant function is rarer than silence at one input.", LU, values=born,
        prediction=dead_at_input([width] * depth), rule="at_most",
    )  # fmt: skip


def remedy_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what keeps narrow networks from being born dead."""
    from nnsim.report.old_questions import Question

    shape = {"width": min(config["narrow_width"]), "depth": max(config["narrow_depth"])}
    where = f"relu, {shape['depth']} layers of {shape['width']}, one input"
    he = _narrow(trials, "born_dead", **shape)
    xavier = _narrow(trials, "born_dead", **shape, scheme="xavier_normal")
    asymmetric = _narrow(trials, "born_dead", **shape, scheme="asymmetric")
    yield Question(
        "B3-leaky", "check", "A leaky ReLU network is never a constant function.", "Maas, Hannun and Ng 2013",
        f"he_normal, leaky_{where}", _narrow(trials, "born_dead", **shape, activation="leaky_relu"), 0.0, "exact",
    )  # fmt: skip
    yield Question(
        "B3-he", "correction",
        "He's variance does not keep networks from being born dead: those of Glorot's variance die in the same draws.",
        TEXTBOOK, f"he_normal minus xavier_normal, {where}", _difference(he, xavier), 0.0, "exact",
    )  # fmt: skip
    yield Question(
        "B3-asymmetric", "claim", "With the randomised asymmetric scheme fewer networks are born dead.",
        f"{LU}, section 4", f"he_normal minus asymmetric, {where}", _difference(he, asymmetric), 0.0, "above",
        note="difference of the shares of networks that are born dead",
    )  # fmt: skip
    yield Question(
        "B3-mean", "claim", "Weights of a positive mean go silent at a positive input no more often than Phi allows.",
        "union of half spaces, see nnsim.theory.signals.dead_units", f"mean {settings.SHIFT:g} deviations, {where}",
        _narrow(trials, "silent", **shape, shift=settings.SHIFT), dead_at_input_bound(**shape, shift=settings.SHIFT),
        "at_most", interval="proportion",
        note=f"with mean 0 it is {dead_at_input([shape['width']] * shape['depth']):.3g}",
    )  # fmt: skip


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first - second if first.size == second.size else np.empty(0)


def invariant_questions(trials: pd.DataFrame) -> Iterator[Question]:
    """Ask whether units are drawn that are off on the whole batch."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(trials, kind="invariant", status="done")
    where = f"he_normal, relu, {settings.INVARIANT_DEPTH} layers of {settings.INVARIANT_WIDTH}, a batch of 64"
    normal, plain = (rows_of(rows, normalization=name)["off_units"].to_numpy(dtype=float) for name in ("batch", "none"))
    yield Question(
        "B3-batch", "check", "Behind batch normalisation no unit is drawn that is off on the whole batch.",
        "Ioffe and Szegedy 2015: mean 0 and variance 1", f"with, {where}", normal, 0.0, "exact",
    )  # fmt: skip
    yield Question(
        "B3-without", "claim", "Without it most such networks hold units that are off on the whole batch.", LU,
        f"without, {where}", (plain > 0).astype(float), 0.5, "above", interval="proportion",
    )  # fmt: skip
