"""From settings to a training that is ready to start: data, network, recipe, first parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnsim.apps.settings import Settings
from nnsim.apps.target_units import TargetUnit, unit_of
from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.core.seeding import key
from nnsim.data.data_files import STANDARD_INPUT, DataFile, data_file
from nnsim.data.datasets import Dataset, Split, fingerprint, load, split, with_task
from nnsim.data.dialects import Dialect
from nnsim.data.readers import Reading
from nnsim.data.targets import TargetRule
from nnsim.kernels.formulas.losses import LOSSES
from nnsim.networks.activations import parse as parse_activation
from nnsim.networks.initializers import initialize
from nnsim.networks.initializers import parse as parse_scheme
from nnsim.networks.memory import check_memory
from nnsim.networks.spec import CLASS_LOSSES, NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.schedules import parse_schedule
from nnsim.training.trainer import Batches, batches


@dataclass(frozen=True)
class Problem:
    """A training that is ready to start.

    Attributes
    ----------
    settings : Settings
        With what was left open decided: loss, batch size, SHA-256 of the data.
    dataset : Dataset
    split : Split
    unit : TargetUnit
        In which losses are told.
    spec : NetworkSpec
    recipe : Recipe
    theta : vector
        Initial parameters.
    batches : Batches
    key : int
        Key of the shuffles and of dropout.
    auc : bool
        Whether there are two classes, so that the area under the ROC curve is defined.
    """

    settings: Settings
    dataset: Dataset
    split: Split
    unit: TargetUnit
    spec: NetworkSpec
    recipe: Recipe
    theta: np.ndarray
    batches: Batches
    key: int
    auc: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was decided about the data without being asked, and on its parts."""
        return (*self.dataset.notes, *self.split.notes)


def prepare(settings: Settings) -> Problem:
    """Load and split the data, choose the loss, and initialise the network.

    Raises
    ------
    UsageError, DataError
        If the data cannot be read or settings do not go together.
    MemoryShortageError
        If the network is larger than the memory.
    """
    data = _data(settings)
    settings = replace(settings, data_sha256=_checked_fingerprint(settings, data))
    dataset = _dataset(settings, data)
    loss = _loss(settings, dataset)
    parts = _split(settings, dataset)
    unit = unit_of(loss, parts.target_scaling)
    spec = network(settings, parts.n_features, 1 if loss == "bce" else parts.n_outputs, loss, unit.deviation)
    recipe = _recipe(settings, len(parts.X_train), unit)
    check_memory(spec, 2 + recipe.entry.first + recipe.entry.second)  # with the gradient and the optimizer's moments
    rows = batches(parts, spec.numpy_dtype)
    return Problem(
        settings=replace(settings, loss=loss, batch_size=recipe.batch_size),
        dataset=dataset,
        split=parts,
        unit=unit,
        spec=spec,
        recipe=recipe,
        theta=initialize(spec, settings.init, key(settings.seed, "train", "init"), rows.X[: recipe.batch_size]),
        batches=rows,
        key=key(settings.seed, "train", "run"),
        auc=loss in CLASS_LOSSES and dataset.n_classes == 2,
    )


def _data(settings: Settings) -> str | DataFile:
    if settings.data is None:
        raise UsageError("--data is missing: give a CSV, NPZ or IDX file, or a data set's name, as in --data digits")
    return data_file(settings.data) if settings.data == STANDARD_INPUT else settings.data


def _checked_fingerprint(settings: Settings, data: str | DataFile) -> str | None:
    found, wanted = fingerprint(data, settings.target), settings.data_sha256
    if wanted is not None and found and found != wanted:
        raise UsageError(f"'{data}' has changed: its SHA-256 is {found}, expected {wanted}")
    return found or None


def _dataset(settings: Settings, data: str | DataFile) -> Dataset:
    """Load the data; a loss of regression reads any number as a measurement, one of classes never a fraction."""
    of_loss = None if settings.loss is None else _task_of(settings.loss)
    if of_loss is not None and settings.task not in {"auto", of_loss}:
        raise UsageError(f"the loss '{settings.loss}' is for {of_loss}, not for --task {settings.task}")
    dataset = load(
        data,
        key=key(settings.seed, "train", "data"),
        target=settings.target,
        n_samples=settings.samples,
        rule=TargetRule(of_loss if of_loss == "regression" else settings.task, settings.missing_target),
        reading=reading(settings),
    )
    return dataset if of_loss is None else with_task(dataset, of_loss)


