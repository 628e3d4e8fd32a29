"""Gates, sizes and arms that are fixed: what claims about them rest on."""

from __future__ import annotations

from nnsim.probes import threshold_unit

GATES = {"and": (-1, -1, -1, 1), "or": (-1, 1, 1, 1), "xor": threshold_unit.XOR}
MARGIN_DIMENSION, MARGIN_POINTS = 10, 100
ORTHOGONAL = 16  # the bound (R / gamma)^2 of 16 orthogonal unit vectors is 16 without a rounding
PASSES = 100_000
LABELLINGS = 20  # random labellings of one trial
COUNTS = ((3, 7), (4, 8))  # dimensions and points whose dichotomies are all tried
PANELS = {
    "threshold unit, AND": ("and", None, 0),
    "sigmoid unit, AND": ("and", "identity", 0),
    "sigmoid unit, XOR": ("xor", "identity", 0),
    "2 tanh units, XOR": ("xor", "tanh", 2),
    "8 tanh units, XOR": ("xor", "tanh", 8),
    "1 GELU unit, XOR": ("xor", "gelu", 1),
}
DRAWN_EPOCHS, DRAWN_RATE, DRAWN_TRIES = 500, 0.05, 50
