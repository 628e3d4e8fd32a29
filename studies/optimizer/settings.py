"""Grids, sizes and identities that are fixed: what claims about them rest on."""

from __future__ import annotations

from typing import Any

CENTRES = {
    **{"sgd": 10**-0.5, "momentum": 10**-1.5, "nesterov": 10**-1.5, "adagrad": 10**-1.5},
    **{"rmsprop": 10**-2.5, "adam": 10**-2.5, "adamw": 10**-2.5},
}
"""Middle of each optimizer's grid: momentum 0.9 multiplies a step by 10, adaptive steps have the rate's own size."""
NETWORK = {"scheme": "he_normal", "activation": "relu", "depth": 2}
DEFAULT_RATE = 0.001
DECAY: dict[str, Any] = {"learning_rate": 0.01, "weight_decay": 0.1, "steps": 100}
FIRST_STEP: dict[str, Any] = {"learning_rate": 0.01, "epsilon": 1e-3}
DROPOUT_RATES = (0.2, 0.5)
COORDINATE: dict[str, Any] = {"learning_rate": 0.001, "steps": 3, "batch_size": 64}
