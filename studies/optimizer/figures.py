"""The figures of the study, theory beside measurement."""

from __future__ import annotations

import pandas as pd

from nnsim.report.figures import FigureSpec
from nnsim.study.parts import Config
from nnsim.training.mup import MUP, STANDARD

from . import plots
from .comparison import DEFAULT_RATE, tuned_arms
from .shared import runs_of
from .widths import CHECK_STEPS, LAYERS


def _scores(runs: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Return the test metrics of every optimizer at its chosen rate, and of AdamW at the default one."""
    arms, rows = tuned_arms(runs), []
    for data in config["data"]:
        scores = {name: arms.values("score", {"data": data, "optimizer": name}) for name in config["optimizer"]}
        untuned = arms.values("score", {"data": data, "optimizer": "adamw"}, DEFAULT_RATE)
        scores[f"adamw at {DEFAULT_RATE:g}, untuned"] = untuned
        rows += [{"data": data, "arm": arm, "value": value} for arm, values in scores.items() for value in values]
    return pd.DataFrame(rows, columns=["data", "arm", "value"])


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    runs, widened = (runs_of(tables["trials"], kind) for kind in ("training", "width"))
    history = tables["history"].merge(runs[["trial", "data"]], on="trial")
    titles = {STANDARD: "standard parametrization", MUP: "muP"}
    return {
        "rates": FigureSpec(
            plots.rates(runs.assign(validation_metric=runs["validation_metric"].clip(lower=runs["chance"]))),
            f"Validation metric after {config['epochs']} epochs over each optimizer's own grid, of equal length and "
            "placed beforehand: medians over seeds with 95 % intervals; runs that diverged, or that are worse than "
            "chance, are drawn at chance.",
            "Validation metric against the learning rate, one panel a data set, one line an optimizer.",
        ),
        "results": FigureSpec(
            plots.results(_scores(runs, config)),
            "Test metric of each optimizer at the learning rate that validation chose, and of AdamW at 0.001 untuned: "
            "medians over seeds with 95 % intervals.",
            "Test metrics as points with intervals, one row an optimizer, one panel a data set.",
        ),
        "curves": FigureSpec(
            plots.curves(tuned_arms(runs).pick(history)),
            "Training loss of each epoch, every optimizer at its chosen learning rate: medians over seeds with 95 % "
            "intervals.",
            "Training loss against epochs, one panel a data set, one line an optimizer.",
        ),
        "coordinate-check": FigureSpec(
            plots.coordinate_check(tables["coordinates"], LAYERS, titles),
            f"How much pre-activations change in {CHECK_STEPS} steps of Adam: geometric means over "
            "seeds with 95 % intervals. Under muP the lines are level, as the dashed ones; else they rise with the "
            "width.",
            "Change of pre-activations against the width on log-log axes for both parametrizations, one line a layer.",
        ),
        "transfer": FigureSpec(
            plots.transfer(widened, titles),
            f"Training loss of the last of {config['mup_epochs']} epochs over Adam's learning rate at several widths: "
            "medians over seeds with 95 % intervals; stars mark the best rate of each width.",
            "Training loss against the learning rate, one line a width: minima aligned under muP, drifting without.",
        ),
    }
