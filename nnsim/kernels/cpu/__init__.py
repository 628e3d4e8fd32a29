"""The loops over arrays on a CPU."""
