"""Gradients of whole networks: against the naive backward pass, and against central differences tensor by tensor."""

from __future__ import annotations

import math

import naive
import naive_norms
import naive_training
import numpy as np
import pytest
from cases import KEY, NORMS, twin
from cases import LOSSES as LOSS_OPTIONS
from naive_activations import TEXTBOOK

from nnsim.kernels.cpu.training import logits, loss_and_gradient
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.kernels.formulas.losses import LOSSES
from nnsim.networks.spec import NetworkSpec

DIFFERENTIABLE = [name for name, activation in ACTIVATIONS.items() if activation.differentiable]
ROWS, INPUTS, HIDDEN, OUTPUTS = 6, 5, 6, 3
STEP = 1e-3  # of smooth differences, of fourth order: the error is about STEP^4
KINKED_STEP = 1e-5  # of differences that must not reach a kink
DROPS = np.uint64(KEY), 0  # key and step of dropout's masks

all_losses = pytest.mark.parametrize("loss", LOSSES)
all_activations = pytest.mark.parametrize("name", DIFFERENTIABLE)


def widths_of(depth):
    """Return the widths of a network with `depth` hidden layers."""
    return (INPUTS, *[HIDDEN] * depth, OUTPUTS)


def network(widths, name, loss, **options):
    return NetworkSpec(widths, name, loss=loss, dtype="float64", **options)


def tensors(theta, spec):
    """Return views of every tensor in a flat vector."""
    return [theta[tensor.start : tensor.stop] for tensor in spec.tensors]


def gain(name):
    """Return the weight scale sqrt(1 / E f(z)^2) that keeps the second moment of activations at one."""
    z = np.linspace(-6, 6, 2001)
    density = np.exp(-z * z / 2) / np.exp(-z * z / 2).sum()
    return 1 / math.sqrt(np.sum(np.array([TEXTBOOK[name].f(x) for x in z]) ** 2 * density))


def parameters(rng, spec):
    """Return variance-preserving weights, small biases and shifts, and scales around 1."""
    theta = np.empty(spec.n_parameters)
    for tensor in spec.tensors:
        preserving = (gain(spec.activation) if tensor.layer else 1.0) / math.sqrt(spec.widths[tensor.layer])
        scale = preserving if tensor.role == "weight" else 0.1
        theta[tensor.start : tensor.stop] = scale * rng.standard_normal(tensor.stop - tensor.start)
    for gamma in spec.views(theta, "scale"):
        gamma += 1
    return theta


def masks_of(spec):
    """Return the naive masks of the first step."""
    return naive_norms.masks(spec.dropout, spec.widths[1:-1], ROWS, ROWS, KEY, 0) if spec.dropout else None


def data(rng, spec, theta):
    """Return inputs and targets; those of a loss with kinks are so far from the logits that no step reaches one."""
    X = rng.standard_normal((ROWS, spec.widths[0]))
    if spec.loss == "cross_entropy":
        return X, rng.integers(0, OUTPUTS, (ROWS, 1)).astype(float)
    if spec.loss not in {"mae", "huber"}:
        return X, rng.integers(0, 2, (ROWS, OUTPUTS)).astype(float)
    net = twin(spec)
    Z, _ = naive_training.forward(net, naive_training.unflatten(theta, net), X.tolist(), masks_of(spec), None)
    return X, np.array(Z) + spec.huber_delta * rng.choice([-2, -0.5, 0.5, 2], (ROWS, OUTPUTS))


def gradient_of(net, theta, X, Y):
    gradient = np.full_like(theta, np.nan)
    loss = loss_and_gradient(net, theta, X, Y, gradient, *DROPS)
    return loss, gradient


def moved(theta, place, step):
    other = theta.copy()
    other[place] += step
    return other


def fourth_order(values, step):
    """Return the derivative from the values at -2, -1, 1 and 2 steps."""
    return (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * step)


