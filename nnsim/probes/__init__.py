"""Measurements on networks."""

from nnsim.core.moved import forwarded

__getattr__ = forwarded(__name__, "layers")
