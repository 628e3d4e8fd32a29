"""The estimators keep scikit-learn's contract, say what is wrong in one sentence, and give the same bits again."""

from __future__ import annotations

import doctest
import os
import pickle
import subprocess
import sys
import warnings
from unittest import SkipTest

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import nnsim.apps.sklearn
from nnsim import MLPClassifier, MLPRegressor
from nnsim.apps.stalling import epochs_without_gain
from nnsim.core.errors import DivergenceError, NnsimError, NnsimWarning, ParameterError
from nnsim.training.trainer import COLUMNS

PAIRS = [(MLPClassifier, TheirClassifier), (MLPRegressor, TheirRegressor)]
QUICK = {"random_state": 0, "max_iter": 5, "n_iter_no_change": None}

WILD = {"optimizer": "sgd", "learning_rate_init": 1e6, "n_iter_no_change": None, "random_state": 0}

IRIS = scale(load_iris().data), load_iris().target
NAMES = load_iris().target_names[IRIS[1]]
TWO = IRIS[0][:100], NAMES[:100]
LABELS = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
NUMBERS = scale(load_diabetes().data), scale(load_diabetes().target)
PAIR_OF_NUMBERS = NUMBERS[0], np.column_stack([NUMBERS[1], -NUMBERS[1]])
TARGETS = {"two": TWO, "several": (IRIS[0], NAMES), "labels": LABELS, "one": NUMBERS, "pair": PAIR_OF_NUMBERS}


def quick(kind, **parameters):
    """Return an estimator that is trained for five epochs on a kind of `TARGETS`."""
    estimator = MLPRegressor if kind in {"one", "pair"} else MLPClassifier
    return estimator(**{"hidden_layer_sizes": 8, **QUICK, **parameters}).fit(*TARGETS[kind])


def same(first, second):
    """Tell whether two estimators have the same parameters, bit for bit."""
    return first.run_.theta.tobytes() == second.run_.theta.tobytes()


class TestContract:
    @pytest.mark.filterwarnings("ignore")  # some checks warn on purpose, and all train for too few epochs
    @parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
    def test_a_check_of_scikit_learn(self, estimator, check):
        try:
            check(estimator)
        except SkipTest as skip:
            if "SCIPY_ARRAY_API is not set" not in str(skip):  # as it must be before the start, see below
                pytest.fail(f"skipped: {skip}")
            raise

    def test_the_check_that_needs_a_setting_at_the_start(self):
        code = """
import nnsim
from sklearn.utils.estimator_checks import estimator_checks_generator
for ours in nnsim.MLPClassifier(5), nnsim.MLPRegressor(5):
    for estimator, check in estimator_checks_generator(ours):
        if "array_api" in str(check):
            check(estimator)
"""
        env = {**os.environ, "SCIPY_ARRAY_API": "1"}
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=env, check=True)

    @pytest.mark.parametrize(("ours", "theirs"), PAIRS)
    def test_every_check_of_scikit_learns_own_network_runs_but_those_of_what_is_not_offered(self, ours, theirs):
        def names(estimator):
            found = [check for _, check in estimator_checks_generator(estimator())]
            return {getattr(check, "func", check).__name__ for check in found}

        missing = names(theirs) - names(ours)
        assert {name for name in missing if "sample_weight" not in name} == set()
        assert len(names(ours)) > 40

    @pytest.mark.parametrize(("ours", "theirs"), PAIRS)
    def test_scikit_learn_expects_no_check_of_its_own_network_to_fail_that_ours_is_spared(self, ours, theirs):
        def skipped(estimator):
            marked = estimator_checks_generator(estimator(), expected_failed_checks=None, mark="xfail")
            return {str(check) for _, check in marked if hasattr(check, "marks")}

        assert skipped(ours) == skipped(theirs) == set()

    @pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_sample_weights_are_refused_by_the_signature(self, estimator, method):
        with pytest.raises(TypeError, match="sample_weight"):
            getattr(estimator(), method)(*IRIS, sample_weight=np.ones(150))

    def test_the_shared_parameters_have_the_names_and_defaults_of_scikit_learns_network(self):
        ours, theirs = MLPClassifier().get_params(), TheirClassifier().get_params()
        differ = {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]}
        assert differ == {"alpha", "momentum"}
        assert len(ours.keys() & theirs.keys()) == 13

    @pytest.mark.parametrize("kind", TARGETS)
    def test_a_pickle_predicts_the_same(self, kind):
        fitted = quick(kind)
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict(TARGETS[kind][0]), fitted.predict(TARGETS[kind][0]))

    def test_a_clone_is_not_fitted(self):
        with pytest.raises(NotFittedError):
            clone(quick("two")).predict(IRIS[0])

    def test_the_import_of_the_package_does_not_import_scikit_learn(self):
        code = "import sys, nnsim; sys.exit('sklearn' in sys.modules or 'MLPClassifier' not in nnsim.__all__)"
        assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0
        assert nnsim.MLPClassifier is MLPClassifier

    def test_the_examples_of_the_docstrings_run(self):
        failed, tried = doctest.testmod(nnsim.apps.sklearn)
        assert (failed, tried > 4) == (0, True)


