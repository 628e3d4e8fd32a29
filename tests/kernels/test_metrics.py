"""The area under the ROC curve, against the count of pairs."""

from __future__ import annotations

import math

import naive_losses
import naive_training
import numba
import numpy as np
import pytest
from cases import KEY, data, network, parameters, twin

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.metrics import area_under_curve
from nnsim.kernels.formulas.columns import VALIDATION_AUC
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import evaluate, train


@numba.njit(error_model="numpy")
def run(scores, labels):
    return area_under_curve(scores, labels)


def area(scores, labels):
    return run(np.array(scores, float), np.array(labels, float))


@pytest.mark.parametrize("levels", [2, 5, 1000], ids=lambda levels: f"levels{levels}")
@pytest.mark.parametrize("rows", [2, 3, 10, 101])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_share_of_pairs_in_the_right_order(seed, rows, levels):
    """Few levels tie many scores."""
    rng = np.random.default_rng([seed, rows, levels])
    scores, labels = rng.integers(0, levels, rows).astype(float), rng.permutation(np.arange(rows) % 2).astype(float)
    expected = naive_losses.area_under_curve(scores.tolist(), labels.tolist())
    assert area(scores, labels) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([1, 1, 1, 1], [0, 1, 0, 1], 0.5),
        ([-math.inf, 0, math.inf], [0, 1, 1], 1.0),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
    ],
)
def test_known_areas(scores, labels, expected):
    assert area(scores, labels) == expected


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_it_is_not_a_number_where_a_class_is_absent(labels):
    assert math.isnan(area([1, 2, 3], labels))


def test_it_is_not_a_number_where_a_score_is_none():
    assert math.isnan(area([1, math.nan, 3], [0, 1, 0]))


TWO_CLASSES = [("cross_entropy", (4, 6, 2)), ("bce", (4, 6, 1))]


@pytest.mark.parametrize(("loss", "widths"), TWO_CLASSES, ids=["cross_entropy", "bce"])
def test_it_ranks_by_the_logit_of_class_one_over_that_of_class_zero(loss, widths):
    spec = network(loss, widths=widths)
    theta, rows = parameters(spec), data(spec, 30)
    Z = naive_training.logits(twin(spec), theta, rows.X.tolist(), [])
    scores = [row[-1] - (row[0] if len(row) == 2 else 0) for row in Z]
    expected = naive_losses.area_under_curve(scores, rows.Y[:, 0].tolist())
    assert evaluate(spec, theta, rows.X, rows.Y, auc=True).auc == pytest.approx(expected, rel=1e-14)


def test_the_history_holds_it_where_it_is_asked_for():
    spec = network("bce", widths=(4, 6, 1))
    arguments = spec, parameters(spec), data(spec), Recipe(0.1, batch_size=5, epochs=3), KEY
    run = train(*arguments, auc=True)
    found = evaluate(spec, run.theta, data(spec).X_validation, data(spec).Y_validation, auc=True).auc
    assert run.history[-1, VALIDATION_AUC] == found
    assert np.isnan(train(*arguments).history[:, VALIDATION_AUC]).all()


@pytest.mark.parametrize("loss", ["cross_entropy", "bce", "mse"])
def test_it_is_refused_where_there_are_not_two_classes(loss):
    spec = network(loss)
    theta, rows = parameters(spec), data(spec)
    sentence = "the area under the ROC curve is that of two classes: a network with the loss"
    with pytest.raises(UsageError, match=f"^{sentence} '{loss}' and 3 outputs has none$"):
        evaluate(spec, theta, rows.X, rows.Y, auc=True)
    with pytest.raises(UsageError, match=f"^{sentence}"):
        train(spec, theta, rows, Recipe(0.1, batch_size=5, epochs=1), KEY, auc=True)
