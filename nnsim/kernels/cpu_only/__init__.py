"""Kernels that a GPU does not need: of data sets, of theory's experiments and of measurements."""
