"""Every claim of the study, judged at one simultaneous confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arms import runs_of
from .identity_questions import start_questions, step_questions
from .pair_questions import pair_questions
from .width_questions import coordinate_questions, transfer_questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials, identities = tables["trials"], tables["identities"]
    return judge(
        [
            *pair_questions(runs_of(trials, "training"), config),
            *transfer_questions(runs_of(trials, "width"), config),
            *coordinate_questions(tables["coordinates"], config),
            *step_questions(identities, config),
            *start_questions(identities, config),
        ]
    )
