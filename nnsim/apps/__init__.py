"""One network on one's own data."""
