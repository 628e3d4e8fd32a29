"""What training does, where it can be told beforehand."""