class TestTools:
    def test_a_pipeline_learns_iris(self):
        model = make_pipeline(StandardScaler(), MLPClassifier(20, learning_rate_init=0.01, **{**QUICK, "max_iter": 60}))
        assert cross_val_score(model, *load_iris(return_X_y=True)).mean() > 0.93

    def test_a_pipeline_learns_diabetes(self):
        regressor = MLPRegressor(20, random_state=0, learning_rate_init=0.01, batch_size=64, early_stopping=True)
        X, y = NUMBERS
        assert cross_val_score(make_pipeline(StandardScaler(), regressor), X, y).mean() > 0.4

    def test_a_grid_search_finds_the_learning_rate_that_learns(self):
        grid = {"hidden_layer_sizes": [(4,), (16, 8)], "learning_rate_init": [1e-6, 0.02]}
        search = GridSearchCV(MLPClassifier(**{**QUICK, "max_iter": 40}), grid, cv=3).fit(*IRIS)
        assert search.best_params_["learning_rate_init"] == 0.02
        assert search.best_score_ > 0.9

    def test_a_grid_search_in_other_processes_gives_the_same_scores(self):
        grid = {"hidden_layer_sizes": [3, (4, 4)]}
        one, two = (
            GridSearchCV(MLPClassifier(**QUICK), grid, cv=2, n_jobs=jobs).fit(*IRIS).cv_results_["mean_test_score"]
            for jobs in (1, 2)
        )
        np.testing.assert_array_equal(one, two)

    def test_a_score_by_rank_takes_the_decision_function(self):
        model = MLPClassifier(8, learning_rate_init=0.02, **{**QUICK, "max_iter": 60})
        assert cross_val_score(model, *TWO, scoring="roc_auc").min() > 0.95


class TestClassifier:
    @pytest.mark.parametrize(
        ("kind", "loss", "shape"),
        [
            ("two", "bce", (100,)),
            ("two", "cross_entropy", (100,)),
            ("several", "cross_entropy", (150, 3)),
            ("labels", "bce", (60, 3)),
        ],
    )
    def test_the_decision_function_has_a_column_for_each_class_and_one_dimension_for_two(self, kind, loss, shape):
        assert quick(kind, loss=loss).decision_function(TARGETS[kind][0]).shape == shape

    @pytest.mark.parametrize(
        ("kind", "loss"), [("two", "bce"), ("two", "cross_entropy"), ("several", "cross_entropy"), ("labels", "bce")]
    )
    def test_auto_takes_the_loss_that_goes_with_the_targets(self, kind, loss):
        assert same(quick(kind), quick(kind, loss=loss)) == ((kind, loss) != ("two", "cross_entropy"))

    @pytest.mark.parametrize("kind", ["two", "several"])
    def test_predictions_are_the_most_probable_names(self, kind):
        fitted, X = quick(kind), TARGETS[kind][0]
        np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[fitted.predict_proba(X).argmax(axis=1)])

    def test_predicted_labels_are_those_more_probable_than_not(self):
        fitted = quick("labels")
        np.testing.assert_array_equal(fitted.predict(LABELS[0]), fitted.predict_proba(LABELS[0]) > 0.5)

    @pytest.mark.parametrize("loss", ["bce", "cross_entropy"])
    def test_two_classes_have_the_probabilities_of_the_network(self, loss):
        fitted = quick("two", loss=loss, dtype="float64")
        W, b = fitted.coefs_, fitted.intercepts_
        Z = np.maximum(TWO[0] @ W[0] + b[0], 0) @ W[1] + b[1]
        logit = Z[:, 0] if loss == "bce" else Z[:, 1] - Z[:, 0]
        np.testing.assert_allclose(fitted.predict_proba(TWO[0])[:, 1], 1 / (1 + np.exp(-logit)), rtol=1e-12)

    def test_log_probabilities_do_not_underflow(self):
        log_probabilities = quick("two").predict_log_proba(1e6 * TWO[0])
        assert np.isfinite(log_probabilities).all()
        assert log_probabilities.min() < -1000

    @pytest.mark.parametrize(("kind", "labels"), [("two", 2), ("several", 3), ("labels", 3)])
    def test_classes_are_kept(self, kind, labels):
        assert len(quick(kind).classes_) == labels

    def test_one_class_is_refused(self):
        with pytest.raises(ParameterError, match="y has one class only: setosa"):
            MLPClassifier().fit(IRIS[0][:50], NAMES[:50])

    @pytest.mark.parametrize(
        ("kind", "loss", "allowed"),
        [
            ("several", "bce", "'auto' or cross_entropy"),
            ("labels", "cross_entropy", "'auto' or bce"),
            ("two", "mse", "'auto' or bce or cross_entropy"),
            ("one", "bce", "'auto' or mse or mae or huber"),
        ],
    )
    def test_a_loss_that_does_not_go_with_the_targets_is_refused(self, kind, loss, allowed):
        with pytest.raises(ParameterError, match=f"loss must be {allowed} for these targets, got '{loss}'"):
            quick(kind, loss=loss)


