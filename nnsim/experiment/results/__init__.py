"""The folder that a run leaves, and what is read from it."""

from nnsim.core.moved import forwarded

__getattr__ = forwarded(__name__, "tables")
