"""Training of one network or of many."""

from nnsim.core.moved import forwarded

__getattr__ = forwarded(__name__, "trainer")
