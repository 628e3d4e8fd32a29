"""Measurements of what networks represent."""
