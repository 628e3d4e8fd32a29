"""Each formula and each order of summation, once, as a scalar function."""
