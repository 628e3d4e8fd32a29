"""Each of the twelve studies keeps the contract that a study of one's own must keep."""

from __future__ import annotations

import kept
import pytest
from nnsim_studies.learning_rate import quadratic
from tiny_studies import STUDIES, tiny

from nnsim.runs.contract import check_study
from nnsim.study.discovery import find_study

pytestmark = pytest.mark.physics

SHORTENED = "learning-rate"


@pytest.mark.parametrize("name", [name for name in STUDIES if name != SHORTENED])
def test_a_study_keeps_it(name: str) -> None:
    kept.passed(lambda: check_study(find_study(name), **tiny(name)), "contract", name)


def test_a_study_keeps_it_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadratic, "STEPS", 20)
    check_study(find_study(SHORTENED), **tiny(SHORTENED))