def differences(net, theta, X, Y, step):
    """Return the gradient by central differences of fourth order."""
    unused = np.empty_like(theta)
    numbers = np.empty_like(theta)
    for place in range(theta.size):
        around = [moved(theta, place, n * step) for n in (-2, -1, 1, 2)]
        numbers[place] = fourth_order([loss_and_gradient(net, point, X, Y, unused, *DROPS) for point in around], step)
    return numbers


# --- away from kinks -----------------------------------------------------------------------------------------------


def pieces(net, theta, X, kinks):
    """Return on which side of each kink every hidden pre-activation lies: Z_l are the logits of the first layers."""
    sides, at = [], 0
    for layer in range(net.widths.size - 2):
        at += (net.widths[layer] + 1) * net.widths[layer + 1]
        Z = logits(net._replace(widths=net.widths[: layer + 2]), theta[:at], theta[:0], X, ROWS)
        sides += [np.greater(Z, kink) for kink in kinks]
    return np.stack([side.ravel() for side in sides])


def stays_on_its_pieces(net, theta, X, kinks, step):
    """Tell whether no pre-activation crosses a kink between any two points of the differences."""
    here = pieces(net, theta, X, kinks)
    ends = (moved(theta, place, sign * 2 * step) for place in range(theta.size) for sign in (-1, 1))
    return all(np.array_equal(here, pieces(net, end, X, kinks)) for end in ends)


def is_void(spec, tensor):
    """Tell whether a tensor's gradient is zero: batch normalisation takes away what a bias adds."""
    normalized = spec.normalization == "batch" and not spec.norm_after
    return normalized and tensor.role == "bias" and tensor.layer < spec.depth


def every_tensor_moves(spec, theta, X, Y, step):
    """Tell whether every tensor's gradient is far above the rounding error of the differences, about 1e-16 / step."""
    gradient = gradient_of(spec.architecture, theta, X, Y)[1]
    places = zip(spec.tensors, tensors(gradient, spec), strict=True)
    return all(np.linalg.norm(part) > 1e-9 / step for tensor, part in places if not is_void(spec, tensor))


def problem(spec):
    """Return (theta, X, Y, step): the first seed that no kink comes near and no dead layer cuts off."""
    kinks = TEXTBOOK[spec.activation].kinks
    step = KINKED_STEP if kinks else STEP
    for seed in range(100):
        rng = np.random.default_rng([seed, spec.depth])
        theta = parameters(rng, spec)
        X, Y = data(rng, spec, theta)
        smooth = not kinks or stays_on_its_pieces(spec.architecture, theta, X, kinks, step)
        if smooth and every_tensor_moves(spec, theta, X, Y, step):
            return theta, X, Y, step
    raise LookupError(f"no network of depth {spec.depth} with {spec.activation} stays away from kinks")


def relative_errors(gradient, reference, spec):
    """Return the relative error of every tensor; of one whose gradient is zero, the absolute one."""
    pairs = zip(spec.tensors, tensors(gradient, spec), tensors(reference, spec), strict=True)
    return [np.linalg.norm(a - b) / (1 if is_void(spec, tensor) else np.linalg.norm(b)) for tensor, a, b in pairs]


def expect_differences(spec, bound):
    theta, X, Y, step = problem(spec)
    _, gradient = gradient_of(spec.architecture, theta, X, Y)
    reference = differences(spec.architecture, theta, X, Y, step)
    assert max(relative_errors(gradient, reference, spec)) <= bound


