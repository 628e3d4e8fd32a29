"""Who runs the trials: threads, a GPU, a cluster."""
