"""Training a network: data in its precision, whole epochs in one kernel call, divergence as a status."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from nnsim.core.errors import NnsimWarning, UsageError
from nnsim.core.shown import Shown
from nnsim.core.validation import check_dtype, check_shape
from nnsim.data.datasets import Split
from nnsim.kernels.cpu import training as kernels
from nnsim.kernels.cpu.optimizers import Moments
from nnsim.kernels.cpu.training import State
from nnsim.kernels.formulas.columns import HISTORY as COLUMNS
from nnsim.kernels.formulas.columns import N_HISTORY, VALIDATION_LOSS
from nnsim.kernels.formulas.scores import BEST_EPOCH, WAITED
from nnsim.networks.spec import CLASS_LOSSES, NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.schedules import plateau

CALL_OPERATIONS = 4e9
"""Multiply-adds that one kernel call does at most, well under a second's worth, so that a run can be stopped."""


@dataclass(frozen=True, repr=False)
class Batches(Shown):
    """Training and validation rows in a network's precision, as the kernels want them."""

    X: np.ndarray
    Y: np.ndarray
    X_validation: np.ndarray
    Y_validation: np.ndarray

    def facts(self) -> dict[str, object]:
        """Return the shape and the precision of each array."""
        arrays = {name: getattr(self, name) for name in ("X", "Y", "X_validation", "Y_validation")}
        return {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}


@dataclass(frozen=True, repr=False)
class Run(Shown):
    """What became of a training.

    Attributes
    ----------
    theta, statistics : vectors
        The parameters and the running statistics of batch normalisation: after the last finished step or, with early
        stopping, of the best epoch.
    state : State
        All that training goes on from.
    history : float64 array (epochs done, `COLUMNS`)
    status : {"done", "diverged"}
    diverged_at : int
        The step at which the loss stopped being finite, -1 if it never did.
    stopped_early : bool
        Whether early stopping ended the run before its last epoch.
    """

    theta: np.ndarray
    statistics: np.ndarray
    state: State
    history: np.ndarray
    status: str
    diverged_at: int
    stopped_early: bool

    def facts(self) -> dict[str, object]:
        """Return how the training ended, and the last epoch's numbers."""
        last = dict(zip(COLUMNS, self.history[-1].tolist(), strict=True)) if len(self.history) else {}
        numbers = {name: f"{last[name]:.4g}" for name in COLUMNS[:3] if name in last}
        return {"status": self.status, "epochs": len(self.history), "parameters": self.theta.size} | numbers


class Scores(NamedTuple):
    """Mean loss, metric (accuracy or, in regression, R^2, NaN if all targets are equal), area under the ROC curve.

    The area is NaN where it is not asked for.
    """

    loss: float
    metric: float
    auc: float


def loss_of(task: str) -> str:
    """Return the loss that a task is trained with."""
    return "cross_entropy" if task == "classification" else "mse"


def targets(y: np.ndarray, dtype: type) -> np.ndarray:
    """Return targets as a matrix in the network's precision: class numbers in one column, or the values."""
    return np.ascontiguousarray(y.reshape(y.shape[0], -1), dtype)


def batches(data: Split, dtype: type) -> Batches:
    """Return a split's training and validation parts in a network's precision."""
    return Batches(
        np.ascontiguousarray(data.X_train, dtype),
        targets(data.y_train, dtype),
        np.ascontiguousarray(data.X_validation, dtype),
        targets(data.y_validation, dtype),
    )


def without_lone_row(spec: NetworkSpec, recipe: Recipe, rows: int, stacklevel: int = 3) -> Recipe:
    """Return a recipe whose epochs end before a last batch of one row, which batch normalisation cannot take.

    Parameters
    ----------
    spec : NetworkSpec
    recipe : Recipe
    rows : int
        Training rows.
    stacklevel : int
        Whose line the warning names; by default that of the caller's caller.

    Warns
    -----
    NnsimWarning
        If it is another recipe than the one that was given.
    """
    if recipe.drop_last or not _has_batch_norm(spec) or rows < recipe.batch_size or rows % recipe.batch_size != 1:
        return recipe
    warnings.warn(
        f"batch normalisation cannot take a batch of one row: of {rows} training rows in batches of "
        f"{recipe.batch_size}, the last of every epoch is left out",
        NnsimWarning,
        stacklevel=stacklevel,
    )
    return replace(recipe, drop_last=True)


