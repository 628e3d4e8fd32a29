"""What every room stands on: errors, checks of values, seeds, files."""
