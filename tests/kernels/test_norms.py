"""What normalisation and dropout promise: running statistics, invariances, units that stay alive, kept moments."""

from __future__ import annotations

import naive_norms
import numba
import numpy as np
import pytest
from cases import KEY, NORMS, data, network, parameters, rows_of, statistics_of

from nnsim.kernels.cpu.dropout import fill_masks
from nnsim.kernels.cpu.training import logits, loss_and_gradient
from nnsim.probes.layers import probe
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import evaluate, train

ONE_STEP = Recipe(1e-3, batch_size=22, epochs=1)
BATCH = pytest.mark.parametrize("norm", ["batch", "batch after"])


def gradient_of(spec, theta, X, Y):
    gradient = np.empty_like(theta)
    loss_and_gradient(spec.architecture, theta, X, Y, gradient, np.uint64(KEY), 0)
    return gradient


def answers(spec, theta, statistics, X, batch=5):
    return logits(spec.architecture, theta, statistics, X, batch)


# --- running statistics --------------------------------------------------------------------------------------------


def test_statistics_begin_with_means_of_zero_and_variances_of_one():
    spec = network(norm="batch", widths=(4, 2, 3, 3))
    assert spec.initial_statistics().tolist() == [0, 0, 1, 1, 0, 0, 0, 1, 1, 1]
    assert spec.n_statistics == 10


@pytest.mark.parametrize("norm", ["none", "layer", "layer after"])
def test_other_norms_have_no_statistics(norm):
    spec = network(norm=norm)
    assert (spec.n_statistics, spec.initial_statistics().size) == (0, 0)


def test_one_batch_blends_its_mean_and_its_unbiased_variance_in():
    spec = network(norm="batch", norm_momentum=0.25)
    theta, batches = parameters(spec), data(spec)
    run = train(spec, theta, batches, ONE_STEP, KEY)
    W, b = spec.layers(theta)[0]
    Z = batches.X @ W + b
    (means, variances), *_ = statistics_of(spec, run.statistics)
    np.testing.assert_allclose(means, 0.25 * Z.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variances, 0.75 + 0.25 * Z.var(axis=0, ddof=1), rtol=1e-12)


@BATCH
def test_statistics_of_the_last_batch_alone_make_both_modes_agree_but_for_the_bias(norm):
    """With momentum 1 and a rate too small to matter, evaluation differs by n / (n - 1) of the variance only."""
    spec = network("mse", norm, norm_momentum=1.0, norm_epsilon=0.0)
    batches, theta = data(spec), parameters(spec)
    run = train(spec, theta, batches, Recipe(1e-300, batch_size=22, epochs=1, optimizer="sgd"), KEY)
    biased = run.statistics.copy()
    at = 0
    for width in spec.widths[1:-1]:
        biased[at + width : at + 2 * width] *= 21 / 22
        at += 2 * width
    loss = loss_and_gradient(spec.architecture, theta, batches.X, batches.Y, np.empty_like(theta), np.uint64(KEY), 0)
    assert evaluate(spec, run.theta, batches.X, batches.Y, biased).loss == pytest.approx(loss, rel=1e-12)
    assert evaluate(spec, run.theta, batches.X, batches.Y, run.statistics).loss != pytest.approx(loss, rel=1e-4)


@BATCH
def test_a_divergent_step_leaves_the_statistics_before_it(norm):
    spec = network("mse", norm)
    batches = data(spec)
    good = train(spec, parameters(spec), batches, ONE_STEP, KEY)
    batches.Y[:] = np.inf
    bad = train(spec, good.theta, batches, ONE_STEP, KEY)
    assert bad.status == "diverged"
    np.testing.assert_array_equal(bad.statistics, spec.initial_statistics())


