"""How far the distributions that layers see move in training, with batch normalisation and without (D1)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nnsim.probes.units import drift
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtLeast, AtMost, Question
from nnsim.study.parts import Config, Rows
from nnsim.study.unit_trials import UnitLook

from .shared import PAGE, tuned

if TYPE_CHECKING:
    import pandas as pd


def rows(looks: list[UnitLook], normalization: str) -> Rows:
    """Tell how far the distributions of each layer have moved since the start, after each look."""
    return [
        {
            "epoch": epoch,
            "layer": layer,
            "seen": drift(start, facts),
            "linear": drift(start, facts, linear=True) if normalization != "layer" else None,
        }
        for epoch, now in looks[1:]
        for layer, (start, facts) in enumerate(zip(looks[0][1], now, strict=True), start=1)
    ]


def questions(runs: pd.DataFrame, moved: pd.DataFrame, config: Config) -> Iterator[Question]:
    """Ask how far distributions drift at the end, in front of the activations and of the normalisations."""
    arms, depth = tuned(runs), max(config["depth"])
    last = rows_of(arms.pick(moved), depth=depth, epoch=config["epochs"])
    plain, batch = (
        rows_of(last, normalization=kind).groupby("repeat")[["seen", "linear"]].mean() for kind in ("none", "batch")
    )
    where = f"he_normal, relu, {depth} layers of {config['width']}, {config['data']}, each at its chosen rate"
    edge = arms.at_edge(*({"normalization": kind, "depth": depth} for kind in ("none", "batch")))
    ask = partial(Question, kind="correction", at_edge=edge)
    yield ask(
        id="D1-drift-plain",
        statement=(
            "Without normalisation what layers see drifts by half a deviation and more, at a rate at which it learns."
        ),
        source=PAGE,
        arm=f"none, {where}",
        values=plain["seen"].dropna().to_numpy(dtype=float),
        rule=AtLeast(0.5),
        note="mean over layers of the distance from the start, in standard deviations",
    )
    held = "What the activations see drifts less behind batch normalisation."
    moves = "What the linear layers give drifts no less with batch normalisation than without."
    for name, column, statement, rule in (
        ("held", "seen", held, AtMost(0.0)),
        ("moves", "linear", moves, AtLeast(0.0)),
    ):
        yield ask(
            id=f"D1-drift-{name}",
            statement=statement,
            source="Santurkar et al. 2018",
            arm=f"batch over none, {where}",
            values=np.log(batch[column] / plain[column]).dropna().to_numpy(dtype=float),
            rule=rule,
            note="ln of the ratio of drifts, paired by seed",
        )
