"""How often narrow networks are silent or born dead, and what keeps them from it (B1, B2, B3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnsim.probes.expressivity.born_dead import is_constant
from nnsim.probes.units import unit_facts
from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtLeast, AtMost, Exactly, Question, Within
from nnsim.study.network_trials import network_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.study.unit_trials import start_of
from nnsim.theory.signals.dead_units import born_dead_bound, dead_at_input, dead_at_input_bound

from .shared import LU, TEXTBOOK

if TYPE_CHECKING:
    import pandas as pd

LINE: dict[str, Any] = {"data": "target_abs", "samples": 60, "fingerprint": ""}  # one input
PLAIN: dict[str, Any] = {"scheme": "he_normal", "activation": "relu", "shift": 0.0}
SHIFT = 0.5  # of the weights' mean, in standard deviations
REMEDIES: tuple[dict[str, Any], ...] = (
    {"activation": "leaky_relu"},
    {"scheme": "xavier_normal"},
    {"scheme": "asymmetric"},
    {"shift": SHIFT},
)
LAW_MARGIN = 0.045  # one layer more or less would be off by 0.06 and more
EXACT_MARGIN = 0.03


@dataclass(frozen=True, kw_only=True)
class NarrowTrial(NetworkTrial):
    """A network of one input, as it is drawn.

    Attributes
    ----------
    shift : float
        What is added to the weights, in their standard deviations.
    """

    shift: float

    def smallest(self) -> Self:
        """Return one hidden layer, still of one input."""
        return replace(super().smallest(), data=self.data)


def deadliest(config: Config) -> dict[str, int]:
    """Return the shape that dies most often."""
    return {"width": min(config["narrow_width"]), "depth": max(config["narrow_depth"])}


def trials(config: Config) -> Iterator[NarrowTrial]:
    """Yield the grid of shapes, and every remedy at the shape that dies most often."""
    shapes = [{"width": width, "depth": depth} for width, depth in product(*_grid(config))]
    for arm in (*shapes, *(deadliest(config) | remedy for remedy in REMEDIES)):
        for repeat in range(config["nets"]):
            yield NarrowTrial(kind="narrow", **PLAIN | arm, repeat=repeat, **LINE)


def _grid(config: Config) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return config["narrow_width"], config["narrow_depth"]


def measure(trial: NarrowTrial) -> Measured:
    """Tell whether a random network of one input is silent at x = 1, and whether it is constant on [-1, 1]."""
    spec = replace(network_of(trial, "float64"), loss="mse")
    theta = start_of(trial, spec)
    for W, _ in spec.layers(theta):
        W += trial.shift * math.sqrt(2 / W.shape[0])
    at_one = unit_facts(spec, theta, np.ones((1, 1)))
    silent = any(facts.dead.all() for facts in at_one)
    return {"trials": [{"silent": silent, "born_dead": is_constant(spec, theta)}]}


def _found(trials: pd.DataFrame, column: str, **arm: Any) -> np.ndarray:
    """Return zeros and ones of an arm's networks; an arm is plain where nothing else is said."""
    rows = rows_of(trials, kind="narrow", status="done", **PLAIN | arm)
    return rows.sort_values("repeat", kind="stable")[column].to_numpy(dtype=float)


def _where(width: int, depth: int) -> str:
    return f"relu, {depth} layers of {width}, one input"


def _law_questions(trials: pd.DataFrame, config: Config) -> Iterator[Question]:
    """Ask whether the exact laws hold, each shape on its own."""
    for width, depth in product(*_grid(config)):
        ask = partial(Question, kind="claim", arm=f"he_normal, {_where(width, depth)}", interval="proportion")
        yield ask(
            id=f"B1-{width}x{depth}",
            statement="A network is silent at a given input as often as 1 - (1 - 2^-N)^m says.",
            source=LU,
            values=_found(trials, "silent", width=width, depth=depth),
            rule=Within(dead_at_input([width] * depth), LAW_MARGIN),
        )
        if depth == 2:
            yield ask(
                id=f"B2-exact-{width}",
                statement="Two narrow layers are born dead as often as the exact law says.",
                source=f"{LU}, theorem 3",
                values=_found(trials, "born_dead", width=width, depth=depth),
                rule=Within(born_dead_bound(width, 2), EXACT_MARGIN),
            )


