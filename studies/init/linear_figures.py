"""Figures of Jacobian spectra and of linear networks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.report.plots.intervals import Line
from nnsim.theory.training.linear_dynamics import mode_strength

from . import mode_plots
from .jacobian_spectra import CASES, DEPTHS, WIDTH
from .linear_depth import learning_times
from .linear_modes import RANDOM, RATE, STOPS, STRENGTHS


def linear_figures(tables: dict[str, pd.DataFrame]) -> dict[str, FigureSpec]:
    """Return the figures of A11 and A12."""
    small = rows_of(tables["modes"], scheme=RANDOM)
    times = learning_times(tables["trials"]).runs
    return {
        "spectra": FigureSpec(
            mode_plots.spectrum_variances(_spectrum_rows(tables["jacobians"]), _spectrum_lines()),
            f"Variance of the eigenvalues of J Jᵀ for critical networks of width {WIDTH}: means over networks with "
            "95 % intervals; dashed: exact for this width.",
            "The variance grows with depth in three cases and stays zero for orthogonal linear networks.",
        ),
        "modes": FigureSpec(
            mode_plots.learning(small, _sigmoids(small), times.assign(layers=times["depth"] + 1)),
            "Left: a linear network with one hidden layer learns its modes one after the other, from small random "
            "weights; dashed: the sigmoid of a balanced start. Right: steps to one per cent of the loss.",
            "Four sigmoid curves, the strongest first; steps to learn grow with depth for Gaussian weights only.",
        ),
    }


def _spectrum_rows(jacobians: pd.DataFrame) -> pd.DataFrame:
    names = {(case.activation, case.scheme): name for name, case in CASES.items()}
    pairs = zip(jacobians["activation"], jacobians["scheme"], strict=True)
    return jacobians.assign(case=[names.get(pair, "") for pair in pairs])


def _spectrum_lines() -> dict[str, Line]:
    depths = range(1, max(DEPTHS) + 1)
    return {
        name: (np.array(depths), np.array([case.variance(L, WIDTH) for L in depths])) for name, case in CASES.items()
    }


def _sigmoids(modes: pd.DataFrame) -> dict[float, Line]:
    steps = np.linspace(0, STOPS[-1], 200)
    curves = {}
    for strength in STRENGTHS:
        start = float(rows_of(modes, strength=strength)["start"].median())
        curves[strength] = steps, mode_strength(steps, strength, start, 1 / RATE)
    return curves
