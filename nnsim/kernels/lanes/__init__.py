"""Many networks of one shape at once: every array has a last axis of lanes, a network in each lane of a vector."""
