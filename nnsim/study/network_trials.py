"""One network of a trial: looked at as it was drawn, or trained and looked at in between, as rows of tables.

Studies share these measurements and their columns. What a trial does not name, of `NetworkSpec` (``normalization``,
``dropout``, ``loss`` ...) and of `Recipe` (``optimizer``, ``schedule``, ``clip_norm`` ...), is the default. All arms of
one repeat share their draws, so that they are paired.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from nnsim.core.seeding import key
from nnsim.data import datasets
from nnsim.networks.activations import parse as parse_activation
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.layers import probe
from nnsim.probes.propagation import propagate, shown_layers, unit_rows
from nnsim.study.declaration import Column
from nnsim.study.parts import Measured, Rows
from nnsim.study.trials import DataTrial, NetworkTrial, TrainingTrial
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

PROBE_ROWS = 16
"""Inputs on which an untrained network is looked at."""

TRAINED_ROWS = 64
"""Validation rows on which a trained network is looked at."""

Training = TypeVar("Training", bound=TrainingTrial)

NETWORK_SETTINGS = tuple(
    field.name for field in fields(NetworkSpec) if field.name not in {"widths", "activation", "parameter", "dtype"}
)
RECIPE_SETTINGS = tuple(field.name for field in fields(Recipe))

LOOKING = ("probe_layers float64", "value_and_slope float64")
"""The large kernels that `look_at_network` calls, see `nnsim.study.parts.Kind`."""

TRAINING = ("train_epochs float32", "evaluate float32", "probe_layers float32", "value_and_slope float64")
"""Those that `train_network` calls."""

HISTORY_NAMES = ("train_loss", "validation_loss", "validation_metric")

ARM_COLUMNS = (
    Column(
        "kind", "text", "", "what the trial is for: propagation, gain, linear, bound, fluctuation, training, symmetry"
    ),
    Column("scheme", "text", "", "initialization scheme, with its numbers"),
    Column("activation", "text", "", "activation of the hidden layers, with its parameter"),
    Column("depth", "int", "layers", "hidden layers"),
    Column("width", "int", "units", "units of each hidden layer"),
    Column("learning_rate", "float", "", "step size; empty where nothing is trained"),
    Column("repeat", "int", "", "number of the independent seed: weights, error signal and data order"),
)
TRIAL_COLUMNS = (
    *ARM_COLUMNS,
    Column("data", "text", "", "data set"),
    Column("parameters", "int", "", "weights and biases"),
    Column("status", "text", "", "done, diverged or error"),
    Column("reason", "text", "", "why a trial is not done"),
    Column("diverged_at", "int", "steps", "step at which the loss stopped being finite"),
    Column("epochs_done", "int", "epochs", "epochs of training that were finished"),
    Column("train_loss", "float", "nats or squared units", "mean loss of the last epoch's steps"),
    Column("validation_loss", "float", "nats or squared units", "validation loss after the last epoch"),
    Column("validation_metric", "float", "1", "validation accuracy, or R^2 of a regression, after the last epoch"),
    Column("test_loss", "float", "nats or squared units", "test loss after the last epoch"),
    Column("test_metric", "float", "1", "test accuracy or R^2 after the last epoch"),
    Column("chance", "float", "1", "validation metric of the best constant answer"),
    Column("log_gain", "float", "nats", "ln(mean a_L^2 / mean x^2) at initialisation, mean over inputs"),
    Column("alive", "bool", "", "whether every input still reaches the last hidden layer at initialisation"),
    Column("asymmetry", "float", "", "largest difference between incoming weights of two units of one layer"),
)
PROBE_TEXTS = (
    ("z_mean", "mean pre-activation"),
    ("z_square", "mean squared pre-activation"),
    ("a_mean", "mean activation"),
    ("a_square", "mean squared activation"),
    ("a_log", "mean over inputs of ln(mean squared activation)"),
    ("delta_square", "mean squared delta = dL/dZ"),
    ("delta_log", "mean over inputs of ln(mean squared delta)"),
    ("saturated", "share of (input, unit) pairs whose slope is under 5 % of the largest"),
    ("dead", "share of units whose slope is zero on every input looked at"),
    ("weight_squares", "sum of squared weights"),
    ("weight_gradient_squares", "sum of squared weight gradients"),
    ("bias_gradient_squares", "sum of squared bias gradients"),
)
LAYER_COLUMNS = (
    *ARM_COLUMNS,
    Column("epoch", "int", "epochs", "epochs of training before the look; 0 is the initialisation"),
    Column("layer", "int", "", "1 ... depth are hidden, depth + 1 is the output"),
    *(Column(name, "float", "", text) for name, text in PROBE_TEXTS),
)
HISTORY_COLUMNS = (
    *ARM_COLUMNS,
    Column("epoch", "int", "epochs", "epochs done"),
    Column("train_loss", "float", "nats or squared units", "mean loss of the epoch's steps"),
    Column("validation_loss", "float", "nats or squared units", "validation loss after the epoch"),
    Column("validation_metric", "float", "1", "validation accuracy or R^2 after the epoch"),
)


@lru_cache(maxsize=8)
def _split(data: str, target: str, samples: int, root_seed: int, fingerprint: str) -> datasets.Split:
    dataset = datasets.load(data, key=key(root_seed, "data"), target=target or None, n_samples=samples or None)
    return datasets.split(dataset, key=key(root_seed, "split"))


@lru_cache(maxsize=8)
def _inputs(rows: int, *names: Any) -> np.ndarray:
    return unit_rows(_split(*names).X_train[:rows])


@lru_cache(maxsize=8)
def _batches(*names: Any) -> trainer.Batches:
    return trainer.batches(_split(*names), np.float32)


def data_names(trial: DataTrial) -> tuple[str, str, int, int, str]:
    """Return what identifies a trial's data; a file that was rewritten is another one."""
    return trial.data, trial.target, trial.samples, trial.root_seed, trial.fingerprint or ""