# --- evaluation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 4, 22])
@pytest.mark.parametrize("norm", NORMS)
def test_an_answer_does_not_depend_on_the_rows_beside_it(norm, batch):
    spec = network("mse", norm, dropout=0.5, residual=True)
    run = train(spec, parameters(spec), data(spec), ONE_STEP, KEY)
    X = data(spec).X
    alone = np.concatenate([answers(spec, run.theta, run.statistics, X[i : i + 1]) for i in range(len(X))])
    np.testing.assert_array_equal(answers(spec, run.theta, run.statistics, X, batch), alone)


def test_evaluation_drops_nothing():
    dropping, whole = network("mse", dropout=0.5), network("mse")
    theta, X = parameters(whole), data(whole).X
    np.testing.assert_array_equal(answers(dropping, theta, theta[:0], X), answers(whole, theta, theta[:0], X))


def test_evaluation_changes_no_statistics():
    spec = network("mse", "batch")
    run = train(spec, parameters(spec), data(spec), ONE_STEP, KEY)
    before = run.statistics.copy()
    evaluate(spec, run.theta, data(spec).X, data(spec).Y, run.statistics)
    np.testing.assert_array_equal(run.statistics, before)


# --- what normalisation does (B3) ----------------------------------------------------------------------------------


def unit_scales(spec, theta):
    """Set gamma = 1 and beta = 0."""
    for gamma, beta in zip(spec.views(theta, "scale"), spec.views(theta, "shift"), strict=True):
        gamma[:], beta[:] = 1, 0
    return theta


@pytest.mark.parametrize("bias", [-1e3, -10.0, 0.0])
def test_no_relu_unit_is_off_on_a_whole_batch(bias):
    """Of numbers with mean 0 and variance 1, one is positive, whatever the bias was."""
    spec = network(norm="batch", activation="relu", widths=(4, 64, 64, 3))
    theta = unit_scales(spec, parameters(spec))
    for b in spec.views(theta, "bias")[:-1]:
        b += bias
    assert [row["dead"] for row in probe(spec, theta, *rows_of(spec, 8))] == [0, 0, 0]


def test_without_normalisation_a_large_negative_bias_switches_every_unit_off():
    spec = network(activation="relu", widths=(4, 64, 64, 3))
    theta = parameters(spec)
    for b in spec.views(theta, "bias")[:-1]:
        b -= 1e3
    assert probe(spec, theta, *rows_of(spec, 8))[0]["dead"] == 1


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_a_gradient_under_batch_normalisation_is_at_right_angles_to_its_units_weights(loss):
    """The loss does not see the length of W_j, so that <W_j, dL/dW_j> = 0 (van Laarhoven 2017)."""
    spec = network(loss, "batch", norm_epsilon=0.0)
    theta = parameters(spec)
    gradient = gradient_of(spec, theta, *rows_of(spec, 22))
    for W, G in list(zip(spec.views(theta, "weight"), spec.views(gradient, "weight"), strict=True))[:-1]:
        assert (np.linalg.norm(G, axis=0) > 1e-5).all()
        assert (abs((W * G).sum(axis=0)) < 1e-13 * np.linalg.norm(W) * np.linalg.norm(G)).all()


def test_without_normalisation_gradients_change_the_length_of_weights():
    spec = network("mse")
    theta = parameters(spec)
    gradient = gradient_of(spec, theta, *rows_of(spec, 22))
    W, G = spec.views(theta, "weight")[0], spec.views(gradient, "weight")[0]
    assert (abs((W * G).sum(axis=0)) > 1e-4 * np.linalg.norm(W) * np.linalg.norm(G)).any()


@pytest.mark.parametrize("factor", [1e-3, 0.5, 1e3])
def test_the_length_of_a_units_weights_does_not_matter_and_divides_its_gradient(factor):
    spec = network("mse", "batch", norm_epsilon=0.0)
    theta, rows = parameters(spec), rows_of(spec, 22)
    scaled = theta.copy()
    spec.views(scaled, "weight")[0][:, 2] *= factor
    spec.views(scaled, "bias")[0][2] *= factor
    before, after = (spec.views(gradient_of(spec, at, *rows), "weight")[0][:, 2] for at in (theta, scaled))
    np.testing.assert_allclose(after * factor, before, rtol=1e-9)


