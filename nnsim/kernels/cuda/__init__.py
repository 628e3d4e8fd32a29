"""Loops for a GPU: one thread block for one network, the same formulas and orders as `nnsim.kernels.cpu`."""
