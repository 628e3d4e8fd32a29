"""Gradients of whole networks: against the naive backward pass, and against central differences tensor by tensor."""

from __future__ import annotations

import itertools
import math

import naive
import numpy as np
import pytest
from naive_activations import TEXTBOOK
from nnsim.kernels.cpu.dense import Architecture

from nnsim.kernels.activations import ACTIVATIONS
from nnsim.kernels.cpu.training import logits, loss_and_gradient
from nnsim.kernels.losses import LOSSES

DIFFERENTIABLE = [name for name, activation in ACTIVATIONS.items() if activation.differentiable]
ROWS, INPUTS, HIDDEN, OUTPUTS = 6, 5, 6, 3
STEP = 1e-3  # of smooth differences, of fourth order: the error is about STEP^4
KINKED_STEP = 1e-5  # of differences that must not reach a kink

all_losses = pytest.mark.parametrize("loss", LOSSES)
all_activations = pytest.mark.parametrize("name", DIFFERENTIABLE)


def architecture(widths, name, loss):
    activation = ACTIVATIONS[name]
    return Architecture(np.array(widths), activation.code, activation.parameter or 0.0, LOSSES[loss])


def widths_of(depth):
    """Return the widths of a network with `depth` hidden layers."""
    return (INPUTS, *[HIDDEN] * depth, OUTPUTS)


def tensors(theta, widths):
    """Return views of W_0, b_0, W_1, b_1, ... in a flat vector."""
    sizes = [size for fan_in, fan_out in itertools.pairwise(widths) for size in (fan_in * fan_out, fan_out)]
    return np.split(theta, np.cumsum(sizes)[:-1])


def gain(name):
    """Return the weight scale sqrt(1 / E f(z)^2) that keeps the second moment of activations at one."""
    z = np.linspace(-6, 6, 2001)
    density = np.exp(-z * z / 2) / np.exp(-z * z / 2).sum()
    return 1 / math.sqrt(np.sum(np.array([TEXTBOOK[name].f(x) for x in z]) ** 2 * density))


def parameters(rng, name, widths):
    """Return variance-preserving weights and small biases."""
    theta = np.empty(sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(widths)))
    for place, tensor in enumerate(tensors(theta, widths)):
        layer, is_bias = divmod(place, 2)
        scale = 0.1 if is_bias else (gain(name) if layer else 1.0) / math.sqrt(widths[layer])
        tensor[:] = scale * rng.standard_normal(tensor.size)
    return theta


def data(rng, loss):
    X = rng.standard_normal((ROWS, INPUTS))
    if loss == "cross_entropy":
        return X, rng.integers(0, OUTPUTS, (ROWS, 1)).astype(float)
    return X, rng.integers(0, 2, (ROWS, OUTPUTS)).astype(float)


def gradient_of(net, theta, X, Y):
    gradient = np.full_like(theta, np.nan)
    loss = loss_and_gradient(net, theta, X, Y, gradient)
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
        numbers[place] = fourth_order([loss_and_gradient(net, point, X, Y, unused) for point in around], step)
    return numbers


# --- away from kinks -----------------------------------------------------------------------------------------------


def pieces(net, theta, X, kinks):
    """Return on which side of each kink every hidden pre-activation lies: Z_l are the logits of the first layers."""
    sides, at = [], 0
    for layer in range(net.widths.size - 2):
        at += (net.widths[layer] + 1) * net.widths[layer + 1]
        Z = logits(net._replace(widths=net.widths[: layer + 2]), theta[:at], X)
        sides += [np.greater(Z, kink) for kink in kinks]
    return np.stack([side.ravel() for side in sides])


def stays_on_its_pieces(net, theta, X, kinks, step):
    """Tell whether no pre-activation crosses a kink between any two points of the differences."""
    here = pieces(net, theta, X, kinks)
    ends = (moved(theta, place, sign * 2 * step) for place in range(theta.size) for sign in (-1, 1))
    return all(np.array_equal(here, pieces(net, end, X, kinks)) for end in ends)


def every_tensor_moves(net, theta, X, Y, step):
    """Tell whether every tensor's gradient is far above the rounding error of the differences, about 1e-16 / step."""
    gradient = gradient_of(net, theta, X, Y)[1]
    return all(np.linalg.norm(tensor) > 1e-9 / step for tensor in tensors(gradient, net.widths))


