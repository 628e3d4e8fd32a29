"""Studies from start to report."""
