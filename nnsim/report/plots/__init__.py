"""Figures that studies share, a room for each topic: each function takes tidy rows and returns a figure."""
