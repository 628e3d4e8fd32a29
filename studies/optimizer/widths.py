"""Whether learning rates, and what a step does, outlive the width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.spec import NetworkSpec
from nnsim.report.arms import rows_of
from nnsim.report.best_rate import octaves_moved
from nnsim.report.questions import AtLeast, AtMost, Question, Rule, Within
from nnsim.report.selection import select_learning_rate
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.declaration import Column
from nnsim.study.network_trials import HISTORY_NAMES, data_of, recipe_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial, TrainingTrial
from nnsim.training import trainer
from nnsim.training.mup import MUP, PARAMETRIZATIONS, STANDARD, mup_layer_rates, mup_start, preactivation_changes
from nnsim.training.recipe import Recipe

from .shared import NETWORK, data_named, drawn, runs_of, training_cost, weights_of

if TYPE_CHECKING:
    import pandas as pd

CHECK_RATE, CHECK_STEPS, CHECK_BATCH = 0.001, 3, 64
LOOKED_AT = 16  # rows of the coordinate check
LEVEL = 0.15  # of a log-log slope whose neighbours are 1/2 and 1
OCTAVE = 1.0  # grid step of the learning rates; eight-fold width, moved in proportion, would be three
LAYERS = {1: "first", 2: "hidden", 3: "readout"}
COORDINATE_COLUMNS = (
    Column("kind", "text", "", "coordinate"),
    Column("parametrization", "text", "", "standard or mup"),
    Column("width", "int", "units", "units of each hidden layer"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "1 ... depth are hidden, depth + 1 is the output"),
    Column("change", "float", "", "root mean square over inputs and units of the change of z"),
)


@dataclass(frozen=True, kw_only=True)
class WidthTrial(TrainingTrial):
    """A training in one of the parametrizations; at `base_width` both are one."""

    optimizer: str
    weight_decay: float
    parametrization: str
    base_width: int
    budget: int


@dataclass(frozen=True, kw_only=True)
class CoordinateTrial(NetworkTrial):
    """A network in one of the parametrizations, looked at after a few steps."""

    optimizer: str
    weight_decay: float
    parametrization: str
    base_width: int
    learning_rate: float


def trials(config: Config) -> Iterator[WidthTrial | CoordinateTrial]:
    """Yield training over widths and rates, and the coordinate check; on the first of the data sets."""
    base: dict[str, Any] = {**data_named(config, config["data"][0]), **NETWORK, "base_width": min(config["mup_width"])}
    base |= {"optimizer": "adam", "weight_decay": 0.0}
    recipe = {"epochs": config["mup_epochs"], "batch_size": config["batch_size"]}
    recipe |= {"budget": len(config["mup_rate"]) * config["seeds"]}
    for name, width in product(PARAMETRIZATIONS, config["mup_width"]):
        arm = base | recipe | {"kind": "width", "parametrization": name, "width": width}
        for rate, repeat in product(config["mup_rate"], range(config["seeds"])):
            yield WidthTrial(learning_rate=rate, repeat=repeat, **arm)
    for name, width in product(PARAMETRIZATIONS, config["coordinate_width"]):
        arm = base | {"kind": "coordinate", "parametrization": name, "width": width, "learning_rate": CHECK_RATE}
        for repeat in range(config["probe_seeds"]):
            yield CoordinateTrial(repeat=repeat, **arm)


def _start(trial: WidthTrial | CoordinateTrial, dtype: str) -> tuple[NetworkSpec, np.ndarray, tuple[float, ...] | None]:
    """Network, initial parameters and the layers' rates in the trial's parametrization."""
    spec, theta = drawn(trial, dtype)
    if trial.parametrization != MUP:
        return spec, theta, None
    return spec, mup_start(spec, theta, trial.base_width), mup_layer_rates(spec, trial.base_width)


def measure_training(trial: WidthTrial) -> Measured:
    """Train a network; the test rows are not used."""
    spec, theta, rates = _start(trial, "float32")
    recipe, shuffle = replace(recipe_of(trial), layer_rates=rates), key(trial.root_seed, "shuffle", trial.repeat)
    run = trainer.train(spec, theta, trainer.batches(data_of(trial), np.float32), recipe, shuffle)
    found: dict[str, Any] = {"parameters": spec.n_parameters, "epochs_done": len(run.history)}
    if run.status == "diverged":
        found |= {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}
    else:
        found |= dict(zip(HISTORY_NAMES, run.history[-1].tolist(), strict=False))
    return {"trials": [found]}


def measure_coordinates(trial: CoordinateTrial) -> Measured:
    """Take a few steps, and return how far each layer's pre-activations have moved."""
    spec, theta, rates = _start(trial, "float64")
    data = trainer.batches(data_of(trial), np.float64)
    batch = min(CHECK_BATCH, data.X.shape[0])
    rows = slice(0, batch * CHECK_STEPS)
    part = trainer.Batches(data.X[rows], data.Y[rows], data.X[:0], data.Y[:0])
    recipe = Recipe(trial.learning_rate, None, batch, 1, trial.optimizer, layer_rates=rates)
    run = trainer.train(spec, theta, part, recipe, key(trial.root_seed, "shuffle", trial.repeat))
    changes = preactivation_changes(spec, theta, run.theta, part.X[:LOOKED_AT])
    return {
        "trials": [{"parameters": spec.n_parameters}],
        "coordinates": [{"layer": layer, "change": change} for layer, change in enumerate(changes, start=1)],
    }


