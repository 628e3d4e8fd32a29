"""The figures of one training and of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnsim.report.figures import BLACK, COLUMN_WIDTH, PAGE_WIDTH, series_style, style
from nnsim.training.trainer import COLUMNS


def training_figure(history: np.ndarray, metric: str, best_epoch: int | None, unit: str = "") -> Figure:
    """Return losses, validation metric and learning rate over the epochs.

    Parameters
    ----------
    history : array (epochs, `nnsim.training.trainer.COLUMNS`)
    metric : str
        Name of the metric.
    best_epoch : int or None
        Counted from 1; is marked.
    unit : str
        Of the losses, in words.
    """
    column = dict(zip(COLUMNS, history.T, strict=True))
    epochs = np.arange(1, len(history) + 1)
    with style():
        figure = Figure((PAGE_WIDTH, 2.3), layout="constrained")
        losses, metrics, rates = figure.subplots(1, 3)
        for index, part in enumerate(("train", "validation")):
            _curve(losses, epochs, column[f"{part}_loss"], index, part)
        _curve(metrics, epochs, column["validation_metric"], 1, "validation")
        _curve(rates, epochs, column["learning_rate"], 2, "")
        for axes, name in ((losses, "loss"), (metrics, metric), (rates, "learning rate")):
            axes.set(title=name, xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        losses.set_ylabel(unit)
        _scale(losses, column["train_loss"])
        if best_epoch is not None:
            losses.axvline(best_epoch, color=BLACK, linewidth=0.6, linestyle=":", label=f"best: {best_epoch}")
        if len(history):
            losses.legend()
    return figure


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, index: int, label: str) -> None:
    """Draw a series, with markers where it is short."""
    look = series_style(index)
    marker = look["marker"] if len(x) <= 10 else ""
    axes.plot(x, y, color=look["color"], linestyle=look["linestyle"], marker=marker, label=label)


def _scale(axes: Axes, values: np.ndarray) -> None:
    """Take a logarithmic axis where positive values span two decades."""
    values = values[np.isfinite(values)]
    if values.size and 0 < 100 * values.min() < values.max():
        axes.set_yscale("log")


def range_test_figure(
    rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, suggestions: Mapping[str, float], unit: str = ""
) -> Figure:
    """Return the losses of a range test over the learning rate, with the suggestions on the smoothed curve.

    Parameters
    ----------
    rates, losses, smoothed : float64 vectors, one number a step
        Learning rate, loss of the batch and smoothed loss.
    suggestions : mapping of str to float
        Name of a rule to its learning rate.
    unit : str
        Of the losses, in words; "" for none.
    """
    finite = smoothed[np.isfinite(smoothed)]
    lowest = losses[np.isfinite(losses)].min(initial=np.inf)
    with style():
        figure = Figure((1.5 * COLUMN_WIDTH, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.plot(rates, losses, color="#BBBBBB", linewidth=0.7, label="each batch")
        axes.plot(rates, smoothed, color=BLACK, label="smoothed")
        for index, (name, rate) in enumerate(suggestions.items()):
            look = series_style(index)
            height = np.interp(np.log(rate), np.log(rates), smoothed)
            axes.plot(rate, height, look["marker"], color=look["color"], markersize=6, label=f"{name}: {rate:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss" + (f", {unit}" if unit else ""))
        if finite.size:
            margin = 0.1 * (finite.max() - finite.min()) or 1.0
            axes.set_ylim(min(lowest, finite.min()) - margin, finite.max() + margin)
        axes.legend()
    return figure
