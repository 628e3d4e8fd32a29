"""The figures of the study, theory beside measurement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from nnsim.report.arms import rows_of, scored
from nnsim.report.figures import FigureSpec
from nnsim.study.parts import Config
from nnsim.theory.training.stability import critical_rate

from . import plots
from .adamw import ADVISED
from .edge import POINTS
from .quadratic import MOMENTA, rates_and_curvatures
from .rate_range import RULES
from .schedules import TRACE_RATES, leads_of
from .shared import NOISY, edge_product


def _edge_frame(looks: pd.DataFrame) -> pd.DataFrame:
    rows = looks[looks["kind"] == "edge"]
    momentum = rows["momentum"].astype(float)
    arms = [f"η = {rate:g}, b = {b:g}" for rate, b in zip(rows["learning_rate"], momentum, strict=True)]
    return rows.assign(arm=arms, ratio=rows["learning_rate"] * rows["sharpness"] / edge_product(momentum))


def _critical_figure(tables: dict[str, pd.DataFrame]) -> Any:
    predicted, found = {}, {}
    for momentum in MOMENTA.values():
        rates, top = rates_and_curvatures(tables, momentum)
        name, top = f"momentum {momentum:g}", top.reindex(rates.index).to_numpy(dtype=float)
        predicted[name] = np.array([critical_rate(value, momentum) for value in top])
        found[name] = rates.to_numpy(dtype=float)
    return plots.critical(predicted, found)


def _sweep_figure(tables: dict[str, pd.DataFrame], config: Config) -> Any:
    rates = {rule: rows_of(tables["suggestions"], rule=rule)["rate"].to_numpy(float) for rule in (*RULES, "explosion")}
    starts = rows_of(tables["sharpness"], kind="range")["sharpness"].to_numpy(float)
    rates["2 / λ at the start"] = np.array([critical_rate(value) for value in starts])
    return plots.sweep(scored(rows_of(tables["trials"], kind="sweep")), rates, f"test metric, {config['data']}")


def _speed_figure(trials: pd.DataFrame, config: Config) -> Any:
    runs = rows_of(trials, kind="speed")
    medians = runs.groupby("learning_rate")["steps"].median().dropna()
    return plots.speed(runs, float(medians.idxmin()) if len(medians) else math.nan, config["threshold"])


def _schedule_figure(tables: dict[str, pd.DataFrame], config: Config) -> Any:
    traces = tables["traces"]
    traces = traces[traces["repeat"] == 0].assign(name=traces["schedule"].str.split(":").str[0])
    traces = traces.assign(rate=traces["rate"] / TRACE_RATES[0], closed_form=traces["closed_form"] / TRACE_RATES[0])
    names = [name for name in config["schedule"] if name != "constant"]
    leads = {name: -leads_of(tables["trials"], NOISY, name, "log_loss")[0] for name in names}
    return plots.schedules(traces, leads, list(config["schedule"]))


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    trials = tables["trials"]
    return {
        "edge-of-stability": FigureSpec(
            plots.edge(_edge_frame(tables["sharpness"])),
            f"Sharpness and loss of full-batch descent on {POINTS} points: medians over seeds, 95 % "
            "intervals. Sharpness rises until descent of this rate and momentum could not bear more, and stays there "
            "while the loss goes on falling; at a small rate most networks are done before they get there.",
            "Sharpness in units of its edge against steps, level at one for the larger rates; loss against steps.",
        ),
        "quadratic": FigureSpec(
            _critical_figure(tables),
            "On linear regressions the rate at which full-batch descent diverges is the one that the largest "
            "eigenvalue of the Hessian gives, with momentum and without.",
            "Measured against predicted rates of divergence: all points on the diagonal.",
        ),
        "range-test": FigureSpec(
            _sweep_figure(tables, config),
            f"A sweep of plain SGD over {config['epochs']} epochs (above: medians over seeds, 95 % intervals) and, for "
            "each seed, what the rules read off the range test, where the test exploded, and 2 / λ at the start.",
            "Test result against the learning rate, and below it the suggested rates of each rule.",
        ),
        "too-low": FigureSpec(
            _speed_figure(trials, config),
            "What a low rate costs: steps to the same validation loss, medians over seeds with 95 % intervals, with "
            "the inverse proportion of gradient flow through the lowest rate.",
            "Steps against learning rate, both logarithmic: a line of slope minus one up to the fastest rate.",
        ),
        "adamw": FigureSpec(
            plots.advice(scored(rows_of(trials, kind="adamw")), ADVISED, "test metric"),
            "AdamW over its grid of rates for a short and a long training: medians over seeds, 95 % intervals. The "
            "fewer the steps, the higher the best rate.",
            "Test result against the learning rate of AdamW, one panel a data set, one line a number of epochs.",
        ),
        "schedules": FigureSpec(
            _schedule_figure(tables, config),
            "Left: the rate of every step of a training under each schedule (points) on its closed form. Right: how "
            f"far below the best constant rate each ends on {NOISY}, each at its own best rate; means over "
            "seeds with 95 % intervals.",
            "Traces of the schedules, and intervals of the logarithm of the ratio of test losses.",
        ),
    }