class TestRegressor:
    @pytest.mark.parametrize(("kind", "shape"), [("one", (442,)), ("pair", (442, 2))])
    def test_predictions_have_the_shape_of_the_targets(self, kind, shape):
        assert quick(kind).predict(NUMBERS[0]).shape == shape

    def test_several_outputs_are_learnt(self):
        fitted = quick("pair", max_iter=100, learning_rate_init=0.01)
        assert fitted.score(*PAIR_OF_NUMBERS) > 0.5

    def test_predictions_are_those_of_its_coefficients(self):
        fitted = quick("pair", activation="tanh", dtype="float64")
        W, b = fitted.coefs_, fitted.intercepts_
        expected = np.tanh(NUMBERS[0] @ W[0] + b[0]) @ W[1] + b[1]
        np.testing.assert_allclose(fitted.predict(NUMBERS[0]), expected, rtol=1e-10, atol=1e-12)

    @pytest.mark.parametrize("attribute", ["coefs_", "intercepts_", "loss_curve_", "n_iter_"])
    def test_before_fit_there_is_nothing(self, attribute):
        assert not hasattr(MLPRegressor(), attribute)

    def test_coefficients_are_views(self):
        fitted = quick("one")
        fitted.intercepts_[-1][:] += 1
        np.testing.assert_allclose(fitted.predict(NUMBERS[0]), quick("one").predict(NUMBERS[0]) + 1, atol=1e-5)

    @pytest.mark.parametrize("loss", ["mae", "huber"])
    def test_another_loss_gives_another_network(self, loss):
        assert not same(quick("one"), quick("one", loss=loss))


