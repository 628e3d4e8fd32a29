"""Every claim of the study, judged at one simultaneous confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .born_questions import invariant_questions, law_questions, remedy_questions
from .death_questions import death_questions
from .rate_questions import jump_questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials = tables["trials"]
    return judge(
        [
            *law_questions(trials, config),
            *remedy_questions(trials, config),
            *invariant_questions(trials),
            *jump_questions(trials, tables["sharpness"]),
            *death_questions(trials, tables["units"], config),
        ]
    )
