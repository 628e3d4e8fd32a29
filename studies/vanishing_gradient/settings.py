"""Sizes and arms that are fixed: what claims about them rest on."""

from __future__ import annotations

from typing import Any

WIDE = 128  # units of the networks whose size is not an axis
CROSSED = (5, 10, 20)  # layers at which the textbook's bound is compared
BOUND_SCHEMES = ("xavier_normal", "preserving_normal", "mean_field:20")
TRAP_DEPTH, TRAP_SEEDS = 20, 3  # times the other seeds: weight gradients of single networks scatter more
NARROW_DEPTH, NARROW_WIDTH = 8, 8
REMEDY_DEPTH, REMEDY_ROWS = 20, 128
EXPLOSIONS = {
    "A7-gain": ("tanh", "mean_field:1.6666666666666667"),
    "A9-tanh": ("tanh", "mean_field:3"),
    "A9-sigmoid": ("sigmoid", "mean_field:20"),
    "A4-twice": ("relu", "mean_field:2"),
}
REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "skip": {"residual": True},
    "batch": {"normalization": "batch"},
    "layer": {"normalization": "layer"},
}
ARMS = ("scheme", "activation", "remedy", "depth")
