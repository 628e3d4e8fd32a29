"""Sizes, remedies and thresholds that are fixed: what claims about them rest on."""

from __future__ import annotations

LINE = {"data": "target_abs", "target": "", "samples": 60, "fingerprint": ""}  # of networks of one input
SHIFT = 0.5  # of the weights' mean, in standard deviations
REMEDIES = ({"activation": "leaky_relu"}, {"scheme": "xavier_normal"}, {"scheme": "asymmetric"}, {"shift": SHIFT})
INVARIANT_DEPTH, INVARIANT_WIDTH = 10, 16
RISE = 0.1  # of the share of dead units, which counts as a jump