def data_of(trial: DataTrial) -> datasets.Split:
    """Return a trial's data, split and standardised; kept, because many trials share them."""
    return _split(*data_names(trial))


def usual_data(trial: DataTrial) -> datasets.Split:
    """Return the data of root seed 0, by whose size a trial's cost is estimated."""
    return data_of(replace(trial, root_seed=0))


def without_lone_row(trial: Training) -> Training:
    """Return a trial that leaves out the last batch of an epoch where it would hold one row.

    Batch normalisation needs two, and how many rows there are hangs on the root seed. A study that trains networks
    with it says so by this, for all that it compares step by step; its trials have a field ``drop_last``.
    """
    lone = data_of(trial).X_train.shape[0] % (trial.batch_size or 1) == 1
    return replace(trial, drop_last=lone)  # type: ignore[call-arg]


def network_of(trial: NetworkTrial, dtype: str) -> NetworkSpec:
    """Return a trial's network, its input and output fitted to the data."""
    data = data_of(trial)
    activation, parameter = parse_activation(trial.activation)
    widths = (data.n_features, *[trial.width] * trial.depth, data.n_outputs)
    settings = {"loss": trainer.loss_of(data.task), **trial.given(NETWORK_SETTINGS)}
    return NetworkSpec(widths, activation, parameter, dtype=dtype, **settings)


def recipe_of(trial: TrainingTrial) -> Recipe:
    """Return how a trial's network is trained."""
    return Recipe(**trial.given(RECIPE_SETTINGS))


def nine_digits(value: float) -> float:
    """Return a number as a table shows it that is not canonical, such as one of LAPACK."""
    return float(f"{value:.9g}")


def columns_with(shared: tuple[Column, ...], *more: Column) -> tuple[Column, ...]:
    """Return one of the three sets of columns above with those of a study's own settings after the arm's."""
    return (*ARM_COLUMNS, *more, *shared[len(ARM_COLUMNS) :])


def _layer_rows(trial: NetworkTrial, facts: list[dict[str, float]], epoch: int) -> Rows:
    kept = [*shown_layers(trial.depth), trial.depth + 1]
    return [{"epoch": epoch, "layer": layer, **facts[layer - 1]} for layer in kept]


def drawn_network(trial: NetworkTrial) -> tuple[NetworkSpec, np.ndarray]:
    """Return a trial's network and its initial parameters, in float64."""
    spec = network_of(trial, "float64")
    X = _inputs(PROBE_ROWS, *data_names(trial))
    return spec, initialize(spec, trial.scheme, key(trial.root_seed, "init", trial.repeat), X)


def look_at_network(trial: NetworkTrial, rows: int = PROBE_ROWS) -> Measured:
    """Look at one random network, in float64 because signals vanish far below what float32 can hold.

    The first `rows` training inputs, each scaled to mean square one, go forward; a Gaussian error signal comes back.
    """
    spec, theta = drawn_network(trial)
    facts = propagate(spec, theta, _inputs(rows, *data_names(trial)), key(trial.root_seed, "signal", trial.repeat))
    gain = facts[trial.depth - 1]["a_log"]
    row = {"parameters": spec.n_parameters, "log_gain": gain, "alive": gain > -np.inf}
    return {"trials": [row], "layers": _layer_rows(trial, facts, 0)}


