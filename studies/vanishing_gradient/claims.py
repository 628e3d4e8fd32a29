"""Every claim of the study, judged at one simultaneous confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .bound_questions import bound_questions
from .change_questions import explosion_questions, grid_questions
from .network_questions import fluctuation_questions, remedy_questions, trap_questions
from .training_questions import training_questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials, layers = tables["trials"], tables["layers"]
    layers = layers[layers["epoch"] == 0]
    return judge(
        [
            *bound_questions(layers, tables["spectra"]),
            *grid_questions(layers, config),
            *explosion_questions(layers),
            *trap_questions(layers),
            *fluctuation_questions(trials),
            *remedy_questions(layers),
            *training_questions(trials, config),
        ]
    )