def arms_by_loss(runs: pd.DataFrame) -> ChosenArms:
    """Choose the rate of each width by the training loss, as those who transfer rates do."""
    names = ["parametrization", "width"]
    return ChosenArms(runs, names, select_learning_rate(runs, names, "train_loss", larger_is_better=False))


def _transfer_questions(runs: pd.DataFrame, config: Config) -> Iterator[Question]:
    narrow, wide = min(config["mup_width"]), max(config["mup_width"])
    rules: dict[str, tuple[Rule, str]] = {
        MUP: (Within(0.0, OCTAVE), "Under muP Adam's best learning rate does not move with the width."),
        STANDARD: (
            AtMost(-OCTAVE),
            "In the standard parametrization Adam's best rate falls by octaves as the network widens.",
        ),
    }
    arms = arms_by_loss(runs)
    for name, (rule, statement) in rules.items():
        yield Question(
            id=f"D7-transfer-{name}",
            kind="claim",
            statement=statement,
            source="Yang, Hu et al. 2022, figures 1 and 3",
            arm=f"{name}, adam, widths {narrow} to {wide}, {config['data'][0]}",
            values=octaves_moved(rows_of(runs, parametrization=name), narrow, wide),
            rule=rule,
            note="octaves from the narrowest to the widest network; best is what trains to the least loss",
            at_edge=arms.at_edge({"parametrization": name}),
        )


def _slopes(changes: pd.DataFrame, parametrization: str, layer: int) -> np.ndarray:
    from nnsim.report.statistics.slopes import slopes_by_seed  # its package needs SciPy, which a listing does not

    return slopes_by_seed(rows_of(changes, parametrization=parametrization, layer=layer), "width", "change")


def _coordinate_questions(changes: pd.DataFrame, config: Config) -> Iterator[Question]:
    widths = config["coordinate_width"]
    where = f"{CHECK_STEPS} Adam steps, widths {min(widths)} to {max(widths)}, {config['data'][0]}"
    source, note = "Yang, Hu et al. 2022, appendix D.1", "log-log slope against the width"
    for layer, name in LAYERS.items():
        yield Question(
            id=f"D7-coordinate-mup-{name}",
            kind="claim",
            statement=f"Under muP a step moves the {name} layer's z equally at any width.",
            source=source,
            arm=f"mup, {where}",
            values=_slopes(changes, MUP, layer),
            rule=Within(0.0, LEVEL),
            note=note,
        )
        if name == "first":  # its fan-in does not grow
            continue
        yield Question(
            id=f"D7-coordinate-standard-{name}",
            kind="claim",
            statement=f"In the standard parametrization a step moves the {name} layer's z the more the wider the "
            "network.",
            source=source,
            arm=f"standard, {where}",
            values=_slopes(changes, STANDARD, layer),
            rule=AtLeast(0.5),
            note=f"{note}; 1 in the limit, where the layer's own update outweighs the one before",
        )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether the best rate moves with the width, and how far a step moves pre-activations."""
    yield from _transfer_questions(runs_of(tables["trials"], "width"), config)
    yield from _coordinate_questions(tables["coordinates"], config)


WIDTHS = Part(
    kinds={
        "width": Kind(WidthTrial, measure_training, training_cost, ("train_epochs float32",)),
        "coordinate": Kind(
            CoordinateTrial,
            measure_coordinates,
            lambda trial: 2e-3 + 1e-7 * weights_of(trial),
            ("train_epochs float64", "logits float64"),
        ),
    },
    trials=trials,
    questions=questions,
)
