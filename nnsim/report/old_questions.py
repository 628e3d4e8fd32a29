"""Transitional."""

import math
from typing import Any

from nnsim.report import questions
from nnsim.report.questions import Exactly, Within


def Question(
    id, kind, statement, source, arm, values, prediction, rule="equivalence", margin=math.nan, interval="mean", note="",
    at_edge=False, timed=False,
) -> Any:  # fmt: skip
    rules: Any = {
        "at_most": questions.AtMost,
        "at_least": questions.AtLeast,
        "above": questions.Above,
        "exact": Exactly,
    }
    made = Within(prediction, margin) if rule == "equivalence" else rules[rule](prediction)
    return questions.Question(
        id=id, kind=kind, statement=statement, source=source, arm=arm, values=values, rule=made, interval=interval,
        note=note, at_edge=at_edge, timed=timed,
    )  # fmt: skip
