"""What is left behind sigmoid layers, against the textbook's bound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import settings
from .predictions import MEAN_FIELD, PAGE, backward_factor, lost

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

NORM_MARGIN = 0.02  # of ln per layer of a norm: variance 1.15 instead of 1 would be off by 0.07


def bound_questions(layers: pd.DataFrame, spectra: pd.DataFrame) -> Iterator[Question]:
    """Ask whether the textbook's 0.25 a layer is a law, or a bound at all."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(layers, kind="bound")
    for crossed in settings.CROSSED:
        arm = {"activation": "sigmoid", "scheme": "xavier_normal", "depth": crossed + 1}
        norms = crossed / 2 * lost(rows_of(rows, **arm), 1, crossed + 1)
        where = f"xavier_normal, sigmoid, {crossed} steps back through layers of {settings.WIDE}"
        note = f"ln of the norm's factor over {crossed} steps"
        yield Question(
            f"A8-factor-{crossed}", "claim",
            f"{crossed} sigmoid layers at Glorot scale shrink the gradient's norm by the mean-field factor.",
            MEAN_FIELD, where, norms, crossed / 2 * backward_factor(arm, settings.WIDE),
            margin=NORM_MARGIN * crossed, note=note,
        )  # fmt: skip
        yield Question(
            f"A8-bound-{crossed}", "correction",
            f"0.25^{crossed} overstates what is left: at Glorot scale the gradient is smaller still.",
            PAGE, where, norms, crossed * math.log(0.25), "at_most", note=note,
        )  # fmt: skip
    kept = {scheme: 5 * lost(rows_of(rows, scheme=scheme, depth=11), 1, 11) for scheme in settings.BOUND_SCHEMES[1:]}
    yield Question(
        "A8-not-a-law", "correction",
        "With variance-preserving weights ten sigmoid layers keep more than 0.25^10: it bounds weights of norm 1 only.",
        PAGE, f"preserving_normal, sigmoid, 10 steps back through layers of {settings.WIDE}", kept["preserving_normal"],
        10 * math.log(0.25), "above", note="ln of the norm's factor over 10 steps",
    )  # fmt: skip
    yield Question(
        "A8-grows", "correction", "With weights large enough a gradient grows on its way through ten sigmoid layers.",
        PAGE, f"mean_field:20, sigmoid, 10 steps back through layers of {settings.WIDE}", kept["mean_field:20"], 0.0,
        "above", note="ln of the norm's factor over 10 steps",
    )  # fmt: skip
    yield Question(
        "A8-premise", "correction", "Glorot's weights have a spectral norm near 2, so that 0.25 a layer is no bound.",
        "Geman 1980; textbook statement: 0.25^10", f"xavier_normal, square layer of {settings.WIDE}",
        rows_of(spectra, scheme="xavier_normal")["spectral_norm"].to_numpy(), 2.0, margin=0.1,
        note="spectral norm of a Gaussian square matrix of variance 1 / n",
    )  # fmt: skip
