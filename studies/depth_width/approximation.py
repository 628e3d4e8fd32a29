"""How many units a smooth function of many inputs takes, with hidden weights that learn or that are fixed (C5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.expressivity.ridge_functions import FREQUENCY, WAVES, RidgeData, fixed_unit_errors, ridge_data
from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtMost, Question
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.declaration import Column
from nnsim.study.network_trials import HISTORY_NAMES, RECIPE_SETTINGS, TRAINING, nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.expressivity.approximation import barron_bound, waves_barron_norm
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

from .shared import ShapeTrial, arms_of, count_cost, counted, runs_of, seconds_of_steps

if TYPE_CHECKING:
    import pandas as pd

SCHEMES = {"relu": "he_normal", "sigmoid": "xavier_normal"}
TOLD = {"relu": "ReLU", "sigmoid": "sigmoid"}
LITTLE = 0.05  # share of the variance
RIDGE = f"{WAVES} plane waves of frequency {FREQUENCY:g}"
BARRON = "Barron 1993, theorems 1 and 6"
FIXED_COLUMNS = (
    Column("activation", "text", "", "activation of the units"),
    Column("dimension", "int", "", "inputs"),
    Column("units", "int", "units", "fixed random units of which the output is fitted"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("error", "float", "1", "share of the variance left on fresh rows (LAPACK, nine digits)"),
)


@dataclass(frozen=True, kw_only=True)
class WavesTrial(ShapeTrial):
    """A hidden layer that approximates plane waves, with so many rows to train on and as many held out."""

    activation: str
    rows: int

    def smallest(self) -> Self:
        """Return it on a few rows."""
        return replace(super().smallest(), rows=64)


@dataclass(frozen=True, kw_only=True)
class FixedTrial(WavesTrial):
    """Random hidden units, of which only the output is fitted: as many as each number says."""

    units: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class RidgeTrial(WavesTrial):
    """A hidden layer that is trained."""

    scheme: str
    learning_rate: float
    epochs: int
    batch_size: int
    optimizer: str
    schedule: str
    probe_epoch: Sequence[int]

    def smallest(self) -> Self:
        """Return one epoch."""
        return replace(super().smallest(), epochs=1, batch_size=8)


# --- fixed units ---------------------------------------------------------------------------------------------------


def fixed_trials(config: Config) -> Iterator[FixedTrial]:
    """Yield random units, the larger layers beginning with the smaller ones."""
    units = sorted(set(config["units"]))
    sizes: dict[str, Any] = {"depth": 1, "width": units[-1], "units": units, "rows": config["ridge_rows"]}
    for activation, dimension, repeat in product(TOLD, config["dimension"], range(config["seeds"])):
        yield FixedTrial(kind="fixed", activation=activation, dimension=dimension, repeat=repeat, **sizes)


def _data(trial: WavesTrial) -> RidgeData:
    return ridge_data(trial.dimension, 2 * trial.rows, key(trial.root_seed, "ridges", trial.dimension, trial.repeat))


def measure_fixed(trial: FixedTrial) -> Measured:
    """Fit the output of each number of units."""
    draws = key(trial.root_seed, "units", trial.dimension, trial.repeat)
    errors = fixed_unit_errors(_data(trial), trial.rows, trial.activation, trial.units, draws)
    return counted(trial, {}) | {"fixed": [{"units": n, "error": nine_digits(error)} for n, error in errors.items()]}


def fixed_questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether errors of fixed units fall more slowly than 1/n."""
    from nnsim.report.statistics.slopes import log_slopes  # it needs pandas and SciPy

    highest = max(config["dimension"])
    for activation, told in TOLD.items():
        rows = rows_of(tables["fixed"], activation=activation, dimension=highest)
        yield Question(
            id=f"C5-fixed-{activation}",
            kind="claim",
            statement=f"Fixed random {told} units are slower than 1/n in {highest} dimensions: weights must learn.",
            source=BARRON,
            arm=_where(config),
            values=log_slopes(rows.pivot(index="repeat", columns="units", values="error")),
            rule=Above(-1.0),
            note="log-log slope on fresh rows, outputs by least squares",
        )


def _where(config: Config) -> str:
    return f"{min(config['units'])} to {max(config['units'])} units, {RIDGE}"


FIXED = Part(
    kinds={"fixed": Kind(FixedTrial, measure_fixed, count_cost)},
    trials=fixed_trials,
    questions=fixed_questions,
)

# --- trained units -------------------------------------------------------------------------------------------------


