"""Signals through depth: what layers make of activations and errors, and how far single networks stray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, literal, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import LEVEL, Line, legend_below, summarise
from nnsim.report.questions import Question
from nnsim.report.statistics import mean_interval
from nnsim.theory.signals.finite_width import Propagation


def propagation(
    layers: pd.DataFrame, depth: int, activations: Sequence[str], predictions: Mapping[tuple[str, str, str], Line]
) -> Figure:
    """Draw how the mean squares of activations and errors change through `depth` layers.

    Parameters
    ----------
    layers : DataFrame
        Probes of untrained networks of one depth.
    depth : int
    activations : sequence of str
        One column of panels each.
    predictions : mapping of (scheme, activation, "forward" or "backward") to (layers, natural logarithms)
        Drawn dashed.
    """
    schemes = list(dict.fromkeys(layers["scheme"]))
    with style():
        height = 3.9 if len(activations) > 1 else 4.4
        figure, panels = panel_grid(2, len(activations), height=height, sharex=True, sharey="row")
        for column, activation in enumerate(activations):
            for row, (quantity, direction) in enumerate((("a_log", "forward"), ("delta_log", "backward"))):
                axes = panels[row, column]
                for index, scheme in enumerate(schemes):
                    frame = rows_of(layers, scheme=scheme, activation=activation)
                    frame = frame[frame["layer"] <= depth]
                    if row == 1 and not frame.empty:
                        last = frame[frame["layer"] == depth].set_index("repeat")[quantity]
                        frame = frame.assign(**{quantity: frame[quantity] - frame["repeat"].map(last)})
                    x, y, low, high = summarise(frame, "layer", quantity, mean_interval)
                    to_log10 = np.log(10)
                    measured(axes, x, y / to_log10, (low / to_log10, high / to_log10), label=scheme, index=index)
                    line = predictions.get((scheme, activation, direction))
                    if line is not None:
                        named = "theory" in axes.get_legend_handles_labels()[1]
                        theory_line(axes, line[0], line[1] / to_log10, label=None if named else "theory")
            panels[0, column].set_title(literal(activation))
            panels[1, column].set_xlabel("hidden layer")
        panels[0, 0].set_ylabel("log$_{10}$ mean square of a")
        panels[1, 0].set_ylabel("log$_{10}$ mean square of δ,\nrelative to the last layer")
        legend_below(figure, panels[0, 0], len(schemes) + 1)
    return figure


def trap_lines(expected: Propagation) -> dict[str, Line]:
    """Return the predictions of `gradient_trap` for what is expected of its hidden layers."""
    at, forward = np.arange(2, expected.forward.size + 1), expected.forward[1:]
    return {
        "activation squares": (at, forward - forward[-1]),
        "errors δ": (at, expected.backward[1:]),
        "weight gradients": (at, np.zeros(at.size)),
    }


def gradient_trap(layers: pd.DataFrame, depth: int, predictions: Mapping[str, Line]) -> Figure:
    """Draw delta, weight gradients and activations of one arm, each relative to its value at the last layer.

    Parameters
    ----------
    layers : DataFrame
        Probes of untrained networks of one arm.
    depth : int
        The last hidden layer; layers from 2 on are drawn.
    predictions : mapping of str to (layers, natural logarithms)
        By quantity, as `trap_lines` returns them; drawn dashed.
    """
    frame = layers[(layers["layer"] >= 2) & (layers["layer"] <= depth)].copy()
    frame["activation squares"] = frame["a_log"]
    frame["errors δ"] = frame["delta_log"]
    with np.errstate(divide="ignore"):  # data of zeros have no gradient
        frame["weight gradients"] = np.log(frame["weight_gradient_squares"])
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.7)
        axes = panels[0, 0]
        for index, quantity in enumerate(("activation squares", "errors δ", "weight gradients")):
            last = frame[frame["layer"] == depth].set_index("repeat")[quantity]
            relative = frame.assign(value=(frame[quantity] - frame["repeat"].map(last)) / np.log(10))
            x, y, low, high = summarise(relative, "layer", "value", mean_interval)
            measured(axes, x, y, (low, high), label=quantity, index=index)
            if quantity in predictions:
                at, value = predictions[quantity]
                theory_line(axes, at, value / np.log(10), label="theory" if index == 2 else None)
        axes.set_xlabel("hidden layer")
        axes.set_ylabel("log$_{10}$ mean square,\nrelative to the last layer")
        legend_below(figure, axes, 2)
    return figure


def factor_frame(questions: Iterable[Question]) -> pd.DataFrame:
    """Return what `factors` draws of questions with ids such as ``A1-relu-forward`` and ``A1-relu-backward``."""
    rows = []
    for question in questions:
        interval = mean_interval(question.values, LEVEL)
        activation, direction = question.id.split("-", 1)[1].rsplit("-", 1)
        rows.append((activation, direction, question.rule.prediction, interval.estimate, interval.low, interval.high))
    return pd.DataFrame(rows, columns=["activation", "direction", "prediction", "estimate", "low", "high"])


def factors(frame: pd.DataFrame) -> Figure:
    """Draw predicted and measured factors per layer of many activations.

    Parameters
    ----------
    frame : DataFrame
        Columns activation, direction ("forward", "backward"), estimate, low, high, prediction: natural logarithms.
    """
    names = list(dict.fromkeys(frame["activation"]))
    with style():
        figure, panels = panel_grid(1, 2, height=0.9 + 0.16 * len(names), sharey=True)
        for axes, direction, title in zip(panels[0], ("forward", "backward"), ("activations", "errors δ"), strict=True):
            part = rows_of(frame, direction=direction).set_index("activation").loc[names]
            places = np.arange(len(names))
            predicted = np.exp(part["prediction"].to_numpy())
            axes.plot(predicted, places, "|", color="black", markersize=11, markeredgewidth=1.2, label="theory")
            estimate, low, high = (np.exp(part[name].to_numpy()) for name in ("estimate", "low", "high"))
            look = {"markersize": 3.5, "markerfacecolor": "white", "color": "#0072B2", "elinewidth": 0.8}
            axes.errorbar(estimate, places, xerr=[estimate - low, high - estimate], fmt="o", label="measured", **look)
            axes.axvline(1.0, color="0.7", linewidth=0.8, zorder=0)
            axes.set_xlabel("factor of the mean square per layer")
            axes.set_title(title)
        panels[0, 0].set_yticks(np.arange(len(names)), [literal(name) for name in names])
        panels[0, 0].invert_yaxis()
        legend_below(figure, panels[0, 0], 2)
    return figure


def spread(values: np.ndarray, mean: float, variance: float) -> Figure:
    """Draw the histogram of the finite log gains with the normal law of the predicted mean and variance.

    Parameters
    ----------
    values : float64 array (networks,)
        Natural logarithm of each network's gain of mean squares.
    mean, variance : float
        Predicted moments of `values`, the variance positive.
    """
    values = values[np.isfinite(values)]
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.5)
        axes = panels[0, 0]
        if values.size:
            axes.hist(
                values, bins=40, density=True, color="#56B4E9", edgecolor="white", linewidth=0.3, label="networks"
            )
        x = np.linspace(values.min(initial=mean), values.max(initial=mean), 200)
        theory_line(axes, x, norm.pdf(x, mean, np.sqrt(variance)), label="exact mean and variance, normal shape")
        axes.axvline(0.0, color="0.6", linewidth=0.8)
        axes.set_xlabel("ln of the gain of mean squares")
        axes.set_ylabel("density")
        legend_below(figure, axes, 1)
    return figure