def _has_batch_norm(spec: NetworkSpec) -> bool:
    return spec.normalization == "batch" and spec.depth > 0


def _check(spec: NetworkSpec, theta: np.ndarray, data: Batches, recipe: Recipe) -> None:
    rows = data.X.shape[0]
    if data.X.shape[1] != spec.widths[0]:
        raise UsageError(f"the network takes {spec.widths[0]} inputs, the data have {data.X.shape[1]}")
    spec.check(theta, data.X, data.Y, " of the training rows")
    if data.X_validation.shape[0] or recipe.watches:
        spec.check(theta, data.X_validation, data.Y_validation, " of the validation rows")
    if recipe.batch_size > rows:
        raise UsageError(
            f"a batch of {recipe.batch_size} rows is larger than the {rows} training rows: choose at most {rows}"
        )
    if not spec.differentiable:
        raise UsageError(f"activation '{spec.activation}' passes no gradient and cannot be trained")
    if _has_batch_norm(spec) and recipe.batch_size == 1:
        remedy = "choose a larger batch size" if rows > 1 else "there is 1 training row in all"
        raise UsageError(f"batch normalisation needs at least 2 rows a batch, got batches of 1: {remedy}")
    if recipe.watches and recipe.watch == "metric":
        _check_metric(spec, data.Y_validation)


def _check_metric(spec: NetworkSpec, Y: np.ndarray) -> None:
    if spec.loss not in CLASS_LOSSES and (Y[0] == Y).all():
        raise UsageError(
            "R2, the metric to watch, needs validation rows with two different targets or more, "
            f"got {len(Y)} with one: watch the loss, or take more rows for validation"
        )


def _new_state(spec: NetworkSpec, theta: np.ndarray, recipe: Recipe) -> State:
    n, real, entry, stops = spec.n_parameters, spec.numpy_dtype, recipe.entry, recipe.patience is not None
    statistics = spec.initial_statistics()
    return State(
        theta=theta.copy(),
        statistics=statistics,
        moments=Moments(np.zeros(n if entry.first else 0, real), np.zeros(n if entry.second else 0, real), np.ones(2)),
        plateau=plateau(recipe.parsed_schedule, recipe.learning_rate)[1],
        stopping=np.array([math.inf, -1.0, 0.0]),
        best_theta=theta.copy() if stops else theta[:0].copy(),
        best_statistics=statistics.copy() if stops else statistics[:0].copy(),
    )


def _shapes(state: State) -> list[tuple[int, ...]]:
    return [array.shape for array in (*state, *state.moments) if isinstance(array, np.ndarray)]


def _going_on(run: Run, spec: NetworkSpec, recipe: Recipe) -> State:
    """Return a copy of a run's state, which holds all that the kernels will read and write."""
    if _shapes(run.state) != _shapes(_new_state(spec, run.state.theta, recipe)):
        raise UsageError(
            "a run goes on only with the network and the recipe it began with: "
            "the normalisation, the optimizer or early stopping are others"
        )
    return _copy(run.state)


def _check_two_classes(spec: NetworkSpec) -> None:
    if (spec.loss, spec.widths[-1]) not in {("cross_entropy", 2), ("bce", 1)}:
        raise UsageError(
            f"the area under the ROC curve is that of two classes: "
            f"a network with the loss '{spec.loss}' and {spec.widths[-1]} outputs has none"
        )


def _copy(state: State) -> State:
    arrays = {name: part.copy() for name, part in state._asdict().items() if isinstance(part, np.ndarray)}
    return state._replace(moments=Moments(*(array.copy() for array in state.moments)), **arrays)


