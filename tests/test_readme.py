"""The README's example of a training runs as it stands, and what CONTRIBUTING names exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nnsim.training.trainer import COLUMNS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def code_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the example has defined when it is done."""
    (example,) = [block for block in code_blocks(README.read_text()) if "NetworkSpec(" in block]
    found: dict[str, Any] = {}
    exec(compile(example, str(README), "exec"), found)
    return found


def test_it_trains_for_a_hundred_epochs(names):
    run = names["run"]
    assert (run.status, run.history.shape) == ("done", (100, len(COLUMNS)))


def test_it_learns(names):
    losses = names["run"].history[:, COLUMNS.index("train_loss")]
    assert losses[-1] < 0.3 * losses[0]
    assert names["scores"].metric > 0.75
    assert names["scores"].auc > 0.85


def test_the_rate_falls_along_half_a_cosine(names):
    rates = names["run"].history[:, COLUMNS.index("learning_rate")]
    assert rates[[0, 50]] == pytest.approx([1e-3, 5e-4])


def test_the_scores_are_those_of_the_last_epoch(names):
    last = names["run"].history[-1, COLUMNS.index("validation_loss")]
    assert names["scores"].loss == pytest.approx(last, rel=1e-5)


def test_every_file_that_contributing_names_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:nnsim|cli|studies|tests)/[\w./-]*)`", text))
    assert len(named) > 40
    assert {name for name in named if not (ROOT / name).exists()} == set()