@pytest.mark.parametrize(("depth", "bound"), [(1, 1e-7), (3, 1e-7), (10, 1e-5)], ids=["depth1", "depth3", "depth10"])
@all_losses
@all_activations
def test_gradient_is_the_central_difference(name, loss, depth, bound):
    expect_differences(network(widths_of(depth), name, loss), bound)


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("dropout", [0.0, 0.3], ids=["all", "dropout"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("loss", LOSS_OPTIONS)
def test_gradient_through_norms_masks_and_skips_is_the_central_difference(loss, norm, dropout, residual):
    options = {"loss": "cross_entropy", **LOSS_OPTIONS[loss], **NORMS[norm]}
    expect_differences(network(widths_of(3), "tanh", **options, dropout=dropout, residual=residual), 1e-7)


@pytest.mark.parametrize("norm", ["batch", "layer after"])
@all_activations
def test_gradient_of_every_activation_between_norms_is_the_naive_one(name, norm):
    spec = network(widths_of(3), name, "mse", **NORMS[norm], dropout=0.3, residual=True)
    rng = np.random.default_rng(5)
    theta = parameters(rng, spec)
    X, Y = data(rng, spec, theta)
    loss, expected = naive_training.loss_and_gradient(twin(spec), theta, X.tolist(), Y.tolist(), masks_of(spec))
    value, gradient = gradient_of(spec.architecture, theta, X, Y)
    assert value == pytest.approx(loss.value, rel=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)


# --- the naive backward pass ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(4, 3), (4, 1, 3), (4, 9, 3), (4, 7, 5, 6, 3)], ids=str)
@all_losses
@all_activations
def test_gradient_is_the_naive_one(name, loss, widths):
    spec, rng = network(widths, name, loss), np.random.default_rng(8)
    theta = parameters(rng, spec)
    X, Y = data(rng, spec, theta)
    value, gradient = gradient_of(spec.architecture, theta, X, Y)
    expected_loss, expected = naive_training.loss_and_gradient(twin(spec), theta, X.tolist(), Y.tolist())
    assert value == pytest.approx(expected_loss.value, rel=1e-13)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-13)


@all_losses
@all_activations
def test_float32_gradient_is_the_float64_one_rounded(name, loss):
    spec = network(widths_of(3), name, loss)
    theta, X, Y = (a.astype(np.float32) for a in problem(spec)[:3])
    single = NetworkSpec(spec.widths, name, loss=loss, dtype="float32").architecture
    value, gradient = gradient_of(single, theta, X, Y)
    exact = spec.architecture._replace(parameter=np.float64(single.parameter))
    expected_value, expected = gradient_of(exact, *(a.astype(np.float64) for a in (theta, X, Y)))
    assert value == pytest.approx(expected_value, rel=1e-5)
    assert np.linalg.norm(gradient - expected) < 1e-5 * np.linalg.norm(expected)


@all_losses
def test_a_step_passes_no_gradient_to_the_layers_before(loss):
    spec, rng = network(widths_of(2), "step", loss), np.random.default_rng(9)
    theta = parameters(rng, spec)
    X, Y = data(rng, spec, theta)
    _, gradient = gradient_of(spec.architecture, theta, X, Y)
    *before, last_weights, last_bias = tensors(gradient, spec)
    assert all((tensor == 0).all() for tensor in before)
    assert np.linalg.norm(last_weights) > 0
    assert np.linalg.norm(last_bias) > 0


@pytest.mark.parametrize("norm", ["none", "layer", "layer after"])
def test_a_gradient_of_the_mean_is_the_mean_of_gradients(norm):
    spec = network(widths_of(3), "tanh", "cross_entropy", **NORMS[norm])
    (theta, X, Y, _), net = problem(spec), spec.architecture
    rows = [gradient_of(net, theta, X[i : i + 1], Y[i : i + 1])[1] for i in range(ROWS)]
    np.testing.assert_allclose(gradient_of(net, theta, X, Y)[1], np.mean(rows, axis=0), rtol=0, atol=1e-15)


def test_logits_are_the_naive_ones():
    spec = network(widths_of(3), "gelu", "mse")
    theta, X, _, _ = problem(spec)
    _, Zs = naive.forward(naive.unflatten(theta.tolist(), spec.widths), TEXTBOOK["gelu"].f, X.tolist())
    np.testing.assert_allclose(logits(spec.architecture, theta, theta[:0], X, ROWS), Zs[-1], rtol=0, atol=1e-14)
