"""What steps and losses are exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes import training_identities
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtLeast, AtMost, Question, Within
from nnsim.study.declaration import Column
from nnsim.study.network_trials import data_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import DataTrial, NetworkTrial, Trial
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

from .shared import NETWORK, data_named, drawn

if TYPE_CHECKING:
    import pandas as pd

DECAY_RATE, DECAY, DECAY_STEPS = 0.01, 0.1, 100
FIRST_RATE, EPSILON = 0.01, 1e-3
ENDS = ("smallest", "largest")  # ratios of a weight to its start
DROPOUT_RATES = (0.2, 0.5)
ROUNDING = 1e-9  # relative, of double precision; the nearest wrong formula is off by more than 1e-3
IDENTITY_COLUMNS = (
    Column("kind", "text", "", "decay, first_step, start_loss or dropout"),
    Column("data", "text", "", "data set"),
    Column("optimizer", "text", "", "optimizer"),
    Column("dropout", "float", "1", "probability with which a unit is dropped"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("quantity", "text", "", "what the value is"),
    Column("value", "float", "see quantity", "ratio of weights, relative error, loss in nats, moment, or classes"),
)


@dataclass(frozen=True, kw_only=True)
class DecayTrial(DataTrial):
    """Weights without a gradient; the data set is that of its study's other trials."""

    optimizer: str


@dataclass(frozen=True, kw_only=True)
class FirstStepTrial(NetworkTrial):
    """A network that takes one step."""

    optimizer: str


@dataclass(frozen=True, kw_only=True)
class DropoutTrial(DataTrial):
    """A unit under dropout; the data set is that of its study's other trials."""

    dropout: float


def trials(config: Config) -> Iterator[Trial]:
    """Yield what is measured of a seed, seed by seed."""
    first = data_named(config, config["data"][0])
    for repeat in range(config["probe_seeds"]):
        for optimizer in ("adamw", "adam"):
            yield DecayTrial(kind="decay", optimizer=optimizer, repeat=repeat, **first)
        for data in config["data"]:
            looked_at: dict[str, Any] = {**data_named(config, data), **NETWORK, "width": config["width"]}
            yield FirstStepTrial(kind="first_step", optimizer="adam", repeat=repeat, **looked_at)
            yield NetworkTrial(kind="start_loss", repeat=repeat, **looked_at)
        for rate in DROPOUT_RATES:
            yield DropoutTrial(kind="dropout", dropout=rate, repeat=repeat, **first)


def _draws(trial: Trial) -> int:
    return key(trial.root_seed, trial.kind, trial.repeat)


def _values(**values: float) -> Measured:
    return {"identities": [{"quantity": quantity, "value": value} for quantity, value in values.items()]}


def measure_decay(trial: DecayTrial) -> Measured:
    """Measure how much weights shrink that get no gradient."""
    recipe = Recipe(optimizer=trial.optimizer, epochs=DECAY_STEPS, learning_rate=DECAY_RATE, weight_decay=DECAY)
    return _values(**dict(zip(ENDS, training_identities.shrinkage(recipe, _draws(trial)), strict=True)))


def measure_first_step(trial: FirstStepTrial) -> Measured:
    """Hold the first step against -eta g / (|g| + eps)."""
    spec, theta = drawn(trial, "float64")
    recipe = Recipe(optimizer=trial.optimizer, learning_rate=FIRST_RATE, epsilon=EPSILON)
    data = trainer.batches(data_of(trial), np.float64)
    change, gradient = training_identities.first_step(spec, theta, data, recipe)
    expected = -FIRST_RATE * gradient / (np.abs(gradient) + EPSILON)
    return _values(error=float(np.abs(change - expected).max()) / FIRST_RATE)


def measure_start_loss(trial: NetworkTrial) -> Measured:
    """Measure the losses with a zero readout: binary cross-entropy, and that of classes where there are some."""
    spec, theta = drawn(trial, "float64")
    data = trainer.batches(data_of(trial), np.float64)
    binary = NetworkSpec((*spec.widths[:-1], 1), spec.activation, loss="bce", dtype="float64")
    silent = initialize(binary, trial.scheme, _draws(trial))
    odd = np.ascontiguousarray(data.Y[:, :1] % 2 != 0, np.float64)
    found = {"bce": training_identities.start_loss(binary, silent, data.X, odd)}
    if spec.loss == "cross_entropy":
        found["cross_entropy"] = training_identities.start_loss(spec, theta, data.X, data.Y)
        found["classes"] = float(spec.widths[-1])
    return _values(**found)


def measure_dropout(trial: DropoutTrial) -> Measured:
    """Measure the first two moments of a unit under dropout."""
    mean, square = training_identities.dropout_moments(trial.dropout, _draws(trial))
    return _values(mean=mean, mean_square=square)


