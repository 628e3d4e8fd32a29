"""Every claim of the study, judged at one simultaneous confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .linear_questions import linear_questions
from .page_questions import page_questions
from .regularised_questions import regularised_questions
from .width_questions import width_questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials = tables["trials"]
    return judge(
        [
            *width_questions(trials, config),
            *regularised_questions(trials, config),
            *page_questions(trials, config),
            *linear_questions(tables["linear"], config),
        ]
    )