def problem(name, loss, depth):
    """Return (net, theta, X, Y, step): the first seed that no kink comes near and no dead layer cuts off."""
    kinks = TEXTBOOK[name].kinks
    net = architecture(widths_of(depth), name, loss)
    step = KINKED_STEP if kinks else STEP
    for seed in range(100):
        rng = np.random.default_rng([seed, depth])
        theta = parameters(rng, name, net.widths)
        X, Y = data(rng, loss)
        smooth = not kinks or stays_on_its_pieces(net, theta, X, kinks, step)
        if smooth and every_tensor_moves(net, theta, X, Y, step):
            return net, theta, X, Y, step
    raise LookupError(f"no network of depth {depth} with {name} stays away from kinks")


def relative_errors(gradient, reference, widths):
    pairs = zip(tensors(gradient, widths), tensors(reference, widths), strict=True)
    return [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs]


@pytest.mark.parametrize(("depth", "bound"), [(1, 1e-7), (3, 1e-7), (10, 1e-5)], ids=["depth1", "depth3", "depth10"])
@all_losses
@all_activations
def test_gradient_is_the_central_difference(name, loss, depth, bound):
    net, theta, X, Y, step = problem(name, loss, depth)
    _, gradient = gradient_of(net, theta, X, Y)
    assert max(relative_errors(gradient, differences(net, theta, X, Y, step), net.widths)) <= bound


# --- the naive backward pass ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(4, 3), (4, 1, 3), (4, 9, 3), (4, 7, 5, 6, 3)], ids=str)
@all_losses
@all_activations
def test_gradient_is_the_naive_one(name, loss, widths):
    rng = np.random.default_rng(8)
    theta = parameters(rng, name, widths)
    X, Y = data(rng, loss)
    X = X[:, :4].copy()
    value, gradient = gradient_of(architecture(widths, name, loss), theta, X, Y)
    f, df, _ = TEXTBOOK[name]
    expected_value, expected = naive.loss_and_gradient(theta.tolist(), widths, f, df, loss, X.tolist(), Y.tolist())
    assert value == pytest.approx(expected_value, rel=1e-13)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-13)


@all_losses
@all_activations
def test_float32_gradient_is_the_float64_one_rounded(name, loss):
    net, theta, X, Y, _ = problem(name, loss, 3)
    theta, X, Y = (a.astype(np.float32) for a in (theta, X, Y))
    value, gradient = gradient_of(net._replace(parameter=np.float32(net.parameter)), theta, X, Y)
    exact = net._replace(parameter=float(np.float32(net.parameter)))
    expected_value, expected = gradient_of(exact, *(a.astype(np.float64) for a in (theta, X, Y)))
    assert value == pytest.approx(expected_value, rel=1e-5)
    assert np.linalg.norm(gradient - expected) < 1e-5 * np.linalg.norm(expected)


@all_losses
def test_a_step_passes_no_gradient_to_the_layers_before(loss):
    widths = widths_of(2)
    rng = np.random.default_rng(9)
    theta, (X, Y) = parameters(rng, "step", widths), data(rng, loss)
    _, gradient = gradient_of(architecture(widths, "step", loss), theta, X, Y)
    *before, last_weights, last_bias = tensors(gradient, widths)
    assert all((tensor == 0).all() for tensor in before)
    assert np.linalg.norm(last_weights) > 0
    assert np.linalg.norm(last_bias) > 0


def test_a_gradient_of_the_mean_is_the_mean_of_gradients():
    net, theta, X, Y, _ = problem("tanh", "cross_entropy", 3)
    rows = [gradient_of(net, theta, X[i : i + 1], Y[i : i + 1])[1] for i in range(ROWS)]
    np.testing.assert_allclose(gradient_of(net, theta, X, Y)[1], np.mean(rows, axis=0), rtol=0, atol=1e-15)


def test_logits_are_the_naive_ones():
    net, theta, X, _, _ = problem("gelu", "mse", 3)
    _, Zs = naive.forward(naive.unflatten(theta.tolist(), net.widths.tolist()), TEXTBOOK["gelu"].f, X.tolist())
    np.testing.assert_allclose(logits(net, theta, X), Zs[-1], rtol=0, atol=1e-14)
