"""The folder that a run leaves, and what is read from it."""