@pytest.mark.parametrize("shift", [-100.0, 3.0])
def test_layer_normalisation_does_not_see_what_all_units_share(shift):
    spec = network("mse", "layer")
    theta, X = parameters(spec), data(spec).X
    moved = theta.copy()
    spec.views(moved, "bias")[0][:] += shift
    none = theta[:0]
    np.testing.assert_allclose(answers(spec, moved, none, X), answers(spec, theta, none, X), rtol=1e-9, atol=1e-11)


# --- dropout -------------------------------------------------------------------------------------------------------


@numba.njit
def fill(keep, key, step, rate):
    fill_masks(keep, key, step, rate)


def mask(rate, kind=np.float64, step=0, size=256 * 1000, key=KEY):
    keep = np.empty(size, kind)
    fill(keep, np.uint64(key), step, kind(rate))
    return keep


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_multiplies_the_second_moment(rate, kind):
    """E m = 1 and E m^2 = 1 / (1 - p), within five standard errors of 256 000 draws."""
    keep = mask(rate, kind).astype(float)
    error = np.sqrt(rate / (1 - rate) / keep.size)  # of the mean
    assert abs(keep.mean() - 1) < 5 * error
    assert abs((keep**2).mean() * (1 - rate) - 1) < 5 * error
    np.testing.assert_array_equal(np.unique(keep), [0, kind(1 / (1 - float(kind(rate))))])


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.7])
def test_masks_are_the_naive_ones(rate):
    words = naive_norms.dropout_words(KEY, 3, 512)
    expected = [1 / (1 - rate) if word >= int(rate * 2**32) else 0.0 for word in words]
    np.testing.assert_array_equal(mask(rate, step=3, size=512), expected)


@pytest.mark.parametrize("other", [{"step": 1}, {"key": KEY + 1}], ids=str)
def test_masks_of_other_steps_and_keys_are_independent(other):
    here, there = mask(0.5), mask(0.5, **other)
    assert abs(np.corrcoef(here, there)[0, 1]) < 5 / np.sqrt(here.size)


def test_a_dropped_unit_passes_no_gradient():
    """One hidden layer: the rows on which a unit is dropped add nothing to the gradient of its weights."""
    spec = network("mse", widths=(4, 6, 3), dropout=0.5)
    theta, (X, Y) = parameters(spec), rows_of(spec, 5)
    keep = np.array(naive_norms.masks(0.5, (6,), 5, 5, KEY, 0)[0])
    unit = int(np.argmin((keep > 0).sum(axis=0)))
    assert 0 < (keep[:, unit] > 0).sum() < 5
    gradient = gradient_of(spec, theta, X, Y)
    X[keep[:, unit] == 0] = 0.0
    changed = gradient_of(spec, theta, X, Y)
    np.testing.assert_allclose(
        spec.views(changed, "weight")[0][:, unit], spec.views(gradient, "weight")[0][:, unit], rtol=1e-12
    )


# --- skip connections ----------------------------------------------------------------------------------------------


def test_a_skip_needs_two_hidden_layers_of_one_width():
    spec = network("mse", widths=(4, 4, 6, 6, 3, 3), residual=True)
    assert [spec.has_skip(layer) for layer in range(5)] == [False, False, True, False, False]


def test_layers_of_zeros_hand_on_what_they_got():
    """With W = b = 0 and f(0) = 0 a layer with a skip connection is the identity."""
    deep = network("mse", widths=(4, 6, 6, 6, 3), residual=True)
    flat_spec = network("mse", widths=(4, 6, 3))
    theta = parameters(deep)
    for W, b in deep.layers(theta)[1:3]:
        W[:], b[:] = 0, 0
    (first, last), X = (deep.layers(theta)[0], deep.layers(theta)[-1]), data(deep).X
    shallow = np.concatenate([part.ravel() for part in (*first, *last)])
    none = theta[:0]
    np.testing.assert_array_equal(answers(deep, theta, none, X), answers(flat_spec, shallow, none, X))
