"""What drawn weights do: breakpoints along a line, as many as neurons, however these are stacked (C3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.expressivity.linear_pieces import follow
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtMost, Question, Within
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.expressivity import regions as laws

from .shared import PAGE, ShapeTrial, count_cost, counted

if TYPE_CHECKING:
    import pandas as pd

BIAS = 1.0
"""Standard deviation of the biases; the segment reaches from -1 to 1."""
SEGMENT = np.array([[-1.0], [1.0]])
LIBERTY = 0.03  # of a relative count: biases of 1.1 instead of 1 would be off by 0.05
SLOPE_MARGIN = 0.05
HANIN = "Hanin and Rolnick 2019"
WHERE = f"He weights, biases N(0, {BIAS:g}), inputs from -1 to 1"


@dataclass(frozen=True, kw_only=True)
class RandomTrial(ShapeTrial):
    """A drawn network; its layers are of whole units, as near to so many neurons as they can be from below."""

    scheme: str
    activation: str
    neurons: int


def trials(config: Config) -> Iterator[RandomTrial]:
    """Yield drawn networks of equal neurons, stacked to different depths."""
    network: dict[str, Any] = {"scheme": f"mean_field:{math.sqrt(2)}:{BIAS}", "activation": "relu", "dimension": 1}
    for neurons, depth in product(config["neurons"], config["line_depth"]):
        shape = {"neurons": neurons, "depth": depth, "width": neurons // depth}
        for repeat in range(config["line_nets"]):
            yield RandomTrial(kind="random", repeat=repeat, **shape, **network)


def measure(trial: RandomTrial) -> Measured:
    """Follow a network along the segment."""
    spec = NetworkSpec((1, *[trial.width] * trial.depth, 1), loss="mse", dtype="float64")
    theta = initialize(spec, trial.scheme, key(trial.root_seed, "init", trial.repeat))
    trace = follow(spec.layers(theta), SEGMENT)
    return counted(trial, {"pieces": trace.pieces, "first_breaks": trace.breaks[0]})


def expected_breaks(neurons: int, depth: int) -> float:
    """Return the predicted breakpoints of a random network."""
    return laws.random_breaks([neurons // depth] * depth, 1.0, BIAS**2)


Breaks = dict[tuple[int, int], "pd.Series"]
"""Breakpoints by seed, of each number of neurons and depth."""


def _breaks(rows: pd.DataFrame, config: Config) -> Breaks:
    return {
        (neurons, depth): rows_of(rows, neurons=neurons // depth * depth, depth=depth).set_index("repeat")["pieces"] - 1
        for neurons, depth in product(config["neurons"], config["line_depth"])
    }


def _first_layer_question(rows: pd.DataFrame) -> Question:
    law = laws.layer_breaks(1, 1.0, 2.0, BIAS**2)
    return Question(
        id="C3-first",
        kind="claim",
        statement="A first layer of n units has n (2/pi) arctan(a sw/sb) breakpoints on [-a, a].",
        source=HANIN,
        arm=f"{WHERE}, all depths",
        values=(rows["first_breaks"] / (rows["width"] * law)).to_numpy(dtype=float),
        rule=Within(1.0, LIBERTY),
        note="measured over predicted",
    )


def _count_question(breaks: Breaks, neurons: int, depth: int) -> Question:
    return Question(
        id=f"C3-count-{depth}",
        kind="claim",
        statement="A random network has as many breakpoints as Kac and Rice's formula says.",
        source=HANIN,
        arm=f"{WHERE}, {neurons} neurons in {depth} layers",
        values=breaks[neurons, depth].to_numpy(dtype=float) / expected_breaks(neurons, depth),
        rule=Within(1.0, LIBERTY),
        note="over the prediction for infinite width; 4 layers of 96 lack 1 %",
    )


def _growth_questions(breaks: Breaks, config: Config) -> Iterator[Question]:
    from nnsim.report.statistics.slopes import log_slopes, side_by_side  # it needs pandas and SciPy

    most, shallow, deep = max(config["neurons"]), min(config["line_depth"]), max(config["line_depth"])
    wide = side_by_side({neurons: breaks[neurons, shallow] for neurons in sorted(set(config["neurons"]))})
    yield Question(
        id="C3-neurons",
        kind="claim",
        statement="The number of breakpoints grows in proportion to the number of neurons.",
        source=HANIN,
        arm=f"{WHERE}, {shallow} layers, {', '.join(map(str, config['neurons']))} neurons",
        values=log_slopes(wide),
        rule=Within(1.0, SLOPE_MARGIN),
        note="log-log slope",
    )
    pair = side_by_side({depth: breaks[most, depth] for depth in (shallow, deep)})
    yield Question(
        id="C3-depth",
        kind="correction",
        statement="Depth does not multiply the pieces of a random network: equal neurons, no more.",
        source=PAGE,
        arm=f"{WHERE}, {most} neurons in {deep} minus in {shallow} layers",
        values=(pair[deep] - pair[shallow]).to_numpy(dtype=float) if deep > shallow else np.empty(0),
        rule=AtMost(0.0),
        note=f"{HANIN}: what weights can do is not what they do",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the breakpoints of the first layer and of all, and how they grow with neurons and depth."""
    rows = rows_of(tables["trials"], kind="random", status="done")
    breaks = _breaks(rows, config)
    yield _first_layer_question(rows)
    for depth in sorted({min(config["line_depth"]), max(config["line_depth"])}):
        yield _count_question(breaks, max(config["neurons"]), depth)
    yield from _growth_questions(breaks, config)


RANDOM = Part(
    kinds={"random": Kind(RandomTrial, measure, count_cost)},
    trials=trials,
    questions=questions,
)
