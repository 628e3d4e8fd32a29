"""What the parts of the study share."""

from __future__ import annotations

from nnsim.study.network_trials import ARM_COLUMNS, parameters_of
from nnsim.study.trials import NetworkTrial

KLAMBAUER = "Klambauer et al. 2017"
REPEAT = next(column for column in ARM_COLUMNS if column.name == "repeat")


def look_cost(trial: NetworkTrial) -> float:
    """Return the expected seconds of a look: multiply-adds at a speed seen on small networks, plus overheads."""
    return 3e-4 + 1e-8 * parameters_of(trial)
