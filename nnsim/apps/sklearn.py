"""Networks as scikit-learn's tools take them: pipelines, `GridSearchCV`, `cross_val_score`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from nnsim.apps.sklearn_base import Perceptron, value_errors
from nnsim.core.errors import ParameterError

CLASSIFICATION_LOSSES = {
    "binary": ("bce", "cross_entropy"),
    "multiclass": ("cross_entropy",),
    "multilabel-indicator": ("bce",),
}
"""Losses that a kind of target may be trained with, the usual one first."""

REGRESSION_LOSSES = ("mse", "mae", "huber")


class MLPClassifier(ClassifierMixin, Perceptron):
    """A multi-layer perceptron that tells classes apart, as scikit-learn's tools take it.

    Two classes, several, or several labels a row (an indicator matrix). Inputs are used as they are given: nothing is
    standardised. Sample weights and sparse inputs are not supported.

    Attributes
    ----------
    classes_ : array (classes,)
    loss_curve_ : list of float
        Mean training loss of every epoch.
    validation_scores_ : list of float
        Accuracy on the rows held back after every epoch, with `early_stopping`.
    n_iter_ : int
        Epochs done.
    n_features_in_ : int
    feature_names_in_ : array
        Where X had names.
    network_ : NetworkSpec
    run_ : Run
        Parameters, history and state of the last training.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier(20, learning_rate_init=0.01, random_state=0, n_iter_no_change=None).fit(X, y)
    >>> bool(classifier.score(X, y) > 0.9)
    True
    """

    classes_: np.ndarray

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _learn_targets(self, y: np.ndarray) -> None:
        check_classification_targets(y)
        self._binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._binarizer.classes_
        if len(self.classes_) < 2:
            raise ParameterError(
                f"a classifier needs two classes or more, and y has one class only: {self.classes_[0]}"
            )

    def _encode(self, y: np.ndarray) -> np.ndarray:
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ParameterError(f"y has classes that the first call did not have: {', '.join(map(str, unknown))}")
        Y = self._binarizer.transform(y)
        return Y.argmax(axis=1).reshape(-1, 1) if self._binarizer.y_type_ == "multiclass" else Y

    def _losses(self) -> tuple[str, ...]:
        return CLASSIFICATION_LOSSES[self._binarizer.y_type_]

    def _outputs(self, Y: np.ndarray) -> int:
        return len(self.classes_) if self._chosen_loss() == "cross_entropy" else Y.shape[1]

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one epoch over these rows, going on from the last call.

        Parameters
        ----------
        X : array-like (rows, features)
        y : array-like (rows,) or (rows, labels)
        classes : array-like (classes,), optional
            All classes of all calls; the first call needs them, unless y is an indicator matrix.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            As ``fit``; also with `early_stopping`, with a schedule, or where a later call changes the network.
        """
        with value_errors():
            several_labels = type_of_target(y).startswith("multilabel")
            if not hasattr(self, "run_") and classes is None and not several_labels:
                raise ParameterError("the first call of partial_fit needs classes, all that y will ever hold")
            self._partial_fit(X, y, None if several_labels else classes)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits.

        Parameters
        ----------
        X : array-like (rows, features)

        Returns
        -------
        float64 array (rows,) for two classes, (rows, classes) or (rows, labels) otherwise

        Raises
        ------
        DivergenceError
            If they are not finite.
        """
        Z = self._answers(X)
        if self._binarizer.y_type_ == "binary":
            return Z[:, 0] if Z.shape[1] == 1 else Z[:, 1] - Z[:, 0]
        return Z

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, or the labels that are more probable than not.

        Parameters
        ----------
        X : array-like (rows, features)

        Returns
        -------
        array (rows,) or (rows, labels)

        Raises
        ------
        DivergenceError
            If the network's answers are not finite.
        """
        answers = self.decision_function(X)
        return self._binarizer.inverse_transform(answers, threshold=0)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of `predict_proba`, which do not underflow.

        Parameters
        ----------
        X : array-like (rows, features)

        Returns
        -------
        float64 array (rows, classes)

        Raises
        ------
        DivergenceError
            If the network's answers are not finite.
        """
        Z = self.decision_function(X)
        if Z.ndim == 1:
            return np.column_stack([log_expit(-Z), log_expit(Z)])
        return log_softmax(Z, axis=1) if self.network_.loss == "cross_entropy" else log_expit(Z)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, or of each label.

        Parameters
        ----------
        X : array-like (rows, features)

        Returns
        -------
        float64 array (rows, classes)

        Raises
        ------
        DivergenceError
            If the network's answers are not finite.
        """
        return np.exp(self.predict_log_proba(X))


class MLPRegressor(RegressorMixin, Perceptron):
    """A multi-layer perceptron that predicts one number or several, as scikit-learn's tools take it.

    Inputs and targets are used as they are given: nothing is standardised. Sample weights and sparse inputs are not
    supported.

    Attributes
    ----------
    n_outputs_ : int
    loss_curve_ : list of float
        Mean training loss of every epoch.
    validation_scores_ : list of float
        R^2 on the rows held back after every epoch, with `early_stopping`; over all outputs together.
    n_iter_ : int
        Epochs done.
    n_features_in_ : int
    feature_names_in_ : array
        Where X had names.
    network_ : NetworkSpec
    run_ : Run
        Parameters, history and state of the last training.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> regressor = MLPRegressor(learning_rate_init=0.01, random_state=0, n_iter_no_change=None).fit(X, X[:, 0] ** 2)
    >>> bool(regressor.score(X, X[:, 0] ** 2) > 0.9)
    True
    """

    n_outputs_: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _learn_targets(self, y: np.ndarray) -> None:
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]

    def _encode(self, y: np.ndarray) -> np.ndarray:
        Y = y.reshape(len(y), -1)
        if Y.shape[1] != self.n_outputs_:
            raise ParameterError(f"y must have {self.n_outputs_} columns, as in the first call, got {Y.shape[1]}")
        return Y

    def _losses(self) -> tuple[str, ...]:
        return REGRESSION_LOSSES

    def _outputs(self, Y: np.ndarray) -> int:
        return Y.shape[1]

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for one epoch over these rows, going on from the last call.

        Parameters
        ----------
        X : array-like (rows, features)
        y : array-like (rows,) or (rows, outputs)

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            As ``fit``; also with `early_stopping`, with a schedule, or where a later call changes the network.
        """
        with value_errors():
            self._partial_fit(X, y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the network's answers.

        Parameters
        ----------
        X : array-like (rows, features)

        Returns
        -------
        float64 array (rows,), or (rows, outputs) where there are several

        Raises
        ------
        DivergenceError
            If they are not finite.
        """
        answers = self._answers(X)
        return answers[:, 0] if self.n_outputs_ == 1 else answers
