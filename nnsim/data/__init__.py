"""Data sets: drawn by a formula or read from files, as float arrays."""
