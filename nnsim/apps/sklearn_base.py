"""What the estimators have in common: their parameters, training, and the network's answers."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from nnsim.apps.stalling import train_until_stalled
from nnsim.core.errors import DivergenceError, ParameterError, UsageError
from nnsim.core.registry import look_up
from nnsim.core.seeding import key
from nnsim.kernels.cpu.training import logits
from nnsim.networks.activations import parse
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import DTYPES, NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.schedules import Schedule
from nnsim.training.trainer import COLUMNS, Batches, Run, train, without_lone_row

AUTO_BATCH = 200
"""Rows a step under ``batch_size="auto"``, as in scikit-learn."""

SAMPLE_ROWS = 256
"""Rows that are predicted at a time, and on which an initialization that needs data looks."""

INPUT_DTYPES = (np.float64, np.float32)

CALLER = 4  # of fit or partial_fit, as a warning counts from where it is raised

REMEDY = "scale the data, lower learning_rate_init, or set clip_norm"


@contextmanager
def value_errors() -> Iterator[None]:
    """Turn the library's own errors into those that scikit-learn's contract asks for."""
    try:
        yield
    except UsageError as error:
        raise ParameterError(str(error)) from error


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


class Perceptron(BaseEstimator, ABC):
    """A network that scikit-learn's tools can train, without what it is trained for."""

    run_: Run
    network_: NetworkSpec
    n_features_in_: int

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        normalization: str = "none",
        dropout: float = 0.0,
        init: str = "he_normal",
        loss: str = "auto",
        optimizer: str = "adam",
        momentum: float | None = None,
        learning_rate_init: float = 0.001,
        schedule: Any = "constant",
        alpha: float = 0.0,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        batch_size: Any = "auto",
        drop_last: bool = False,
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int | None = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        dtype: str = "float32",
        random_state: Any = None,
    ) -> None:
        """Keep the parameters, which are checked by ``fit``.

        Parameters
        ----------
        hidden_layer_sizes : int or sequence of int
            Units of each hidden layer; with none the model is linear.
        activation : str
            Of the hidden layers, with its parameter where wanted, as in ``"leaky_relu:0.2"``.
        normalization : {"none", "batch", "layer"}
            Of every hidden layer.
        dropout : float in [0, 1)
            Probability with which a hidden unit is dropped in training.
        init : str
            Initialization scheme, see `nnsim.networks.initializers.SCHEMES`.
        loss : {"auto", "cross_entropy", "bce", "mse", "mae", "huber"}
            A classifier takes ``"bce"`` for two classes or several labels and ``"cross_entropy"`` for two classes or
            more, a regressor one of the others. ``"auto"`` is ``"bce"``, for three classes or more
            ``"cross_entropy"``, and for a regressor ``"mse"``.
        optimizer : {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"}
            What scikit-learn's MLP calls ``solver``.
        momentum : float in [0, 1), optional
            By default the optimizer's own.
        learning_rate_init : float, positive
            Largest learning rate of the schedule.
        schedule : str or Schedule
            Course of the learning rate over `max_iter` epochs, see `nnsim.training.schedules`. ``"plateau"`` watches
            the validation score: it needs `early_stopping` and ``mode=max``.
        alpha : float
            As in scikit-learn's MLP, but 0 by default: alpha / (2 rows) times the sum of the squared weights is added
            to the loss of a batch of so many rows, in a smaller last one, too. Not for ``"adamw"``.
        weight_decay : float
            Of all parameters, as in PyTorch: decoupled in ``"adamw"``, added to the gradient in the others. Not
            together with `alpha`.
        clip_norm : float, optional
            Largest Euclidean norm of the whole gradient.
        batch_size : int or "auto"
            Rows a step, all rows where there are fewer; ``"auto"`` is 200.
        drop_last : bool
            Leave out an epoch's last batch where it is smaller than the others. Under batch normalisation a last batch
            of one row is left out in any case, with a warning.
        max_iter : int
            Most epochs.
        tol : float
            By how much the best training loss, or validation score, must be beaten to count as an improvement.
        n_iter_no_change : int or None
            Epochs without an improvement that end training; None trains all `max_iter` epochs.
        early_stopping : bool
            Stop by the score on rows that are held back (accuracy, over all labels where there are several, or R^2)
            instead of by the training loss, and keep the best epoch's parameters.
        validation_fraction : float in (0, 1)
            Share of the rows that early stopping holds back, by class where there is one target.
        warm_start : bool
            Whether ``fit`` goes on from the parameters of the last ``fit``. Optimizer, schedule and the running
            statistics of batch normalisation start afresh.
        dtype : {"float32", "float64"}
            Precision of the network; predictions are float64.
        random_state : int, RandomState or None
            Seed of initialization, shuffles, dropout and held-back rows: same number, same bits.
        """
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.init = init
        self.loss = loss
        self.optimizer = optimizer
        self.momentum = momentum
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.alpha = alpha
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.dtype = dtype
        self.random_state = random_state

    # --- what the kinds of estimator answer differently -----------------------------------------------------------

    @abstractmethod
    def _learn_targets(self, y: np.ndarray) -> None:
        """Keep what later targets must have in common with y, and how answers are read."""

    @abstractmethod
    def _encode(self, y: np.ndarray) -> np.ndarray:
        """Return targets as numbers (rows, targets)."""

    @abstractmethod
    def _losses(self) -> tuple[str, ...]:
        """Return the losses that go with the targets, the usual one first."""

    @abstractmethod
    def _outputs(self, Y: np.ndarray) -> int:
        """Return the number of the network's outputs."""

    # --- from parameters to the library's own objects ------------------------------------------------------------

    def _allowed(self) -> dict[str, tuple[bool, str]]:
        """Tell for each parameter that the library's own objects do not check whether it fits, and what would."""
        rate, share, clip = self.learning_rate_init, self.validation_fraction, self.clip_norm
        batch, wait, momentum = self.batch_size, self.n_iter_no_change, self.momentum
        not_negative = "a number of at least 0"
        return {
            "hidden_layer_sizes": (not isinstance(self.hidden_layer_sizes, str), "a whole number or several"),
            "activation": (isinstance(self.activation, str), "a name"),
            "init": (isinstance(self.init, str), "a name"),
            "schedule": (isinstance(self.schedule, str | Schedule), "a name or a Schedule"),
            "dropout": (_is_number(self.dropout), "at least 0 and below 1"),
            "momentum": (momentum is None or _is_number(momentum), "None, or at least 0 and below 1"),
            "learning_rate_init": (_is_number(rate) and rate > 0, "a positive number"),
            "alpha": (_is_number(self.alpha) and self.alpha >= 0, not_negative),
            "weight_decay": (_is_number(self.weight_decay) and self.weight_decay >= 0, not_negative),
            "clip_norm": (clip is None or (_is_number(clip) and clip > 0), "None or a positive number"),
            "batch_size": (_is_count(batch) or str(batch) == "auto", "'auto' or a whole number of at least 1"),
            "max_iter": (_is_count(self.max_iter), "a whole number of at least 1"),
            "tol": (_is_number(self.tol) and self.tol >= 0, not_negative),
            "n_iter_no_change": (wait is None or _is_count(wait), "None or a whole number of at least 1"),
            "validation_fraction": (_is_number(share) and 0 < share < 1, "a number above 0 and below 1"),
        }

    def _check_parameters(self) -> None:
        for name, (fits, what) in self._allowed().items():
            if not fits:
                raise ParameterError(f"{name} must be {what}, got {getattr(self, name)!r}")
        if self.early_stopping and self.n_iter_no_change is None:
            raise ParameterError("early_stopping needs n_iter_no_change, the epochs to wait, and it is None")

    def _real(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return numbers in the network's precision, laid out for the kernels."""
        with np.errstate(over="ignore"):
            real = np.require(values, look_up(DTYPES, "dtype", self.dtype), ["C", "A", "W"])
        if not np.isfinite(real).all():
            raise ParameterError(f"{name} holds numbers too large for {self.dtype}: scale it, or use dtype='float64'")
        return real

    def _chosen_loss(self) -> str:
        allowed = self._losses()
        if self.loss == "auto":
            return allowed[0]
        if self.loss not in allowed:
            raise ParameterError(f"loss must be 'auto' or {' or '.join(allowed)} for these targets, got {self.loss!r}")
        return self.loss

    def _network(self, inputs: int, outputs: int) -> NetworkSpec:
        hidden = self.hidden_layer_sizes if np.iterable(self.hidden_layer_sizes) else [self.hidden_layer_sizes]
        activation, parameter = parse(self.activation)
        return NetworkSpec(
            (inputs, *hidden, outputs),
            activation,
            parameter,
            loss=self._chosen_loss(),
            dtype=self.dtype,
            normalization=self.normalization,
            dropout=self.dropout,
        )

    def _recipe(self, rows: int, epochs: int) -> Recipe:
        batch = min(AUTO_BATCH if self.batch_size == "auto" else self.batch_size, rows)
        recipe = Recipe(
            learning_rate=self.learning_rate_init,
            momentum=self.momentum,
            batch_size=batch,
            epochs=epochs,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            alpha=self.alpha,
            schedule=self.schedule,
            clip_norm=self.clip_norm,
            drop_last=self.drop_last,
            patience=self.n_iter_no_change if self.early_stopping else None,
            min_delta=self.tol,
            watch="metric" if self.early_stopping else "loss",
        )
        if recipe.watches and not self.early_stopping:
            raise ParameterError("the schedule 'plateau' watches the validation score: set early_stopping=True")
        return recipe

    def _split(self, X: np.ndarray, Y: np.ndarray, random: np.random.RandomState) -> Batches:
        if not self.early_stopping:
            return Batches(X, Y, X[:0], Y[:0])
        X, X_validation, Y, Y_validation = train_test_split(
            X,
            Y,
            test_size=self.validation_fraction,
            stratify=Y if is_classifier(self) and Y.shape[1] == 1 else None,
            random_state=random,
        )
        if len(X_validation) < 2:
            raise ParameterError("early stopping needs at least 2 rows held back: choose a larger validation_fraction")
        if is_regressor(self) and (Y_validation == Y_validation[0]).all():
            raise ParameterError(
                f"early stopping goes by R2, and the {len(Y_validation)} rows held back have one target: choose a "
                "larger validation_fraction, another random_state, or early_stopping=False"
            )
        return Batches(X, Y, X_validation, Y_validation)

    # --- training ------------------------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs (rows, features) and targets (rows,) or (rows, several) as arrays."""
        X, y = validate_data(
            self, X, y, multi_output=True, y_numeric=is_regressor(self), dtype=INPUT_DTYPES, reset=reset
        )
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _prepare(self, X: Any, y: Any, known: bool, classes: Any = None) -> tuple[NetworkSpec, np.ndarray, np.ndarray]:
        """Return the network, and inputs and targets as it takes them."""
        self._check_parameters()
        X, y = self._validated(X, y, reset=not known)
        if not known:
            self._learn_targets(y if classes is None else np.asarray(classes))
        X, Y = self._real("X", X), self._real("y", self._encode(y))
        spec = self._network(X.shape[1], self._outputs(Y))
        if known and (spec.tensors, spec.dtype) != (self.network_.tensors, self.network_.dtype):
            raise ParameterError(
                "training goes on with a network of the same tensors only: it had the widths "
                f"{list(self.network_.widths)} in {self.network_.dtype}, now it has {list(spec.widths)} in {spec.dtype}"
            )
        return spec, X, Y

    def _keep(self, spec: NetworkSpec, recipe: Recipe, run: Run) -> None:
        self.network_, self._last_recipe, self.run_ = spec, recipe, run
        self.loss_curve_ += run.history[:, COLUMNS.index("train_loss")].tolist()
        self.n_iter_ = len(self.loss_curve_)

    def _warn(self, spent: bool) -> None:
        """Warn of a divergence, or of having spent all epochs."""
        if self.run_.status == "diverged":
            message = f"training diverged at step {self.run_.diverged_at}: {REMEDY}"
        elif spent:
            message = f"training went through all of max_iter={self.max_iter} epochs and has not converged"
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=CALLER)

    def fit(self, X: Any, y: Any) -> Self:
        """Train the network; inputs are used as they are given, so scale them before.

        Parameters
        ----------
        X : array-like (rows, features)
        y : array-like (rows,) or (rows, targets)

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a parameter is out of its range, or parameters and data do not go together.

        Warns
        -----
        NnsimWarning
            If the last batch of every epoch is one row, which batch normalisation leaves out.
        ConvergenceWarning
            If the loss stopped being finite, or `max_iter` epochs passed before the loss or score stopped improving.
        """
        with value_errors():
            self._fit(X, y)
        return self

    def _fit(self, X: Any, y: Any) -> None:
        known = self.warm_start and hasattr(self, "run_")
        spec, X, Y = self._prepare(X, y, known)
        random = check_random_state(self.random_state)
        self._seed = int(random.randint(2**31 - 1))
        data = self._split(X, Y, random)
        recipe = without_lone_row(spec, self._recipe(len(data.X), self.max_iter), len(data.X), CALLER)
        start = self.run_.theta if known else self._initial(spec, data.X)
        training_key = key(self._seed, "training", 0)
        if self.early_stopping or self.n_iter_no_change is None:
            run = train(spec, start, data, recipe, training_key)
        else:
            run = train_until_stalled(spec, start, data, recipe, training_key, self.tol, self.n_iter_no_change)
        self.loss_curve_: list[float] = []
        self._keep(spec, recipe, run)
        if self.early_stopping:
            self.validation_scores_ = run.history[:, COLUMNS.index("validation_metric")].tolist()
        self._warn(spent=self.n_iter_ == self.max_iter and self.n_iter_no_change is not None)

    def _initial(self, spec: NetworkSpec, X: np.ndarray) -> np.ndarray:
        return initialize(spec, self.init, key(self._seed, "init"), X[:SAMPLE_ROWS])

    def _partial_fit(self, X: Any, y: Any, classes: Any = None) -> None:
        """Train for one epoch, going on from the parameters and the optimizer's state of the last call."""
        if self.early_stopping or self.schedule != "constant":
            raise ParameterError("partial_fit takes early_stopping=False and schedule='constant' only")
        known = hasattr(self, "run_")
        spec, X, Y = self._prepare(X, y, known, classes)
        recipe = without_lone_row(spec, self._recipe(len(X), 1), len(X), CALLER)
        if known and recipe.optimizer != self._last_recipe.optimizer:
            raise ParameterError(
                f"partial_fit goes on with the optimizer '{self._last_recipe.optimizer}' of the last call"
            )
        start: np.ndarray | Run
        if known:
            start = replace(self.run_, history=self.run_.history[:0], stopped_early=False)
        else:
            self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            start, self.loss_curve_ = self._initial(spec, X), []
        run = train(
            spec, start, Batches(X, Y, X[:0], Y[:0]), recipe, key(self._seed, "training", len(self.loss_curve_))
        )
        self._keep(spec, recipe, run)
        self._warn(spent=False)

    # --- the trained network -------------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "run_")

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Views of the weights of every layer, (fan_in, fan_out)."""
        check_is_fitted(self)
        return self.network_.views(self.run_.theta, "weight")

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Views of the biases of every layer, (fan_out,)."""
        check_is_fitted(self)
        return self.network_.views(self.run_.theta, "bias")

    def _answers(self, X: Any) -> np.ndarray:
        """Return the last layer's outputs for the rows of X, float64."""
        check_is_fitted(self)
        X = self._real("X", validate_data(self, X, dtype=INPUT_DTYPES, reset=False))
        network, run = self.network_, self.run_
        Z = logits(network.architecture, run.theta, run.statistics, X, min(SAMPLE_ROWS, len(X)))
        wrong = ~np.isfinite(Z).all(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            where = f"X is too large in row {row}, column {int(np.abs(X[row]).argmax())}"
            why = f"training diverged at step {run.diverged_at}" if run.status == "diverged" else where
            raise DivergenceError(f"the network's answers are not finite: {why}; {REMEDY}")
        return Z.astype(np.float64)
