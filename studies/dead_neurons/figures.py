"""The figures of the study, theory beside measurement."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.report.statistics import proportion_interval
from nnsim.study.parts import Config
from nnsim.theory.signals.dead_units import born_dead_bound, dead_at_input

from . import plots
from .born_dead import PLAIN, deadliest


def _born_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the measured shares of silent and constant networks, one row an arm."""
    rows, arm = [], ["scheme", "activation", "shift", "width", "depth"]
    for names, group in rows_of(trials, kind="narrow", status="done").groupby(arm, sort=False):
        for quantity in ("silent", "born_dead"):
            values = group[quantity].to_numpy(dtype=float)
            interval = proportion_interval(int(values.sum()), values.size, 0.95)
            ends = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
            rows.append({**dict(zip(arm, names, strict=True)), "quantity": quantity, **ends})
    return pd.DataFrame(rows, columns=[*arm, "quantity", "estimate", "low", "high"])


def _scaled_runs(trials: pd.DataFrame, sharpness: pd.DataFrame) -> pd.DataFrame:
    """Return the runs without normalisation, their rates in units of 2 / sharpness (geometric mean of the arm)."""
    logs = sharpness.assign(log=np.log(sharpness["sharpness"].where(sharpness["sharpness"] > 0)))
    scale = np.exp(logs.groupby("bias")["log"].mean()) / 2
    runs = rows_of(trials, kind="training", normalization="none")
    return runs.assign(scaled=runs["learning_rate"] * runs["bias"].map(scale))


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    return _born_figures(_born_frame(tables["trials"]), config) | _descent_figures(tables, config)


def _born_figures(born: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    shape = deadliest(config)
    return {
        "born-dead": FigureSpec(
            plots.born(rows_of(born, **PLAIN), dead_at_input, born_dead_bound),
            "Narrow ReLU networks of one input as they are drawn. Silent: a given input reaches no unit of some layer. "
            "Born dead: the network is a constant function, decided exactly. Dashed: the exact law of silence, and "
            "Lu's lower bound for constant functions; intervals: 95 %, Clopper and Pearson.",
            "Probability of silence and of a constant function against depth, one panel a width.",
        ),
        "remedies": FigureSpec(
            plots.remedies(rows_of(born, quantity="born_dead", **shape)),
            f"How often networks of {shape['depth']} layers of {shape['width']} are born dead, with each remedy. He's "
            "and Glorot's variances share one fate, because scaling weights moves no sign.",
            "Share of networks that are born dead, one bar a remedy.",
        ),
    }


def _busiest_rate(units: pd.DataFrame, epochs: int) -> float:
    """Return the rate with most deaths and revivals; NaN where no run came to its end."""
    changes = units.groupby("learning_rate")[["deaths", "revivals"]].sum().sum(axis=1)
    return float(changes.idxmax()) if len(rows_of(units, epoch=epochs)) else math.nan


def _descent_figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    units = rows_of(tables["units"], bias=0.0, normalization="none")
    rate = _busiest_rate(units, config["epochs"])
    return {
        "jump": FigureSpec(
            plots.jump(_scaled_runs(tables["trials"], tables["sharpness"])),
            f"Share of dead units after {config['epochs']} steps of full-batch descent, against the rate in units of "
            "2 / sharpness at the start (geometric mean over seeds). Means with 95 % intervals. Dashed: 1, where a "
            "quadratic diverges, and 6, where the catapult of ReLU networks ends.",
            "Share of dead units against the scaled learning rate, one line an initial bias.",
        ),
        "lives": FigureSpec(
            plots.lives(rows_of(units, learning_rate=rate), config["tau"]),
            f"Lives of units at the rate with most deaths and revivals, {rate:g}, bias 0: means over seeds of the "
            "units that are dead, of those that are dormant, and of deaths and revivals since the look before.",
            "Counts of dead, dormant, dying and reviving units against epochs, one panel a layer.",
        ),
    }