class TestTraining:
    @pytest.mark.parametrize("kind", TARGETS)
    def test_the_same_random_state_gives_the_same_bits(self, kind):
        assert same(quick(kind), quick(kind))

    def test_the_same_random_state_gives_the_same_bits_with_everything_on(self):
        settings = {"normalization": "batch", "dropout": 0.2, "early_stopping": True, "n_iter_no_change": 3}
        settings |= {"optimizer": "adamw", "weight_decay": 0.1, "clip_norm": 1.0, "schedule": "cosine", "tol": 10}
        assert same(quick("several", **settings), quick("several", **settings))

    @pytest.mark.parametrize("random_state", [1, None])
    def test_another_random_state_gives_other_bits(self, random_state):
        assert not same(quick("one"), quick("one", random_state=random_state))

    def test_a_generator_gives_the_bits_of_its_seed(self):
        assert same(quick("one"), quick("one", random_state=np.random.RandomState(0)))

    def test_a_generator_goes_on(self):
        first, second = np.random.RandomState(3), np.random.RandomState(3)
        runs = [quick("one", random_state=generator) for generator in (first, first, second, second)]
        assert same(runs[0], runs[2])
        assert same(runs[1], runs[3])
        assert not same(runs[0], runs[1])

    @pytest.mark.parametrize(
        "parameters",
        [
            {"activation": "leaky_relu:0.3"},
            {"normalization": "layer"},
            {"normalization": "batch"},
            {"dropout": 0.3},
            {"init": "lsuv"},
            {"optimizer": "nesterov"},
            {"optimizer": "momentum", "momentum": 0.5},
            {"optimizer": "adamw", "weight_decay": 0.5},
            {"schedule": "cosine"},
            {"clip_norm": 0.01, "optimizer": "sgd"},
            {"alpha": 1.0},
            {"weight_decay": 0.5},
            {"batch_size": 50},
            {"drop_last": True},
            {"dtype": "float64"},
            {"hidden_layer_sizes": ()},
        ],
        ids=str,
    )
    def test_a_parameter_reaches_the_network(self, parameters):
        base = {"optimizer": parameters["optimizer"]} if len(parameters) > 1 else {}
        assert not same(quick("one", **parameters), quick("one", **base))

    def test_alpha_is_the_penalty_that_scikit_learn_means(self):
        """Full batches of gradient descent without momentum, from the same parameters: theirs halves the error."""
        X, y = NUMBERS
        ours = MLPRegressor((), alpha=44.2, optimizer="sgd", learning_rate_init=0.1, batch_size=442, **QUICK)
        ours.set_params(dtype="float64", init="zeros").fit(X, y)
        W, b = np.zeros(10), 0.0
        for _ in range(5):
            error = X @ W + b - y
            W, b = W - 0.1 * (2 * X.T @ error + 44.2 * W) / 442, b - 0.1 * 2 * error.mean()
        np.testing.assert_allclose(ours.coefs_[0][:, 0], W, rtol=1e-10)
        np.testing.assert_allclose(ours.intercepts_[0], b, atol=1e-12)

    @pytest.mark.filterwarnings("ignore")  # that one epoch is no convergence
    @pytest.mark.parametrize(("rows", "batch"), [(30, 20), (201, "auto")])
    def test_alpha_is_scikit_learns_in_a_smaller_last_batch_too(self, rows, batch):
        """Of rows of zeros nothing but the penalty is learnt: what it leaves of a weight tells how strong it is."""

        def left_by(kind, **options):
            options |= {"hidden_layer_sizes": (1,), "activation": "identity", "batch_size": batch, "max_iter": 1}
            network = kind(**options, learning_rate_init=0.1, random_state=0)
            X, y = np.zeros((rows, 1)), np.zeros(rows)
            weights = [network.set_params(alpha=alpha).fit(X, y).coefs_[0][0, 0] for alpha in (1.0, 0.0)]
            return weights[0] / weights[1]

        theirs = left_by(TheirRegressor, solver="sgd", momentum=0)
        assert left_by(MLPRegressor, optimizer="sgd", dtype="float64") == pytest.approx(theirs, rel=1e-12)
        assert theirs == pytest.approx((1 - 0.1 / (20 if rows == 30 else 200)) * (1 - 0.1 / (10 if rows == 30 else 1)))

    def test_inputs_are_used_as_they_are(self):
        fitted, scaled = quick("one"), quick("one")
        scaled.fit(NUMBERS[0] * 10, NUMBERS[1])
        assert not same(fitted, scaled)

    def test_a_batch_larger_than_the_data_is_all_rows(self):
        assert same(quick("one", batch_size=5000), quick("one", batch_size=442))

    def test_training_stops_at_the_epoch_in_which_the_loss_stalls(self):
        stopped = MLPRegressor(4, learning_rate_init=0.05, tol=0.01, n_iter_no_change=3, random_state=0).fit(*NUMBERS)
        losses = np.array(stopped.loss_curve_)
        waits = [epochs_without_gain(losses[:epochs], 0.01) for epochs in range(1, len(losses) + 1)]
        assert max(waits[:-1]) == 2
        assert waits[-1] == 3
        assert stopped.n_iter_ == len(losses) < 200

    def test_a_stalled_training_has_the_bits_of_one_that_was_told_when_to_end(self):
        settings = {"learning_rate_init": 0.05, "random_state": 0}
        stalled = MLPRegressor(4, tol=0.01, n_iter_no_change=3, **settings).fit(*NUMBERS)
        told = MLPRegressor(4, max_iter=stalled.n_iter_, n_iter_no_change=None, **settings).fit(*NUMBERS)
        assert same(stalled, told)

    @pytest.mark.parametrize(
        ("losses", "waited"),
        [([], 0), ([3.0], 0), ([3, 2, 1], 0), ([3, 2.95, 2.91], 2), ([3, 2.95, 2.85], 0), ([1, 2, 0.5, 0.5], 1)],
    )
    def test_epochs_without_gain_are_counted_from_the_best_loss(self, losses, waited):
        assert epochs_without_gain(np.array(losses, float), 0.1) == waited

    def test_early_stopping_keeps_the_epoch_with_the_best_score(self):
        X, y = NUMBERS
        settings = {"learning_rate_init": 0.05, "batch_size": 16, "random_state": 0, "early_stopping": True}
        fitted = MLPRegressor((64, 64), n_iter_no_change=5, tol=0, **settings).fit(X, y)
        best = int(np.argmax(fitted.validation_scores_))
        assert fitted.n_iter_ == len(fitted.validation_scores_) == best + 6
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            told = MLPRegressor((64, 64), n_iter_no_change=5, tol=0, max_iter=best + 1, **settings).fit(X, y)
        assert same(fitted, told)

    def test_early_stopping_holds_rows_of_every_class_back(self):
        with pytest.raises(ValueError, match="least populated class"):
            MLPClassifier(early_stopping=True).fit(IRIS[0][49:], NAMES[49:])

    def test_a_warm_start_goes_on_from_the_last_parameters(self):
        fitted = quick("one", warm_start=True, learning_rate_init=1e-12)
        before = fitted.run_.theta.copy()
        fitted.set_params(random_state=1).fit(*NUMBERS)
        np.testing.assert_allclose(fitted.run_.theta, before, atol=1e-6)

    def test_a_cold_start_does_not(self):
        fitted = quick("one")
        fitted.fit(*NUMBERS)
        assert same(fitted, quick("one"))

    def test_a_warm_start_with_another_network_is_refused(self):
        fitted = quick("one", warm_start=True).set_params(hidden_layer_sizes=(9,))
        with pytest.raises(ParameterError, match=r"it had the widths \[10, 8, 1\] in float32, now it has \[10, 9, 1\]"):
            fitted.fit(*NUMBERS)