def has_waited(state: State, recipe: Recipe) -> bool:
    """Tell whether early stopping has seen as many epochs without an improvement as it waits for."""
    return recipe.patience is not None and bool(state.stopping[WAITED] >= recipe.patience)


def _run(state: State, recipe: Recipe, history: np.ndarray, diverged_at: int) -> Run:
    waited = has_waited(state, recipe)
    best = recipe.patience is not None and state.stopping[BEST_EPOCH] >= 0
    theta, statistics = (state.best_theta, state.best_statistics) if best else (state.theta, state.statistics)
    status = "done" if diverged_at < 0 else "diverged"
    return Run(theta, statistics, state, history, status, diverged_at, waited and len(history) < recipe.epochs)


def lengthened(run: Run, recipe: Recipe, epochs: int) -> Run:
    """Return a run as the longer training by `recipe` has it after the same epochs, to go on from.

    A validation loss that is not finite counts as divergence after the last epoch alone; where epochs follow it, the
    run goes on.

    Parameters
    ----------
    run : Run
    recipe : Recipe
        Of the longer training.
    epochs : int
        Epochs of the recipe with which `run` was trained.
    """
    judged_at_its_end = run.status == "diverged" and len(run.history) == epochs
    return _run(run.state, recipe, run.history, -1 if judged_at_its_end else run.diverged_at)


@dataclass(frozen=True)
class TrainRequest:
    """What `train` was asked for; ``last`` is the epoch after which to stop for now."""

    spec: NetworkSpec
    start: np.ndarray | Run
    data: Batches
    recipe: Recipe
    key: int
    last: int
    auc: bool

    @property
    def earlier(self) -> Run | None:
        """The run that the request goes on from."""
        return self.start if isinstance(self.start, Run) else None

    @property
    def theta(self) -> np.ndarray:
        """The parameters that it begins with."""
        return self.start.state.theta if isinstance(self.start, Run) else self.start


def begin(request: TrainRequest) -> tuple[State, np.ndarray]:
    """Return a state that may be trained in place, and the history so far; raises as `train` does."""
    _check(request.spec, request.theta, request.data, request.recipe)
    if request.auc:
        _check_two_classes(request.spec)
    if request.earlier is not None:
        return _going_on(request.earlier, request.spec, request.recipe), request.earlier.history
    return _new_state(request.spec, request.theta, request.recipe), np.empty((0, N_HISTORY))


def finished(request: TrainRequest) -> Run | None:
    """Return the earlier run where nothing is left to train, because it diverged or stopped early."""
    run = request.earlier
    return run if run is not None and (run.status == "diverged" or run.stopped_early) else None


def finish(request: TrainRequest, state: State, history: np.ndarray, stopped: int) -> Run:
    """Return the run that a request came to.

    Parameters
    ----------
    request : TrainRequest
    state : State
        As the kernels left it.
    history : float64 array (epochs done, `COLUMNS`)
        Of the whole run, with the epochs before the request.
    stopped : int
        Step of the next epoch at which the loss stopped being finite, -1 if it did not.
    """
    steps = request.recipe.steps(request.data.X.shape[0])
    if stopped >= 0:
        return _run(state, request.recipe, history, len(history) * steps + stopped)
    run = _run(state, request.recipe, history, -1)
    over = (
        run.stopped_early or len(history) == request.recipe.epochs
    )  # one that goes on may recover: stops must not show
    validated = request.data.X_validation.shape[0] > 0 and len(history) > 0
    if over and validated and not math.isfinite(history[-1, VALIDATION_LOSS]):  # a step too far, the last
        return _run(state, request.recipe, history, len(history) * steps)
    return run


