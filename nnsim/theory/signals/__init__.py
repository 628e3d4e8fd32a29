"""Signals and gradients in wide random networks."""