class TestPartialFit:
    @pytest.mark.parametrize("kind", TARGETS)
    def test_epochs_one_by_one_learn(self, kind):
        X, y = TARGETS[kind]
        model = (MLPRegressor if kind in {"one", "pair"} else MLPClassifier)(8, random_state=0, learning_rate_init=0.02)
        classes = {"classes": np.unique(y)} if kind in {"two", "several"} else {}
        model.partial_fit(X, y, **classes)
        first = model.score(X, y)
        for _ in range(50):
            model.partial_fit(X, y)
        assert model.score(X, y) > max(first, 0.45)
        assert model.n_iter_ == len(model.loss_curve_) == 51

    def test_the_optimizer_goes_on(self):
        """Gradient descent with full batches takes the same steps, whoever counts the epochs."""
        settings = {"optimizer": "adam", "batch_size": 442, "dtype": "float64", "random_state": 0}
        model = MLPRegressor(8, **settings)
        for _ in range(5):
            model.partial_fit(*NUMBERS)
        whole = MLPRegressor(8, max_iter=5, n_iter_no_change=None, **settings).fit(*NUMBERS)
        np.testing.assert_allclose(model.run_.theta, whole.run_.theta, rtol=1e-9, atol=1e-12)

    def test_it_goes_on_after_fit(self):
        fitted = quick("one")
        losses = list(fitted.loss_curve_)
        assert fitted.partial_fit(*NUMBERS).loss_curve_[:5] == losses
        assert fitted.n_iter_ == 6

    def test_the_same_calls_give_the_same_bits(self):
        one, two = (MLPRegressor(8, random_state=0).partial_fit(*NUMBERS).partial_fit(*NUMBERS) for _ in range(2))
        assert same(one, two)

    def test_a_part_may_lack_a_class(self):
        model = MLPClassifier(8).partial_fit(IRIS[0][:50], NAMES[:50], classes=load_iris().target_names)
        assert model.predict_proba(IRIS[0]).shape == (150, 3)

    def test_the_first_call_needs_the_classes(self):
        with pytest.raises(ParameterError, match="the first call of partial_fit needs classes"):
            MLPClassifier().partial_fit(*IRIS)

    def test_a_class_that_is_new_is_refused(self):
        model = MLPClassifier().partial_fit(*TWO, classes=np.unique(TWO[1]))
        with pytest.raises(ParameterError, match="y has classes that the first call did not have: virginica"):
            model.partial_fit(IRIS[0], NAMES)

    def test_another_number_of_outputs_is_refused(self):
        model = MLPRegressor().partial_fit(*NUMBERS)
        with pytest.raises(ParameterError, match="y must have 1 columns, as in the first call, got 2"):
            model.partial_fit(*PAIR_OF_NUMBERS)

    def test_another_optimizer_is_refused(self):
        model = MLPRegressor(optimizer="sgd").partial_fit(*NUMBERS).set_params(optimizer="adam")
        with pytest.raises(ParameterError, match="goes on with the optimizer 'sgd'"):
            model.partial_fit(*NUMBERS)

    @pytest.mark.parametrize("parameters", [{"early_stopping": True}, {"schedule": "cosine"}], ids=str)
    def test_what_needs_the_whole_run_is_refused(self, parameters):
        with pytest.raises(ParameterError, match="partial_fit takes early_stopping=False and schedule='constant' only"):
            MLPRegressor(**parameters).partial_fit(*NUMBERS)


