"""Every claim of the study, judged at one simultaneous confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .signal_questions import bound_questions, fluctuation_questions, gain_questions, linear_questions, relu_questions
from .training_questions import symmetry_questions, training_questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judge import judge

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
        ]
    )