def asymmetry(spec: NetworkSpec, theta: np.ndarray) -> float:
    """Return the largest difference between the incoming weights of two units of one hidden layer; NaN if diverged."""
    if not np.isfinite(theta).all():
        return math.nan
    return max(float(np.max(np.abs(W - W[:, :1]))) for W, _ in spec.layers(theta)[:-1])


def chance_of(data: datasets.Split) -> float:
    """Return the validation metric of the best constant answer: the share of the largest class, or an R^2 of 0."""
    if data.task != "classification":
        return 0.0
    return float(np.bincount(data.y_validation).max() / data.y_validation.size)


def outcome(spec: NetworkSpec, run: trainer.Run, data: datasets.Split) -> dict[str, Any]:
    """Return what became of a run: columns of `TRIAL_COLUMNS`; one that diverged says so and has no scores.

    Parameters
    ----------
    spec : NetworkSpec
        The network, in float32.
    run : Run
        Its training; one that is done has an epoch at least.
    data : Split
        Test rows are scored; validation rows tell what chance is.
    """
    found = {"parameters": spec.n_parameters, "epochs_done": len(run.history), "chance": chance_of(data)}
    if run.status == "diverged":
        why = {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}
        return found | why
    X, Y = data.X_test.astype(np.float32), trainer.targets(data.y_test, np.float32)
    test = trainer.evaluate(spec, run.theta, X, Y, run.statistics)
    found |= {"test_loss": test.loss, "test_metric": test.metric}
    return found | dict(zip(HISTORY_NAMES, run.history[-1].tolist(), strict=False))


def train_in_stretches(trial: TrainingTrial, spec: NetworkSpec) -> tuple[trainer.Run, Rows]:
    """Train to each epoch at which layers are looked at, and on from there."""
    data, root, repeat, recipe = _batches(*data_names(trial)), trial.root_seed, trial.repeat, recipe_of(trial)
    start: np.ndarray | trainer.Run = initialize(spec, trial.scheme, key(root, "init", repeat), data.X[:256])
    layers: Rows = []
    for epoch in [*(trial.probe_epoch or ()), trial.epochs]:
        start = run = trainer.train(spec, start, data, recipe, key(root, "shuffle", repeat), until=epoch)
        if run.status == "diverged":
            break
        facts = probe(spec, run.theta, data.X_validation[:TRAINED_ROWS], data.Y_validation[:TRAINED_ROWS])
        layers += _layer_rows(trial, facts, epoch)
    return run, layers


def history_rows(run: trainer.Run) -> Rows:
    """Return a row for each epoch of a run."""
    return [
        {"epoch": epoch, **dict(zip(HISTORY_NAMES, values, strict=False))}
        for epoch, values in enumerate(run.history.tolist(), start=1)
    ]


def clipped_share(run: trainer.Run) -> float | None:
    """Return the share of a run's steps whose gradient was clipped; None where no epoch was done."""
    shares = run.history[:, trainer.COLUMNS.index("clipped")].tolist()
    return math.fsum(shares) / len(shares) if shares else None


def train_network(trial: TrainingTrial) -> Measured:
    """Train one network in float32; a run that diverges is a row that says so.

    Returns
    -------
    dict
        ``trials``: one row; ``layers``: those of each look; ``history``: a row for each epoch.
    """
    spec = network_of(trial, "float32")
    run, layers = train_in_stretches(trial, spec)
    row = outcome(spec, run, data_of(trial)) | {"asymmetry": asymmetry(spec, run.theta)}
    return {"trials": [row], "layers": layers, "history": history_rows(run)}


def train_alone(trial: TrainingTrial) -> Measured:
    """Train one network as `train_network` does, and return the trial's row alone."""
    return {"trials": train_network(trial)["trials"]}


def parameters_of(trial: NetworkTrial) -> int:
    """Return about how many parameters a trial's network has, by which its cost is estimated."""
    data = usual_data(trial)
    ends = data.n_features + data.n_outputs
    return trial.depth * trial.width * (trial.width + 1) + ends * trial.width


def steps_of(trial: TrainingTrial) -> int:
    """Return how many steps a trial takes, by which its cost is estimated."""
    rows = usual_data(trial).X_train.shape[0]
    return math.ceil(rows / (trial.batch_size or rows)) * trial.epochs