def _task_of(loss: str) -> str:
    look_up(LOSSES, "loss", loss)
    return "classification" if loss in CLASS_LOSSES else "regression"


def reading(settings: Settings) -> Reading:
    """Return how the columns of a file are read."""
    way = settings.categorical
    return Reading(
        dialect=Dialect(settings.delimiter, settings.decimal, settings.thousands),
        chosen=settings.features,
        dropped=settings.drop,
        categorical=way[0] if way in {("auto",), ("refuse",)} else way,
        missing=settings.missing,
    )


def _split(settings: Settings, dataset: Dataset) -> Split:
    fractions = (1 - settings.validation - settings.test, settings.validation, settings.test)
    if min(fractions) <= 0:
        raise UsageError(
            "the shares for validation and test must be positive and leave some rows for training, "
            f"got {settings.validation:g} and {settings.test:g}"
        )
    return split(dataset, key=key(settings.seed, "train", "split"), fractions=fractions)


def _loss(settings: Settings, dataset: Dataset) -> str:
    if settings.loss == "bce" and dataset.n_classes > 2:
        raise UsageError(
            f"the loss 'bce' is for two classes, but '{dataset.name}' has {dataset.n_classes}: use 'cross_entropy'"
        )
    if settings.loss is not None:
        return settings.loss
    if dataset.task == "regression":
        return "mse"
    by_class = settings.label_smoothing or len(settings.loss_weights or ()) > 1
    return "bce" if dataset.n_classes == 2 and not by_class else "cross_entropy"


def network(settings: Settings, inputs: int, outputs: int, loss: str, deviation: float = 1.0) -> NetworkSpec:
    """Return the network of `settings` for a data set.

    Parameters
    ----------
    settings : Settings
    inputs, outputs : int
        Units of the first and the last layer, at least 1.
    loss : str
        One of `nnsim.kernels.formulas.losses.LOSSES`.
    deviation : float
        Positive number by which targets, and so a Huber's delta that is set, are divided before training.

    Raises
    ------
    UsageError
        Settings that do not go together, or that `NetworkSpec` refuses.
    """
    activation, parameter = parse_activation(settings.activation)
    parse_scheme(settings.init)
    normalization = _normalization(settings)
    if settings.norm_after and normalization == "none":
        raise UsageError("--norm-after says where to normalise: add --batch-norm or --layer-norm")
    if settings.huber_delta is not None and loss != "huber":
        raise UsageError(f"--huber-delta belongs to the loss 'huber', not to '{loss}'")
    return NetworkSpec(
        widths=(inputs, *settings.hidden, outputs),
        activation=activation,
        parameter=parameter,
        loss=loss,
        dtype=settings.dtype,
        normalization=normalization,
        norm_after=settings.norm_after,
        norm_epsilon=settings.norm_epsilon,
        norm_momentum=settings.norm_momentum,
        dropout=settings.dropout,
        residual=settings.residual,
        label_smoothing=settings.label_smoothing,
        huber_delta=1.0 if settings.huber_delta is None else settings.huber_delta / deviation,
        loss_weights=settings.loss_weights,
    )


def _normalization(settings: Settings) -> str:
    if settings.batch_norm and settings.layer_norm:
        raise UsageError("a network has batch norm or layer norm, not both: choose one")
    return "batch" if settings.batch_norm else "layer" if settings.layer_norm else "none"


def _recipe(settings: Settings, rows: int, unit: TargetUnit) -> Recipe:
    return Recipe(
        learning_rate=settings.lr,
        momentum=settings.momentum,
        batch_size=min(32, rows) if settings.batch_size is None else settings.batch_size,
        epochs=settings.epochs,
        optimizer=settings.optimizer,
        beta2=settings.beta2,
        epsilon=settings.epsilon,
        weight_decay=settings.weight_decay,
        decayed="weights" if settings.spare_biases else "all",
        schedule=unit.schedule(parse_schedule(settings.schedule)),
        clip_norm=settings.clip_norm,
        clip_value=settings.clip_value,
        drop_last=settings.drop_last,
        patience=settings.patience,
        min_delta=settings.min_delta / unit.loss if settings.watch == "loss" else settings.min_delta,
        watch=settings.watch,
        layer_rates=settings.layer_rates,
    )
