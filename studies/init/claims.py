"""Every claim of the study, judged at one simultaneous confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .mode_questions import depth_questions, mode_questions
from .order_questions import pair_questions, phase_questions, phase_training_questions, relu_pair_questions
from .signal_questions import bound_questions, fluctuation_questions, gain_questions, linear_questions, relu_questions
from .spectrum_questions import spectrum_questions
from .start_questions import lsuv_questions, tanh_questions
from .training_questions import symmetry_questions, training_questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials, layers = tables["trials"], tables["layers"]
    return judge(
        [
            *relu_questions(layers, config),
            *training_questions(trials, tables["history"], config),
            *fluctuation_questions(trials),
            *bound_questions(layers),
            *linear_questions(layers, tables["spectra"]),
            *symmetry_questions(trials),
            *gain_questions(layers, config),
            *lsuv_questions(tables["lsuv"]),
            *tanh_questions(layers),
            *phase_questions(layers),
            *pair_questions(tables["pairs"]),
            *relu_pair_questions(tables["pairs"]),
            *phase_training_questions(trials, config),
            *spectrum_questions(tables["jacobians"]),
            *mode_questions(tables["modes"]),
            *depth_questions(trials),
        ]
    )