def _bound_questions(trials: pd.DataFrame, config: Config) -> Iterator[Question]:
    """Ask whether the bounds of deeper networks hold, for the largest shape."""
    width, depth = map(max, _grid(config))
    ask = partial(
        Question,
        kind="claim",
        arm=f"he_normal, {_where(width, depth)}",
        values=_found(trials, "born_dead", width=width, depth=depth),
        interval="proportion",
    )
    yield ask(
        id="B2-lower",
        statement="A deep narrow network is born dead at least as often as the lower bound says.",
        source=f"{LU}, theorem 3",
        rule=AtLeast(born_dead_bound(width, depth)),
    )
    yield ask(
        id="B2-upper",
        statement="A constant function is rarer than silence at one input.",
        source=LU,
        rule=AtMost(dead_at_input([width] * depth)),
    )


def _remedy_questions(trials: pd.DataFrame, config: Config) -> Iterator[Question]:
    """Ask what keeps narrow networks from being born dead."""
    shape = deadliest(config)
    where, he = _where(**shape), _found(trials, "born_dead", **shape)
    yield Question(
        id="B3-leaky",
        kind="check",
        statement="A leaky ReLU network is never a constant function.",
        source="Maas, Hannun and Ng 2013",
        arm=f"he_normal, leaky_{where}",
        values=_found(trials, "born_dead", **shape, activation="leaky_relu"),
        rule=Exactly(0.0),
    )
    yield Question(
        id="B3-he",
        kind="correction",
        statement=(
            "He's variance does not keep networks from being born dead: those of Glorot's variance die in the same "
            "draws."
        ),
        source=TEXTBOOK,
        arm=f"he_normal minus xavier_normal, {where}",
        values=_difference(he, _found(trials, "born_dead", **shape, scheme="xavier_normal")),
        rule=Exactly(0.0),
    )
    yield Question(
        id="B3-asymmetric",
        kind="claim",
        statement="With the randomised asymmetric scheme fewer networks are born dead.",
        source=f"{LU}, section 4",
        arm=f"he_normal minus asymmetric, {where}",
        values=_difference(he, _found(trials, "born_dead", **shape, scheme="asymmetric")),
        rule=Above(0.0),
        note="difference of the shares of networks that are born dead",
    )


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first - second if first.size == second.size else np.empty(0)


def _mean_question(trials: pd.DataFrame, config: Config) -> Question:
    """Ask whether weights of a positive mean are silent as rarely as they must be."""
    shape = deadliest(config)
    return Question(
        id="B3-mean",
        kind="claim",
        statement="Weights of a positive mean go silent at a positive input no more often than Phi allows.",
        source="union of half spaces, see nnsim.theory.signals.dead_units",
        arm=f"mean {SHIFT:g} deviations, {_where(**shape)}",
        values=_found(trials, "silent", **shape, shift=SHIFT),
        rule=AtMost(dead_at_input_bound(**shape, shift=SHIFT)),
        interval="proportion",
        note=f"with mean 0 it is {dead_at_input([shape['width']] * shape['depth']):.3g}",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how often narrow networks are silent and born dead, and what helps."""
    trials = tables["trials"]
    yield from _law_questions(trials, config)
    yield from _bound_questions(trials, config)
    yield from _remedy_questions(trials, config)
    yield _mean_question(trials, config)


BORN_DEAD = Part(
    kinds={
        "narrow": Kind(
            NarrowTrial,
            measure,
            lambda trial: 2e-4 + 4e-5 * trial.depth,
            ("unit_facts float64", "value_and_slope float64"),
        )
    },
    trials=trials,
    questions=questions,
)