def ridge_trials(config: Config) -> Iterator[RidgeTrial]:
    """Yield layers that are trained."""
    arms = product(SCHEMES.items(), config["dimension"], config["units"], runs_of(config))
    for (activation, scheme), dimension, width, run in arms:
        arm: dict[str, Any] = {"scheme": scheme, "activation": activation, "dimension": dimension, "width": width}
        sizes: dict[str, Any] = {"depth": 1, "rows": config["ridge_rows"], "epochs": config["ridge_epochs"]}
        yield RidgeTrial(kind="ridge", **arm, **sizes, **run)


def measure_ridge(trial: RidgeTrial) -> Measured:
    """Train a layer: half of the rows that are held out choose the rate, the others test."""
    rows, middle = trial.rows, trial.rows + trial.rows // 2
    X, Y = (part.astype(np.float32) for part in _data(trial))
    data = trainer.Batches(X[:rows], Y[:rows], X[rows:middle], Y[rows:middle])
    spec = NetworkSpec((trial.dimension, trial.width, 1), trial.activation, loss="mse")
    start = initialize(spec, trial.scheme, key(trial.root_seed, "init", trial.repeat))
    recipe = Recipe(**trial.given(RECIPE_SETTINGS))
    run = trainer.train(spec, start, data, recipe, key(trial.root_seed, "shuffle", trial.repeat))
    if run.status == "diverged":
        reason = "the loss stopped being finite"
        found = {"status": "diverged", "reason": reason, "diverged_at": run.diverged_at}
    else:
        test = trainer.evaluate(spec, run.theta, X[middle:], Y[middle:])
        found = dict(zip(HISTORY_NAMES, run.history[-1].tolist(), strict=False))
        found |= {"test_loss": test.loss, "test_metric": test.metric, "error": 1.0 - test.metric}
        found |= {"epochs_done": len(run.history)}
    return counted(trial, found | {"chance": 0.0})


def ridge_cost(trial: RidgeTrial) -> float:
    """Return the expected seconds."""
    return seconds_of_steps(trial.epochs * math.ceil(trial.rows / trial.batch_size), trial, trial.batch_size)


def arms(trials: pd.DataFrame) -> ChosenArms:
    """Return the trained layers at their chosen rates."""
    return arms_of(trials, "ridge", ["activation", "dimension", "width"])


def _slope_questions(arms: ChosenArms, config: Config) -> Iterator[Question]:
    from nnsim.report.statistics.slopes import log_slopes, side_by_side  # it needs pandas and SciPy

    for activation, dimension in product(TOLD, sorted(set(config["dimension"]))):
        layers = {
            n: {"activation": activation, "dimension": dimension, "width": n} for n in sorted(set(config["units"]))
        }
        left = side_by_side({n: 1.0 - arms.values("score", layer) for n, layer in layers.items()})
        yield Question(
            id=f"C5-{activation}-{dimension}",
            kind="claim",
            statement=(
                f"Trained {TOLD[activation]} units: the squared error falls at least as 1/n in {dimension} dimensions."
            ),
            source=BARRON,
            arm=_where(config),
            values=log_slopes(left),
            rule=AtMost(-1.0),
            note="log-log slope on test rows, by Adam",
            at_edge=arms.at_edge(*layers.values()),
        )


def _enough_question(arms: ChosenArms, config: Config) -> Question:
    most, highest = max(config["units"]), max(config["dimension"])
    arm = {"activation": "relu", "dimension": highest, "width": most}
    radius = math.sqrt(3.0 * highest)
    enough = barron_bound(waves_barron_norm(WAVES, FREQUENCY), radius, 1) / LITTLE
    return Question(
        id="C5-enough",
        kind="correction",
        statement=(
            f"Enough neurons need not be billions: {most} leave under 5 % of a smooth target in {highest} dimensions."
        ),
        source="the teaching page: enough can mean billions",
        arm=f"ReLU, {RIDGE}",
        values=1.0 - arms.values("score", arm).to_numpy(),
        rule=AtMost(LITTLE),
        note=(
            f"share of the variance left; Barron's bound promises as much from {enough:,.0f} units on; "
            "it does mean a billion for 30 tents on one hidden layer (C1-tents)"
        ),
        at_edge=arms.at_edge(arm),
    )


def ridge_questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how fast the errors of trained units fall, and how many are enough."""
    trained = arms(tables["trials"])
    yield from _slope_questions(trained, config)
    yield _enough_question(trained, config)


TRAINED = Part(
    kinds={"ridge": Kind(RidgeTrial, measure_ridge, ridge_cost, TRAINING[:2])},
    trials=ridge_trials,
    questions=ridge_questions,
)
