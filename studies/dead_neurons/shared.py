"""What the parts of the study share."""

from __future__ import annotations

from nnsim.study.network_trials import usual_data
from nnsim.study.trials import NetworkTrial

LU = "Lu, Shin, Su and Karniadakis 2020"
TEXTBOOK = "textbook statement: dead units come from pushed weights; use leaky ReLU or He's initialization"


def passes_cost(trial: NetworkTrial, passes: int) -> float:
    """Return the expected seconds of passes over all training rows, at a speed seen on small networks."""
    data = usual_data(trial)
    layers = trial.depth * trial.width + data.n_features + data.n_outputs
    return 2e-3 + passes * (2e-5 + 1.2e-10 * trial.width * layers * data.X_train.shape[0])
