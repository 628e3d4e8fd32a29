"""Whether learning rates, and what a step does, outlive the width."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.training.mup import MUP, STANDARD

from . import settings
from .arms import arms_by_loss

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

LEVEL = 0.15  # of a log-log slope whose neighbours are 1/2 and 1
OCTAVE = 1.0  # grid step of the learning rates; eight-fold width, moved in proportion, would be three


def transfer_questions(runs: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask whether the best learning rate moves with the width."""
    from nnsim.report.arms import rows_of
    from nnsim.report.best_rate import octaves_moved
    from nnsim.report.old_questions import Question

    widths = config["mup_width"]
    texts: dict[str, tuple[Any, ...]] = {
        MUP: ("equivalence", 0.0, OCTAVE, "Under muP Adam's best learning rate does not move with the width."),
        STANDARD: ("at_most", -OCTAVE, math.nan,
                   "In the standard parametrization Adam's best rate falls by octaves as the network widens."),
    }  # fmt: skip
    arms = arms_by_loss(runs)
    for name, (rule, prediction, margin, statement) in texts.items():
        yield Question(
            f"D7-transfer-{name}", "claim", statement, "Yang, Hu et al. 2022, figures 1 and 3",
            f"{name}, adam, widths {min(widths)} to {max(widths)}, {config['data'][0]}",
            octaves_moved(rows_of(runs, parametrization=name), min(widths), max(widths)), prediction, rule, margin,
            at_edge=arms.at_edge({"parametrization": name}),
            note="octaves from the narrowest to the widest network; best is what trains to the least loss",
        )  # fmt: skip


LAYERS = {1: "first", 2: "hidden", 3: "readout"}


def coordinate_questions(changes: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask how far a step moves pre-activations as the network widens."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question
    from nnsim.report.statistics.slopes import slopes_by_seed

    widths, source = config["coordinate_width"], "Yang, Hu et al. 2022, appendix D.1"
    where = f"{settings.COORDINATE['steps']} Adam steps, widths {min(widths)} to {max(widths)}, {config['data'][0]}"
    note = "log-log slope against the width"

    def slopes(parametrization: str, layer: int) -> np.ndarray:
        return slopes_by_seed(rows_of(changes, parametrization=parametrization, layer=layer), "width", "change")

    for layer, name in LAYERS.items():
        yield Question(
            f"D7-coordinate-mup-{name}", "claim", f"Under muP a step moves the {name} layer's z equally at any width.",
            source, f"mup, {where}", slopes(MUP, layer), 0.0, margin=LEVEL,
            note=note,
        )  # fmt: skip
        if name != "first":  # whose fan-in does not grow
            yield Question(
                f"D7-coordinate-standard-{name}", "claim",
                f"In the standard parametrization a step moves the {name} layer's z the more the wider the network.",
                source, f"standard, {where}", slopes(STANDARD, layer), 0.5,
                "at_least", note=f"{note}; 1 in the limit, where the layer's own update outweighs the one before",
            )  # fmt: skip
