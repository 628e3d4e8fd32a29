"""The store under a thousand kill points, with threads and figures, and a hundred random kills: minutes each.

python -m pytest tests/extended/test_trust_long.py
"""

from __future__ import annotations

import pytest
from faults import outcome


@pytest.mark.parametrize("options", [("--chunks", "30"), ("--chunks", "6", "--jobs", "2", "--figures")])
def test_every_kill_point(options: tuple[str, ...]) -> None:
    assert outcome("faults.py", *options)["points"] >= (1000 if "30" in options else 300)


def test_a_hundred_kills_at_random_moments() -> None:
    assert outcome("soak.py", "--kills", "100")["kills"] == 100
