"""The version of the arithmetic, which is part of every trial's identity."""

from __future__ import annotations

ARITHMETIC_VERSION = 2
"""Raised with any change that alters one bit of any result; results of different versions are never mixed."""
