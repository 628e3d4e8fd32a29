"""What gradients cost: products counted in the passes, a gradient by differences, the memory of a batch, and theory."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.kernels.cpu_only.cost import difference_gradient, kept_bytes, repeat_passes
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes import operation_count
from nnsim.probes.operation_count import ProductCount, count_products
from nnsim.theory.training.cost import backward_over_forward, difference_passes, forward_products, gradient_over_forward

WIDTHS = [(3, 2), (4, 5, 3), (128, 256, 128, 64, 1), (7, 1, 1, 9)]


def by_loops(widths: tuple[int, ...], batch: int) -> ProductCount:
    """One multiply-add at a time, as backpropagation is written down."""
    forward = backward = biases = 0
    for layer in range(1, len(widths)):
        for _ in range(batch):
            for _ in range(widths[layer]):
                forward += widths[layer - 1]
                backward += widths[layer - 1] * (1 if layer == 1 else 2)
                biases += 1
    return ProductCount(forward, backward, biases)


class TestCount:
    @pytest.mark.parametrize("widths", WIDTHS)
    @pytest.mark.parametrize("batch", [1, 6])
    def test_by_loops(self, widths: tuple[int, ...], batch: int) -> None:
        assert count_products(NetworkSpec(widths, loss="mse"), batch) == by_loops(widths, batch)

    @pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
    @pytest.mark.parametrize("norm_after", [False, True])
    def test_norms_and_dropout_cost_no_product(self, normalization: str, norm_after: bool) -> None:
        plain = NetworkSpec((3, 4, 4, 2))
        stack = NetworkSpec((3, 4, 4, 2), normalization=normalization, norm_after=norm_after, dropout=0.3)
        assert count_products(stack, 5) == count_products(plain, 5)

    def test_skip_connections_cost_no_product(self) -> None:
        plain, residual = NetworkSpec((3, 4, 4, 2)), NetworkSpec((3, 4, 4, 2), residual=True)
        assert count_products(residual, 5) == count_products(plain, 5)

    def test_a_pass_that_leaves_out_a_product_is_seen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def without_errors(net, theta, X, work, gradient, layer):  # as _backward_layer, but for the errors
            weight_gradient(theta[0], 0, 0, 0, 0, X.shape[0], net.widths[layer], net.widths[layer + 1])  # noqa: F821

        without_errors.py_func = without_errors
        monkeypatch.setattr(operation_count.passes, "_backward_layer", without_errors)
        found = count_products(NetworkSpec((4, 5, 3)), 2)
        assert found.backward == found.forward


class TestTheory:
    @pytest.mark.parametrize("widths", WIDTHS)
    def test_ratios_are_those_of_the_loops(self, widths: tuple[int, ...]) -> None:
        found = by_loops(widths, 3)
        assert forward_products(widths) * 3 == found.forward
        assert backward_over_forward(widths) == found.backward / found.forward
        assert gradient_over_forward(widths) == (found.forward + found.backward) / found.forward

    def test_passes_of_differences(self) -> None:
        assert (difference_passes(10), difference_passes(10, central=True)) == (11, 20)

    @pytest.mark.parametrize("widths", [(3,), (3, 0)])
    def test_no_network(self, widths: tuple[int, ...]) -> None:
        with pytest.raises(UsageError, match="at least two widths of at least 1"):
            forward_products(widths)


@pytest.fixture(scope="module")
def case() -> tuple:
    spec = NetworkSpec((3, 4, 2), "tanh", loss="mse", dtype="float64")
    rng = np.random.default_rng(2)
    theta, X, Y = initialize(spec, "lecun_normal", 1), rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    gradient = np.empty_like(theta)
    loss = loss_and_gradient(spec.architecture, theta, X, Y, gradient, np.uint64(0), 0)
    return spec.architecture, theta, X, Y, loss, gradient


class TestKernels:
    def test_repeated_passes_are_one_pass(self, case: tuple) -> None:
        net, theta, X, Y, loss, expected = case
        gradient = np.empty_like(theta)
        assert repeat_passes(net, theta, X, Y, gradient, 3, True) == loss
        assert np.array_equal(gradient, expected)

    def test_a_forward_pass_writes_no_gradient(self, case: tuple) -> None:
        net, theta, X, Y, loss, _ = case
        gradient = np.full_like(theta, 7.0)
        assert repeat_passes(net, theta, X, Y, gradient, 2, False) == loss
        assert (gradient == 7).all()

    @pytest.mark.parametrize(("central", "error"), [(False, 1e-5), (True, 1e-8)])
    def test_differences(self, case: tuple, central: bool, error: float) -> None:
        net, theta, X, Y, _, expected = case
        gradient, moved = np.empty_like(theta), theta.copy()
        passes = difference_gradient(net, moved, X, Y, 1e-6, central, gradient)
        assert passes == difference_passes(theta.size, central)
        assert gradient == pytest.approx(expected, abs=error)
        assert np.array_equal(moved, theta)

    def test_kept_bytes(self, case: tuple) -> None:
        net, theta, *_ = case
        assert kept_bytes(net, theta, 7) == 3 * 7 * (4 + 2) * 8
