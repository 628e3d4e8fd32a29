"""What is fixed: strengths of regularisers, the teaching page's network, sizes of the linear fits."""

from __future__ import annotations

from typing import Any

REGULARISERS = {"dropout": "dropout", "adamw": "decoupled_decay", "l2": "penalty", "stopping": "patience"}
"""Each with the axis that holds its strengths."""
PAGE_ROWS, PAGE_TEST_ROWS, PAGE_INPUTS = 1000, 2000, 128
PAGE_RECIPE: dict[str, Any] = {
    "learning_rate": 1e-3,
    "batch_size": 64,
    "optimizer": "adamw",
    "schedule": "cosine",
    "clip_norm": 1.0,
}
PAGE_DECAYS = (0.0, 1e-4)
LINEAR_ROWS, LINEAR_FEATURES = 40, 160
FEATURES = (4, 10, 20, 30, 36, 38, 40, 42, 44, 50, 60, 80, 120, 160)