def _of(identities: pd.DataFrame, **arm: Any) -> np.ndarray:
    return rows_of(identities, **arm).sort_values("repeat", kind="stable")["value"].to_numpy(dtype=float)


def _decay_questions(identities: pd.DataFrame) -> Iterator[Question]:
    source = "Loshchilov and Hutter 2019, algorithm 2"
    for end in ENDS:
        yield Question(
            id=f"D5-adamw-decay-{end}",
            kind="check",
            statement="Without a gradient AdamW shrinks every weight by (1 - eta wd)^t.",
            source=source,
            arm=f"adamw, eta {DECAY_RATE:g}, decay {DECAY:g}, {DECAY_STEPS} steps of zero gradient",
            values=_of(identities, kind="decay", optimizer="adamw", quantity=end),
            rule=Within((1 - DECAY_RATE * DECAY) ** DECAY_STEPS, ROUNDING),
            note=f"{end} ratio of a weight to its start",
        )
    smallest, largest = (_of(identities, kind="decay", optimizer="adam", quantity=end) for end in ENDS)
    yield Question(
        id="D5-adam-l2",
        kind="claim",
        statement="Adam with an L2 penalty does not decay: it moves weights by the rate, not by a share.",
        source=source,
        arm=f"adam, eta {DECAY_RATE:g}, decay {DECAY:g}, {DECAY_STEPS} steps of zero gradient",
        values=largest - smallest,
        rule=AtLeast(0.1),
        note="largest minus smallest ratio of a weight to start",
    )


def _first_step_questions(identities: pd.DataFrame, config: Config) -> Iterator[Question]:
    for data in config["data"]:
        yield Question(
            id=f"D5-adam-first-step-{data}",
            kind="check",
            statement="Adam's first step is -eta g / (|g| + eps) in every coordinate.",
            source="Kingma and Ba 2015, algorithm 1",
            arm=f"adam, eps {EPSILON:g}, {data}",
            values=_of(identities, kind="first_step", data=data),
            rule=AtMost(ROUNDING),
            note="largest error of a coordinate, relative to eta",
        )


def _start_questions(identities: pd.DataFrame, config: Config) -> Iterator[Question]:
    for data in config["data"]:
        source, where = "the definition of cross-entropy", f"he_normal, zero readout, {data}"
        classes, binary = (_of(identities, data=data, quantity=quantity) for quantity in ("classes", "bce"))
        if classes.size or not binary.size:  # a regression has no classes
            yield Question(
                id=f"D8-softmax-{data}",
                kind="check",
                statement="With a zero readout the softmax loss of C classes is ln C.",
                source=source,
                arm=where,
                values=_of(identities, data=data, quantity="cross_entropy"),
                rule=Within(math.log(classes[0]) if classes.size else math.nan, ROUNDING),
            )
        yield Question(
            id=f"D8-bce-{data}",
            kind="check",
            statement="With a zero readout the binary cross-entropy is ln 2.",
            source=source,
            arm=where,
            values=binary,
            rule=Within(math.log(2), ROUNDING),
        )


def _dropout_questions(identities: pd.DataFrame) -> Iterator[Question]:
    for rate in DROPOUT_RATES:
        source, where = "Srivastava et al. 2014, section 10", f"unit of activation 1, p = {rate:g}"
        yield Question(
            id=f"D8-dropout-mean-{rate:g}",
            kind="check",
            statement="Inverted dropout keeps the mean.",
            source=source,
            arm=where,
            values=_of(identities, dropout=rate, quantity="mean"),
            rule=Within(1.0, 0.01),
        )
        yield Question(
            id=f"D8-dropout-square-{rate:g}",
            kind="check",
            statement="Inverted dropout multiplies the second moment by 1 / (1 - p).",
            source=source,
            arm=where,
            values=_of(identities, dropout=rate, quantity="mean_square"),
            rule=Within(1 / (1 - rate), 0.02),
        )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask what decay, a first step, a zero readout and dropout come to."""
    identities = tables["identities"]
    yield from _decay_questions(identities)
    yield from _first_step_questions(identities, config)
    yield from _start_questions(identities, config)
    yield from _dropout_questions(identities)


def cost(trial: Trial) -> float:
    """Return the expected seconds."""
    return 2e-3


STEPPING = ("train_epochs float64", "loss_and_gradient float64", "value_and_slope float64")
IDENTITIES = Part(
    kinds={
        "decay": Kind(DecayTrial, measure_decay, cost, STEPPING),
        "first_step": Kind(FirstStepTrial, measure_first_step, cost, STEPPING),
        "start_loss": Kind(NetworkTrial, measure_start_loss, cost, STEPPING[1:]),
        "dropout": Kind(DropoutTrial, measure_dropout, cost, STEPPING[1:]),
    },
    trials=trials,
    questions=questions,
)