class TestDivergence:
    def diverged(self, **parameters):
        with pytest.warns(ConvergenceWarning, match="training diverged at step"):
            return MLPRegressor(8, **{**WILD, **parameters}).fit(*NUMBERS)

    def test_it_is_a_warning_at_the_line_of_the_caller(self):
        with pytest.warns(ConvergenceWarning, match=r"training diverged at step \d+: scale the data, lower") as caught:
            MLPRegressor(8, **WILD).fit(*NUMBERS)
        assert [warning.filename for warning in caught] == [__file__]

    def test_its_predictions_are_a_clear_error(self):
        with pytest.raises(DivergenceError, match=r"answers are not finite: training diverged at step \d+; scale"):
            self.diverged().predict(NUMBERS[0])

    def test_the_epochs_before_it_are_kept(self):
        model = self.diverged(learning_rate_init=2.0, batch_size=442)
        assert model.n_iter_ == len(model.loss_curve_) >= 1

    def test_early_stopping_predicts_with_the_best_epoch_before_it(self):
        model = self.diverged(learning_rate_init=2.0, batch_size=400, early_stopping=True, n_iter_no_change=100)
        assert np.isfinite(model.predict(NUMBERS[0])).all()

    def test_going_on_is_a_warning_again(self):
        model = self.diverged()
        with pytest.warns(ConvergenceWarning, match="training diverged at step"):
            model.partial_fit(*NUMBERS)

    def test_inputs_that_overflow_the_network_are_a_clear_error(self):
        with pytest.raises(DivergenceError, match="answers are not finite: X is too large in row 0, column"):
            quick("one").predict(np.full((1, 10), 3e38))

    def test_all_epochs_without_convergence_are_a_warning(self):
        with pytest.warns(ConvergenceWarning, match="went through all of max_iter=5 epochs and has not converged"):
            quick("one", n_iter_no_change=10)


