"""The same network, batches and recipe in PyTorch, in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.initializers import initialize
from nnsim.kernels.cpu.draws import fill_permutation
from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.kernels.philox import SHUFFLE
from nnsim.network import NetworkSpec
from nnsim.seeding import key
from nnsim.training import Batches, Recipe, train

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

KEY = key(0, "tests", "torch")
WIDTHS = (6, 16, 12, 5)
ROWS = 40
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": torch.nn.functional.gelu}
LOSSES = {
    "cross_entropy": lambda Z, Y: torch.nn.functional.cross_entropy(Z, Y[:, 0].long()),
    "bce": torch.nn.functional.binary_cross_entropy_with_logits,
    "mse": torch.nn.functional.mse_loss,
}


def case(activation, loss):
    spec = NetworkSpec(WIDTHS, activation, loss=loss, dtype="float64")
    rng = np.random.default_rng(7)
    X = rng.standard_normal((ROWS, WIDTHS[0]))
    Y = {
        "cross_entropy": rng.integers(0, WIDTHS[-1], (ROWS, 1)).astype(float),
        "bce": rng.integers(0, 2, (ROWS, WIDTHS[-1])).astype(float),
        "mse": rng.standard_normal((ROWS, WIDTHS[-1])),
    }[loss]
    return spec, initialize(spec, "torch_default", KEY), X, Y


def tensors(spec, theta):
    """Return the parameters W_0, b_0, W_1, ... as leaves that collect gradients."""
    arrays = [array for layer in spec.layers(theta) for array in layer]
    return [torch.tensor(array, requires_grad=True) for array in arrays]


def flat(parts):
    return np.concatenate([part.detach().numpy().ravel() for part in parts])


def loss_of(spec, parameters, X, Y):
    A = torch.as_tensor(X)
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    for W, b in layers[:-1]:
        A = ACTIVATIONS[spec.activation](A @ W + b)
    W, b = layers[-1]
    return LOSSES[spec.loss](A @ W + b, torch.as_tensor(Y))


def order_of(epoch):
    order = np.empty(ROWS, np.int64)
    fill_permutation(order, np.uint64(KEY), SHUFFLE, epoch)
    return order


def trained(spec, theta, X, Y, recipe):
    """Return parameters and the mean loss of each epoch after PyTorch's SGD over the same batches."""
    parameters = tensors(spec, theta)
    optimizer = torch.optim.SGD(parameters, recipe.learning_rate, recipe.momentum)
    losses = []
    for epoch in range(recipe.epochs):
        total = 0.0
        for rows in np.split(order_of(epoch), range(recipe.batch_size, ROWS, recipe.batch_size)):
            optimizer.zero_grad()
            loss = loss_of(spec, parameters, X[rows], Y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / ROWS)
    return flat(parameters), losses


def relative_difference(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
class TestParity:
    def test_one_loss_and_its_gradient(self, activation, loss):
        spec, theta, X, Y = case(activation, loss)
        gradient = np.empty_like(theta)
        found = loss_and_gradient(spec.architecture, theta, X, Y, gradient)
        parameters = tensors(spec, theta)
        expected = loss_of(spec, parameters, X, Y)
        expected.backward()
        assert found == pytest.approx(expected.item(), rel=1e-12)
        assert relative_difference(gradient, flat(part.grad for part in parameters)) < 1e-12

    @pytest.mark.parametrize(
        "recipe",
        [Recipe(0.1, 0.9, ROWS, 20), Recipe(0.1, 0.9, 9, 4), Recipe(0.1, 0.0, 9, 4)],
        ids=["full batch", "small batches", "small batches without momentum"],
    )
    def test_parameters_and_losses_after_twenty_steps(self, activation, loss, recipe):
        spec, theta, X, Y = case(activation, loss)
        expected, losses = trained(spec, theta, X, Y, recipe)
        run = train(spec, theta, Batches(X, Y, X, Y), recipe, KEY)
        assert relative_difference(run.theta, expected) < 1e-10
        np.testing.assert_allclose(run.history[:, 0], losses, rtol=1e-10)
