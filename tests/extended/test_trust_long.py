"""The store under a thousand kill points, with threads and figures, and a hundred random kills: minutes each.

    python -m pytest tests/extended/test_trust_long.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]


def outcome(script: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(TESTS / script), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, result
    return result


@pytest.mark.parametrize("options", [("--chunks", "30"), ("--chunks", "6", "--jobs", "2", "--figures")])
def test_every_kill_point(options: tuple[str, ...]) -> None:
    assert outcome("faults.py", *options)["points"] >= (1000 if "30" in options else 300)


def test_a_hundred_kills_at_random_moments() -> None:
    assert outcome("soak.py", "--kills", "100")["kills"] == 100
