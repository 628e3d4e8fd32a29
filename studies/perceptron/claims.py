"""Every claim of the study, judged at one simultaneous confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .counting_questions import counting_questions, logic_questions
from .rule_questions import rule_questions
from .training_questions import training_questions

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return every claim of the study, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge

    trials, answers = tables["trials"], tables["answers"]
    return judge(
        [
            *rule_questions(trials, config),
            *counting_questions(answers, config),
            *logic_questions(answers),
            *training_questions(trials, config),
        ]
    )
