"""How deep networks end with batch normalisation and without, each at its own rate (D1)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from nnsim.report.questions import Above, AtLeast, Question
from nnsim.study.parts import Config

from .shared import PAGE, tuned

if TYPE_CHECKING:
    import pandas as pd


def questions(runs: pd.DataFrame, config: Config) -> Iterator[Question]:
    """Ask which deep network ends better, and whether the plain one is stable."""
    arms, depth, chance = tuned(runs), max(config["depth"]), float(runs["chance"].max())
    plain, batch = ({"normalization": kind, "depth": depth} for kind in ("none", "batch"))
    where = f"he_normal, relu, {depth} layers of {config['width']}, {config['data']}"
    ask = partial(Question, note=f"test metric at each arm's chosen rate; chance is {chance:.3g}")
    yield ask(
        id="D1-accuracy",
        kind="claim",
        statement="A deep network ends better with batch normalisation, each at its own rate.",
        source="Ioffe and Szegedy 2015",
        arm=f"batch minus none, {where}",
        values=arms.lead("score", batch, plain),
        rule=Above(0.0),
        at_edge=arms.at_edge(plain, batch),
    )
    yield ask(
        id="D1-unstable",
        kind="correction",
        statement=(
            "Without batch normalisation a deep network is stable at its own rate: it ends more than half way up."
        ),
        source=PAGE,
        arm=f"none, {where}",
        values=arms.values("score", plain).to_numpy(),
        rule=AtLeast(chance + (1 - chance) / 2),
        at_edge=arms.at_edge(plain),
    )
