"""What weights can do: written tents fold a line (C1), and approximate x^2 (C2)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nnsim.probes.expressivity import piece_counts as counts
from nnsim.report.arms import rows_of
from nnsim.report.questions import Exactly, Question
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.expressivity import approximation

from .shared import PAGE, ShapeTrial, count_cost, counted

if TYPE_CHECKING:
    import pandas as pd

ZIGZAGS = ((2, 4), (2, 8), (2, 16), (3, 4), (3, 8))
"""(depth, width) of wider sawtooth networks."""
TELGARSKY = "Telgarsky 2016, section 4"
YAROTSKY = "Yarotsky 2017, proposition 2"


def trials(config: Config) -> Iterator[ShapeTrial]:
    """Yield networks that are written down: there is nothing to draw."""
    tents = [(depth, 2) for depth in range(1, config["blocks"] + 1)]
    for depth, width in (*tents, *ZIGZAGS):
        yield ShapeTrial(kind="zigzag", depth=depth, width=width, dimension=1, repeat=0)
    for depth in range(1, config["tents"] + 1):
        yield ShapeTrial(kind="square", depth=depth, width=3, dimension=1, repeat=0)


def measure_zigzag(trial: ShapeTrial) -> Measured:
    """Count the affine pieces of a sawtooth."""
    return counted(trial, counts.zigzag_pieces(trial.width, trial.depth))


def measure_square(trial: ShapeTrial) -> Measured:
    """Find the error of x^2 by so many tents, and the straight lines that do as well."""
    return counted(trial, counts.square_error(trial.depth))


def _zigzag_questions(zigzags: pd.DataFrame, config: Config) -> Iterator[Question]:
    tents = rows_of(zigzags, width=2)
    yield Question(
        id="C1-tents",
        kind="check",
        statement="k blocks of two ReLU units make exactly 2^k affine pieces.",
        source=TELGARSKY,
        arm=f"written networks, 1 to {config['blocks']} blocks",
        values=(tents["pieces"] / 2.0 ** tents["depth"]).to_numpy(),
        rule=Exactly(1.0),
        note="pieces over 2^k; one hidden layer needs 2^k - 1 units for as many, a billion at k = 30",
    )
    yield Question(
        id="C1-power",
        kind="correction",
        statement=(
            "At two layers, twice the width makes four times the pieces: "
            "the count is n^L, not exponential in the width."
        ),
        source=PAGE,
        arm="written sawtooth networks of width 2, 4, 8, 16",
        values=_growth(rows_of(zigzags, depth=2)),
        rule=Exactly(0.0),
        note="log2 of the growth minus the depth; no network of this depth has more than (n + 1)^L (C1-bound)",
    )


def _growth(zigzags: pd.DataFrame) -> np.ndarray:
    """log2 of what doubling the width multiplies the pieces by, minus the depth."""
    rows = zigzags.sort_values("width", kind="stable")[["depth", "pieces"]].itertuples(index=False)
    return np.array([round(math.log2(many / few) - depth, 9) for (depth, few), (_, many) in pairwise(rows)])


def _square_questions(squares: pd.DataFrame, config: Config) -> Iterator[Question]:
    written = f"written networks, 1 to {config['tents']} tents"
    expected = np.array([approximation.square_error(depth) for depth in squares["depth"]])
    yield Question(
        id="C2-error",
        kind="check",
        statement="m tents approximate x^2 to exactly 2^(-2m - 2).",
        source=YAROTSKY,
        arm=written,
        values=squares["error"].to_numpy(dtype=float) / expected,
        rule=Exactly(1.0),
        note="measured over predicted",
    )
    needed = np.array([approximation.lines_for_error(error) for error in expected])
    yield Question(
        id="C2-lines",
        kind="check",
        statement="The best n straight lines miss x^2 by 1 / (8 n^2): that error takes 2^m / sqrt 2 lines.",
        source=YAROTSKY,
        arm=f"lines laid end to end against {written}",
        values=squares["lines"].to_numpy(dtype=float) - needed,
        rule=Exactly(0.0),
        note="lines needed minus predicted; one hidden layer of n units has at most n + 1",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the pieces of sawtooth networks, and for the error of x^2."""
    done = rows_of(tables["trials"], status="done")
    yield from _zigzag_questions(rows_of(done, kind="zigzag"), config)
    yield from _square_questions(rows_of(done, kind="square"), config)


TENTS = Part(
    kinds={
        "zigzag": Kind(ShapeTrial, measure_zigzag, count_cost),
        "square": Kind(ShapeTrial, measure_square, lambda trial: 1e-3 * 2.1**trial.depth),
    },
    trials=trials,
    questions=questions,
)
