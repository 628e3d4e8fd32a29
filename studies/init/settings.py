"""Sizes of the networks that are only looked at: what claims about them rest on is fixed."""

from __future__ import annotations

GAIN_DEPTH, GAIN_WIDTH = 20, 128
LINEAR_DEPTH, LINEAR_WIDTH = 10, 128
BOUND_DEPTH, BOUND_WIDTH = 12, 128
FLUCTUATION_DEPTH, FLUCTUATION_WIDTH = 8, 8
SYMMETRY_DEPTH, SYMMETRY_WIDTH, SYMMETRY_EPOCHS = 2, 16, 3
SYMMETRY_SCHEMES = ("zeros", "constant:0.1", "he_normal")

LSUV_DEPTH, LSUV_WIDTH = 20, 48
LSUV_ACTIVATIONS = ("relu", "tanh")
POWER_DEPTH, POWER_WIDTH, POWER_FROM = 50, 128, 10
TANH_GAIN = 5 / 3  # PyTorch's torch.nn.init.calculate_gain("tanh")

BIAS_VARIANCE = 0.05  # at which tanh's critical weight variance is 1.760955
PHASE_DEPTH, PHASE_WIDTH, PHASE_FROM = 20, 96, 5
PHASE_WEIGHTS = (0.5, 1.0, 1.6, 1.9, 2.5, 3.0)
PHASE_BIASES = (0.0, 0.05, 0.2, 0.5)
PAIR_DEPTH, PAIR_WIDTH = 12, 192
PAIRS = {  # what two inputs of the fixed length tell: weight variance, correlation, ratio of their mean squares
    "order": (0.7, 0.5, 1.0),
    "variance": (1.0, 1.0, 2.0),
    "chaos": (3.0, 0.999, 1.0),
    "chaos, unlike": (3.0, 0.0, 1.0),
}
RELU_PAIR_WIDTH = 16384  # of the one layer; two inputs of two features
RELU_CORRELATIONS = (0.0, 0.5, 0.9)

JACOBIAN_WIDTH, JACOBIAN_DEPTHS, JACOBIAN_DEPTH = 64, (1, 3, 6), 3
JACOBIANS = {  # activation, scheme, share of units that pass a gradient
    "linear-gaussian": ("identity", "mean_field:1", 1.0),
    "relu-gaussian": ("relu", "he_normal", 0.5),
    "linear-orthogonal": ("identity", "orthogonal:1", 1.0),
    "relu-orthogonal": ("relu", "orthogonal", 0.5),
}

MODE_STRENGTHS, MODE_FEATURES, MODE_UNITS = (3.0, 2.0, 1.3, 0.8), 8, 64
MODE_RATE, MODE_STOPS, MODE_START = 0.004, tuple(range(25, 1801, 25)), 0.003
MODE_SCHEMES = ("balanced", "normal:0.01")
DEEP_FEATURES, DEEP_TARGETS, DEEP_DEPTHS, DEEP_COMPARED = 16, 4, (1, 4, 16), (4, 16)
DEEP_SCHEMES = ("orthogonal:1", "lecun_normal")
DEEP_RATES = (0.125, 0.25, 0.5, 1.0, 2.0)  # learning rate times the number of weight layers
DEEP_SHARE, DEEP_STEPS = 0.01, 400


def mean_field(sw2: float, sb2: float) -> str:
    """Return the scheme with these variances."""
    return f"mean_field:{sw2**0.5:.9g}:{sb2**0.5:.9g}"
