"""What a study is, and what its trials measure."""
