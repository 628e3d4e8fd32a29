"""The figures of the study, theory beside measurement."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.study.parts import Config
from nnsim.theory.expressivity.approximation import best_lines_error, square_error

from . import approximation, enclosure, equal_parameters, plots, sawtooth
from .random_networks import expected_breaks


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    return _exact_figures(rows_of(tables["trials"], status="done"), config) | _trained_figures(tables)


def _exact_figures(done: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    squares, depths = rows_of(done, kind="square"), np.array(sorted(set(config["line_depth"])))
    lines = {
        neurons: (depths, np.array([expected_breaks(neurons, depth) for depth in depths.tolist()]))
        for neurons in config["neurons"]
    }
    return {
        "pieces": FigureSpec(
            plots.pieces(rows_of(done, kind="zigzag", width=2), rows_of(done, kind="random"), lines),
            "What weights can do and what they do. Left: written tents double their pieces with every block of two "
            "units; one hidden layer of as many units has at most one piece more than units. Right: random networks of "
            "equal neurons have no more breakpoints when they are deep; dashed: Kac and Rice's formula.",
            "Affine pieces against depth: doubling for written networks, slowly falling for random ones.",
        ),
        "square": FigureSpec(
            plots.square(
                squares["depth"].to_numpy(), squares["error"].to_numpy(dtype=float), square_error, best_lines_error
            ),
            "Largest error for x² on the unit interval. Every layer of three units divides it by four; a unit more in "
            "one hidden layer is one line more. Points: followed exactly; dashed: 2^(-2m-2).",
            "Largest error against hidden units on a logarithmic scale, deep far below shallow.",
        ),
    }


def _trained_figures(tables: dict[str, pd.DataFrame]) -> dict[str, FigureSpec]:
    trials, pieces = tables["trials"], 2**sawtooth.TEETH_BLOCKS
    chosen = enclosure.arms(trials).rates
    decided = chosen.merge(tables["decisions"], on=["depth", "width", "learning_rate"])
    return {
        "sawtooth": FigureSpec(
            plots.found(sawtooth.arms(trials).runs, pieces),
            f"What training finds of a sawtooth of {pieces} pieces: test R² against the affine pieces counted "
            "in each trained network, one point a seed, each arm at its chosen rate. The network of 3 layers of 2 "
            "could be exact, and is not; a network of one piece answers a constant.",
            "Test R² against counted pieces; only networks with many more parameters than needed reach 1.",
        ),
        "approximation": FigureSpec(
            plots.approximation(approximation.arms(trials).runs, tables["fixed"]),
            f"Share of the variance of {approximation.RIDGE} that is left, against the hidden units: trained networks "
            "at their chosen rates, and fixed random units of which the output is fitted. Medians with 95 % "
            "intervals; dashed: 1/n.",
            "Error against units: trained ones fall faster than 1/n in every dimension, fixed ones stall in ten.",
        ),
        "equal-parameters": FigureSpec(
            plots.equal_parameters(equal_parameters.arms(trials).runs),
            "Test accuracy against depth at equal parameters, each depth at its chosen learning rate; medians with "
            "95 % intervals over seeds.",
            "Test accuracy against the number of hidden layers, a panel a data set.",
        ),
        "decisions": FigureSpec(
            plots.decisions(decided, enclosure.SHAPES, enclosure.REACH),
            "Where networks see the inner of two circles, at their chosen rates, first seed. Width 2 leaves every "
            "region open at any depth; width 3 closes one.",
            "Decision regions of four networks of the plane.",
        ),
    }