class TestBadInput:
    @pytest.mark.parametrize(
        ("parameters", "sentence"),
        [
            ({"learning_rate_init": 0}, "learning_rate_init must be a positive number, got 0"),
            ({"learning_rate_init": "fast"}, "learning_rate_init must be a positive number, got 'fast'"),
            ({"alpha": -1}, "alpha must be a number of at least 0, got -1"),
            ({"batch_size": 0}, "batch_size must be 'auto' or a whole number of at least 1, got 0"),
            ({"batch_size": "all"}, "batch_size must be 'auto' or a whole number of at least 1, got 'all'"),
            ({"max_iter": 2.5}, "max_iter must be a whole number of at least 1, got 2.5"),
            ({"tol": np.nan}, "tol must be a number of at least 0, got nan"),
            ({"n_iter_no_change": 0}, "n_iter_no_change must be None or a whole number of at least 1, got 0"),
            ({"validation_fraction": 1}, "validation_fraction must be a number above 0 and below 1, got 1"),
            ({"early_stopping": True}, "early_stopping needs n_iter_no_change"),
            ({"alpha": 1, "weight_decay": 1}, "alpha goes neither with weight_decay nor"),
            ({"alpha": 1, "optimizer": "adamw"}, "alpha goes neither with weight_decay nor"),
            ({"schedule": "plateau"}, "the schedule 'plateau' watches the validation score: set early_stopping=True"),
            ({"activation": "rellu"}, "unknown activation 'rellu': did you mean 'relu'?"),
            ({"init": "he"}, "unknown scheme 'he'"),
            ({"optimizer": "adams"}, "unknown optimizer 'adams': did you mean 'adam'?"),
            ({"dtype": "float16"}, "unknown dtype 'float16'"),
            ({"dropout": "half"}, "dropout must be at least 0 and below 1, got 'half'"),
            ({"dropout": 1}, "dropout must be at least 0 and below 1, got 1"),
            ({"momentum": "much"}, "momentum must be None, or at least 0 and below 1, got 'much'"),
            ({"weight_decay": None}, "weight_decay must be a number of at least 0, got None"),
            ({"clip_norm": 0}, "clip_norm must be None or a positive number, got 0"),
            ({"activation": None}, "activation must be a name, got None"),
            ({"init": None}, "init must be a name, got None"),
            ({"schedule": 3}, "schedule must be a name or a Schedule, got 3"),
            ({"hidden_layer_sizes": "9,5"}, "hidden_layer_sizes must be a whole number or several, got '9,5'"),
            ({"hidden_layer_sizes": 0}, "a width must be a whole number of at least 1, got 0"),
            ({"hidden_layer_sizes": (4, 2.5)}, "a width must be a whole number of at least 1, got 2.5"),
            ({"activation": "step"}, "activation 'step' passes no gradient"),
            ({"normalization": "batch", "batch_size": 1}, "got batches of 1: choose a larger batch size"),
        ],
        ids=str,
    )
    def test_a_parameter_that_cannot_be_used_is_one_sentence(self, parameters, sentence):
        with pytest.raises(ParameterError) as caught:
            quick("one", **parameters)
        assert sentence in str(caught.value)

    def test_its_error_is_both_the_librarys_and_scikit_learns(self):
        assert issubclass(ParameterError, NnsimError)
        assert issubclass(ParameterError, ValueError)

    def test_numbers_beyond_single_precision_are_refused(self):
        with pytest.raises(
            ParameterError, match="y holds numbers too large for float32: scale it, or use dtype='float6"
        ):
            quick("one").fit(NUMBERS[0], 1e39 * NUMBERS[1])

    def test_the_plateau_schedule_goes_with_early_stopping(self):
        settings = {"learning_rate_init": 0.05, "batch_size": 16, "early_stopping": True, "n_iter_no_change": 20}
        fitted = quick("one", schedule="plateau:mode=max,patience=1", max_iter=100, **settings)
        rates = fitted.run_.history[:, COLUMNS.index("learning_rate")]
        assert rates[0] == 0.05
        assert rates[-1] < 0.05

    def test_the_lone_last_row_of_batch_normalisation_is_left_out_with_a_warning(self):
        """442 rows in batches of 9; the warning names the line of the caller."""
        with pytest.warns(NnsimWarning, match=r"of 442 training rows in batches of 9, the last of every epoch") as said:
            found = quick("one", normalization="batch", batch_size=9)
        assert [warning.filename for warning in said] == [__file__]
        assert same(found, quick("one", normalization="batch", batch_size=9, drop_last=True))

    def test_a_part_of_batches_and_one_row_is_learnt_with_a_warning(self):
        with pytest.warns(NnsimWarning, match="of 201 training rows in batches of 200") as said:
            MLPRegressor(4, normalization="batch").partial_fit(NUMBERS[0][:201], NUMBERS[1][:201])
        assert [warning.filename for warning in said] == [__file__]

    def test_a_part_of_one_row_cannot_be_normalised(self):
        with pytest.raises(ParameterError, match="got batches of 1: there is 1 training row in all"):
            MLPRegressor(4, normalization="batch").partial_fit(NUMBERS[0][:1], NUMBERS[1][:1])

    def test_the_score_of_one_target_stops_no_training(self):
        y = np.r_[NUMBERS[1][:1], np.zeros(99)]
        with pytest.raises(ParameterError, match="goes by R2, and the 10 rows held back have one target"):
            MLPRegressor(4, early_stopping=True, random_state=0).fit(NUMBERS[0][:100], y)

    def test_a_failed_fit_leaves_nothing_that_predicts(self):
        model = MLPClassifier(loss="mse")
        with pytest.raises(ParameterError):
            model.fit(*IRIS)
        with pytest.raises(NotFittedError):
            model.predict(IRIS[0])
