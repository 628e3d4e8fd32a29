"""How deep tanh networks can be trained, in order and on the way to chaos (A9)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import ARM, rows_of, scored
from nnsim.report.questions import Question, Within
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import TRAINING, train_alone
from nnsim.study.parts import Config, Kind, Part
from nnsim.study.trials import TrainingTrial

from .phase_plane import BIAS_VARIANCE, SCHOENHOLZ, mean_field, tanh_scales
from .shared import training_cost

if TYPE_CHECKING:
    import pandas as pd

SCALES = 6.0  # Schoenholz et al. 2017: depth scales that can be trained through
FALL_MARGIN = math.log(2)  # of ln: a published factor, for another task, width and training time
PROPORTION_MARGIN = 0.3  # of ln: a depth that did not depend on xi_c would be off by 0.7


def trials(config: Config) -> Iterator[TrainingTrial]:
    """Yield networks of ever greater depth, trained on one grid of rates."""
    shared: dict[str, Any] = {name: config[name] for name in ("width", "epochs", "batch_size", "momentum")}
    shared |= {"activation": "tanh", "probe_epoch": [], **data_settings(config)}
    for sw2, depth, rate in product(config["phase_weight"], config["phase_depth"], config["learning_rate"]):
        arm: dict[str, Any] = {"scheme": mean_field(sw2, BIAS_VARIANCE), "depth": depth, "learning_rate": rate}
        for repeat in range(config["seeds"]):
            yield TrainingTrial(kind="phase_training", repeat=repeat, **arm, **shared)


def chosen_arms(trials: pd.DataFrame, sw2: float) -> ChosenArms | None:
    """Return the runs of one weight variance, each depth at its chosen rate; None where there are no runs."""
    runs = rows_of(trials, kind="phase_training", scheme=mean_field(sw2, BIAS_VARIANCE))
    return ChosenArms(scored(runs), ARM) if len(runs) else None


def fall_depths(trials: pd.DataFrame, sw2: float) -> tuple[np.ndarray, bool]:
    """Return each seed's depth at which the test metric at the chosen rates has lost half its lead over chance.

    Also whether that rests on an edge: of the grid of depths for some seed, or of the grid of rates.
    """
    arms = chosen_arms(trials, sw2)
    if arms is None:
        return np.empty(0), False
    wide = arms.runs.pivot(index="repeat", columns="depth", values="score").dropna()
    chance = float(arms.grid["chance"].max())
    falls = [_fall(wide.columns.to_numpy(dtype=float), row - chance) for row in wide.to_numpy(dtype=float)]
    edge = arms.at_edge({"depth": arms.grid["depth"].min()})
    return np.array([fall for fall, _ in falls]), edge or any(outside for _, outside in falls)


def _fall(depths: np.ndarray, leads: np.ndarray) -> tuple[float, bool]:
    """Depth at which the lead is half its largest, between two depths in ln; and whether it lies outside the grid."""
    half = leads.max() / 2
    if half <= 0:
        return float(depths[0]), True
    below = np.flatnonzero((leads < half) & (np.arange(leads.size) > int(leads.argmax())))
    if not below.size:
        return float(depths[-1]), True
    at = int(below[0])
    share = (leads[at - 1] - half) / (leads[at - 1] - leads[at])
    return float(np.exp(np.log(depths[at - 1]) + share * np.log(depths[at] / depths[at - 1]))), False


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether the depth at which training fails is a multiple of the correlation's depth scale."""
    xi = {sw2: tanh_scales(sw2).correlation for sw2 in config["phase_weight"]}
    note = f"half the lead over chance after {config['epochs']} epochs at the rates that validation chose"
    falls = {sw2: fall_depths(tables["trials"], sw2) for sw2 in xi}
    for sw2, (depths, edge) in falls.items():
        yield Question(
            id=f"A9-trained-{sw2:g}",
            kind="claim",
            statement="Trained accuracy falls off at about six depth scales xi_c.",
            source=f"{SCHOENHOLZ}, figure 5",
            arm=f"tanh, sw2 = {sw2:g}, sb2 = {BIAS_VARIANCE:g}, {config['data']}",
            values=np.log(depths / xi[sw2]),
            rule=Within(math.log(SCALES), FALL_MARGIN),
            at_edge=edge,
            note=f"ln of the depth with {note}, over xi_c = {xi[sw2]:.3g}",
        )
    if len(falls) < 2:
        return
    low, high = min(xi, key=lambda sw2: xi[sw2]), max(xi, key=lambda sw2: xi[sw2])
    (short, edge), (long, other_edge) = falls[low], falls[high]
    yield Question(
        id="A9-trained-ratio",
        kind="claim",
        statement="The depth that can be trained is proportional to xi_c.",
        source=f"{SCHOENHOLZ}, figure 5",
        arm=f"tanh, sw2 = {high:g} against {low:g}, {config['data']}",
        values=np.log(long / short) if short.size == long.size else np.empty(0),
        rule=Within(math.log(xi[high] / xi[low]), PROPORTION_MARGIN),
        at_edge=edge or other_edge,
        note=f"ln of the ratio of depths with {note}",
    )


TRAINABLE_DEPTH = Part(
    kinds={"phase_training": Kind(TrainingTrial, train_alone, training_cost, TRAINING)},
    trials=trials,
    questions=questions,
)
