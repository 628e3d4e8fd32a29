"""Gradients through depth: what a norm keeps over many layers, beside what theory and textbooks say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, ORANGE, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import Line, legend_below, summarise
from nnsim.report.statistics import mean_interval


def norm_factors(layers: pd.DataFrame, predictions: Mapping[str, Line], bound: float) -> Figure:
    """Draw ||delta_l|| / ||delta_L|| against the layers crossed, L - l, beside the bound of `bound` a layer.

    Parameters
    ----------
    layers : DataFrame
        Probes of networks of one depth, one arm a scheme.
    predictions : mapping of scheme to (layers crossed, natural logarithms of the norm's factor)
        Drawn dashed.
    bound : float
        Factor a layer of the textbook's bound.
    """
    last = layers["depth"].max()
    layers = layers[layers["layer"] <= last]
    to_log10 = np.log(10)
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=3.2)
        axes = panels[0, 0]
        for index, scheme in enumerate(dict.fromkeys(layers["scheme"])):
            frame = rows_of(layers, scheme=scheme)
            ends = frame[frame["layer"] == last].set_index("repeat")["delta_log"]
            kept = (frame["delta_log"] - frame["repeat"].map(ends)) / (2 * to_log10)
            x, y, low, high = summarise(frame.assign(crossed=last - frame["layer"], kept=kept), "crossed", "kept",
                                        mean_interval)  # fmt: skip
            measured(axes, x, y, (low, high), label=scheme, index=index)
            if scheme in predictions:
                at, line = predictions[scheme]
                named = "theory" in axes.get_legend_handles_labels()[1]
                theory_line(axes, at, line / to_log10, label=None if named else "theory")
        if len(layers):
            ends_at = np.array([0, last - 1])
            axes.plot(ends_at, ends_at * np.log10(bound), color=ORANGE, linewidth=1.4, label=f"{bound:g} a layer")
        axes.set_xlabel("layers crossed on the way back")
        axes.set_ylabel("log$_{10}$ of the norm's factor")
        legend_below(figure, axes, 2)
    return figure
