"""What the parts of the study share: networks, what they cost, and how mean squares should change per layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnsim.core.seeding import key
from nnsim.networks.spec import NetworkSpec
from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import LOOKING, look_at_network, parameters_of, steps_of
from nnsim.study.parts import Config, Kind
from nnsim.study.trials import NetworkTrial, TrainingTrial
from nnsim.theory.signals.finite_width import predict_arm

if TYPE_CHECKING:
    import pandas as pd

GLOROT, HE = "Glorot and Bengio 2010", "He et al. 2015"
SLOPE_MARGIN = 0.05  # of ln per layer: variance 1.8 instead of 2 would be off by 0.105
WAYS = {"forward": ("a_log", 1), "backward": ("delta_log", -1)}


def repeated(config: Config, kind: str, seeds: int, **network: Any) -> Iterator[NetworkTrial]:
    """Yield a network that is looked at, once a seed."""
    network |= data_settings(config)
    return (NetworkTrial(kind=kind, repeat=repeat, **network) for repeat in range(seeds))


def own_network(trial: NetworkTrial, inputs: int, outputs: int) -> tuple[NetworkSpec, int]:
    """Return a network that reads no data set, and the key of its draws."""
    widths = (inputs, *[trial.width] * trial.depth, outputs)
    spec = NetworkSpec(widths, trial.activation, loss="mse", dtype="float64")
    return spec, key(trial.root_seed, "init", trial.repeat)


def look_cost(trial: NetworkTrial) -> float:
    """Return the expected seconds of a look: multiply-adds at a speed seen on small networks, plus overheads."""
    return 3e-4 + 8e-9 * parameters_of(trial)


def training_cost(trial: TrainingTrial) -> float:
    """Return the expected seconds of training."""
    batch = trial.batch_size or 1
    return 1e-3 + steps_of(trial) * (2e-6 * trial.depth + 5e-11 * parameters_of(trial) * batch)


LOOKED_AT = Kind(NetworkTrial, look_at_network, look_cost, LOOKING)


def both_ways(
    layers: pd.DataFrame, arm: dict[str, Any], *, name: str, source: str, **statements: str
) -> Iterator[Question]:
    """Ask whether an arm's mean squares change per layer as predicted.

    Parameters
    ----------
    layers : DataFrame
    arm : dict
        Settings ``scheme``, ``activation``, ``depth`` and ``kind``.
    name, source : str
        The id is the name and the direction.
    **statements : str
        ``forward``, about activations, and ``backward``, about errors; one that is left out is not asked.
    """
    rows, depth = rows_of(layers, epoch=0, **arm), arm["depth"]
    width = int(rows["width"].iloc[0]) if len(rows) else 0
    expected = predict_arm(arm["scheme"], arm["activation"], depth, width) if width else None
    for direction, statement in statements.items():
        column, sign = WAYS[direction]
        prediction = math.nan
        if expected is not None:
            line = getattr(expected, direction)
            prediction = sign * float(line[-1] - line[0]) / (depth - 1)
        yield Question(
            id=f"{name}-{direction}",
            kind="claim",
            statement=statement,
            source=source,
            arm=f"{arm['scheme']}, {arm['activation']}, {depth} layers of {width}",
            values=sign * change_per_layer(rows, column, 1, depth),
            rule=Within(prediction, SLOPE_MARGIN),
            note="ln of the factor per layer, prediction corrected for the finite width",
        )