def train_on_cpu(request: TrainRequest) -> Run:
    """Train in kernel calls that are short enough to stop between them."""
    state, history = begin(request)
    over = finished(request)
    if over is not None:
        return over
    spec, data, rows = request.spec, request.data, request.data.X.shape[0]
    net, params, options, steps = (
        spec.architecture,
        request.recipe.optimizer_params(spec),
        request.recipe.run_options(request.auc),
        request.recipe.steps(rows),
    )
    arrays, rates = kernels.Data(data.X, data.Y, data.X_validation, data.Y_validation), request.recipe.rates(rows)
    a_call = max(1, int(CALL_OPERATIONS / (3 * spec.n_parameters * rows)))
    while len(history) < request.last:
        first = len(history)
        more = np.empty((min(a_call, request.last - first), N_HISTORY))
        its_rates = rates[first * steps : (first + len(more)) * steps]
        epochs, stopped = kernels.train_epochs(
            net, state, params, options, arrays, its_rates, np.uint64(request.key), first, more
        )
        history = np.concatenate([history, more[:epochs]])
        if stopped >= 0 or has_waited(state, request.recipe):
            return finish(request, state, history, stopped)
    return finish(request, state, history, -1)


_trainer: ContextVar[Callable[[TrainRequest], Run] | None] = ContextVar("trainer", default=None)


@contextmanager
def trained_by(trainer: Callable[[TrainRequest], Run]) -> Iterator[None]:
    """Let `trainer` do what `train` is asked for within the block, in this thread."""
    token = _trainer.set(trainer)
    try:
        yield
    finally:
        _trainer.reset(token)


def train(
    spec: NetworkSpec,
    start: np.ndarray | Run,
    data: Batches,
    recipe: Recipe,
    key: int,
    *,
    until: int | None = None,
    auc: bool = False,
) -> Run:
    """Train from initial parameters, or go on from an earlier call; neither is changed.

    It is trained here, by `train_on_cpu`, or by whoever an executor has set for this thread (`trained_by`): a GPU then
    trains many at once. Neither that nor a stop after any epoch (`until`), from which it goes on, moves a bit.

    Parameters
    ----------
    spec : NetworkSpec
    start : vector (spec.n_parameters,), or Run
    data : Batches
        With no validation rows, the history's columns about them are NaN. Losses are those of the targets as they are
        given here.
    recipe : Recipe
    key : int
        64-bit key of the shuffles and of dropout.
    until : int, optional
        Epoch after which to stop for now; by default the recipe's last.
    auc : bool
        Whether to compute the area under the ROC curve on the validation rows; for two classes.

    Returns
    -------
    Run

    Raises
    ------
    UsageError
        If network, data and recipe do not go together: widths, a batch larger than the data or of one row under batch
        normalisation, early stopping without validation rows or by the R^2 of equal targets, an activation that passes
        no gradient, an earlier run of another network or recipe, an area under the ROC curve of more than two classes.

    Warns
    -----
    NnsimWarning
        If the last batch of an epoch is left out because it is one row under batch normalisation.
    """
    recipe = without_lone_row(spec, recipe, data.X.shape[0])
    last = recipe.epochs if until is None else min(until, recipe.epochs)
    request = TrainRequest(spec, start, data, recipe, key, last, auc)
    elsewhere = _trainer.get()
    return train_on_cpu(request) if elsewhere is None else elsewhere(request)


def evaluate(
    spec: NetworkSpec,
    theta: np.ndarray,
    X: np.ndarray,
    Y: np.ndarray,
    statistics: np.ndarray | None = None,
    auc: bool = False,
) -> Scores:
    """Return mean loss, metric and, where asked for, area under the ROC curve over rows.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector
    X, Y : arrays (rows, inputs), (rows, 1 or outputs)
    statistics : vector, optional
        Running statistics of batch normalisation; by default those before any training.
    auc : bool
        For two classes.

    Raises
    ------
    UsageError
        If an array's precision or shape does not fit the network, a class number does not exist, or an area is asked
        for where there are not two classes.
    """
    spec.check(theta, X, Y)
    if auc:
        _check_two_classes(spec)
    running = spec.initial_statistics() if statistics is None else statistics
    check_dtype("statistics", running, spec.numpy_dtype)
    check_shape("statistics", running, (spec.n_statistics,))
    return Scores(*kernels.evaluate(spec.architecture, theta, running, X, Y, min(256, X.shape[0]), auc))
