"""The engine: a study's axes become trials, trials become chunks, chunks become CSV files."""
