"""Sizes of the networks that are only looked at: what claims about them rest on is fixed."""

from __future__ import annotations

from nnsim.kernels.activations import ACTIVATIONS

GAIN_DEPTH, GAIN_WIDTH = 20, 128
LINEAR_DEPTH, LINEAR_WIDTH = 10, 128
BOUND_DEPTH, BOUND_WIDTH = 12, 128
FLUCTUATION_DEPTH, FLUCTUATION_WIDTH = 8, 8
SYMMETRY_DEPTH, SYMMETRY_WIDTH, SYMMETRY_EPOCHS = 2, 16, 3
SYMMETRY_SCHEMES = ("zeros", "constant:0.1", "he_normal")
TRAINABLE = tuple(name for name, activation in ACTIVATIONS.items() if activation.differentiable)
