"""Every claim of the study, judged at one simultaneous confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .curvature_questions import edge_questions, quadratic_questions
from .schedule_questions import schedule_questions
from .search_questions import adamw_questions, finder_questions, speed_questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials = tables["trials"]
    return judge(
        [
            *quadratic_questions(tables),
            *edge_questions(tables["sharpness"], config),
            *finder_questions(tables, config),
            *speed_questions(trials, config),
            *adamw_questions(trials, config),
            *schedule_questions(tables, config),
        ]
    )
