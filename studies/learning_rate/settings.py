"""Sizes and arms that are fixed, and the lengths of schedules: what claims about them rest on."""

from __future__ import annotations

QUADRATIC_ROWS, QUADRATIC_STEPS, QUADRATIC_MOMENTA = 60, 2000, (0.0, 0.9)
EDGE_WIDTH, EDGE_POINTS, EDGE_DEGREE, EDGE_LOOKS = 60, 20, 4, 30
EDGE_ARMS = ((0.1, 0.0), (0.15, 0.5), (0.02, 0.0))  # learning rate and momentum; the first two have one edge, 20
SLOW_EDGE = EDGE_ARMS[2][0]
HALF = 0.5  # the paper's loss is half the mean squared error: its gradient and its Hessian are half of ours
RULES = ("steep", "minimum", "valley", "slide")
ADVISED = 0.001  # the teaching page's rate for AdamW
TRACE_EPOCHS, TRACE_RATES = 28, (0.5, 0.1, 0.003)
NOISY, CLEAN = "teacher_student", "digits"
NETWORK = {"scheme": "he_normal", "activation": "relu", "depth": 2}


def schedule(name: str, epochs: int) -> str:
    """Return the schedule with lengths that fit the run; restarts end with the end of their third cycle."""
    settings = {
        "step": f":size={max(1, 2 * epochs // 3)},gamma=0.1",
        "exponential": ":gamma=0.8",
        "cosine_restarts": f":t_0={epochs // 7},t_mult=2",
        "plateau": ":patience=1,factor=0.3",
    }
    return name + settings.get(name, "")
