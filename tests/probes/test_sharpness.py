"""Sharpness against dense Hessians, and Lanczos's method against matrices whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.sharpness import hessian_product, largest_eigenvalue, sharpness

RNG = np.random.default_rng(3)
X = RNG.standard_normal((12, 3))


def targets(loss: str) -> np.ndarray:
    return RNG.integers(0, 2, (12, 1)).astype(float) if loss == "cross_entropy" else RNG.standard_normal((12, 2))


def dense_hessian(spec: NetworkSpec, theta: np.ndarray, Y: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Return the Hessian column by column, by extrapolated differences of the gradient along the axes."""

    def gradient(at: np.ndarray) -> np.ndarray:
        out = np.empty_like(at)
        loss_and_gradient(spec.architecture, at, X, Y, out, np.uint64(0), 0)
        return out

    def column(axis: np.ndarray) -> np.ndarray:
        coarse, fine = ((gradient(theta + h * axis) - gradient(theta - h * axis)) / (2 * h) for h in (step, step / 2))
        return (4 * fine - coarse) / 3

    return np.array([column(axis) for axis in np.eye(theta.size)])


NETWORKS = {
    "tanh, mse": NetworkSpec((3, 4, 2), "tanh", loss="mse", dtype="float64"),
    "gelu, cross-entropy": NetworkSpec((3, 5, 2), "gelu", loss="cross_entropy", dtype="float64"),
    "two layers, layer norm": NetworkSpec((3, 4, 4, 2), "sigmoid", loss="mse", dtype="float64", normalization="layer"),
    "linear": NetworkSpec((3, 2), loss="mse", dtype="float64"),
}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[NetworkSpec, np.ndarray, np.ndarray, np.ndarray]:
    spec = request.param
    theta = initialize(spec, "xavier_normal", 5) + 0.1 * RNG.standard_normal(spec.n_parameters)
    Y = targets(spec.loss)
    return spec, theta, Y, dense_hessian(spec, theta, Y)


class TestAgainstTheDenseHessian:
    def test_product(self, case) -> None:
        spec, theta, Y, H = case
        v = RNG.standard_normal(theta.size)
        expected = H @ v
        error = np.abs(hessian_product(spec, theta, X, Y)(v) - expected).max()
        assert error < 1e-7 * np.abs(expected).max()

    def test_largest_eigenvalue_and_its_vector(self, case) -> None:
        spec, theta, Y, H = case
        top = sharpness(spec, theta, X, Y, np.ones_like(theta), 1e-8)
        values = np.linalg.eigvalsh(H)
        assert top.value == pytest.approx(values[-1], rel=1e-6)
        assert np.linalg.norm(H @ top.direction - top.value * top.direction) < 1e-5 * values[-1]

    def test_product_is_linear_in_the_length(self, case) -> None:
        spec, theta, Y, _ = case
        product = hessian_product(spec, theta, X, Y)
        v = np.ones_like(theta)
        assert product(0.5 * v) == pytest.approx(0.5 * product(v), rel=1e-6, abs=1e-8)


def test_linear_regression_has_the_hessian_of_its_inputs() -> None:
    spec = NETWORKS["linear"]
    theta, Y = np.zeros(spec.n_parameters), targets("mse")
    inputs = np.column_stack([X, np.ones(12)])
    expected = np.linalg.eigvalsh(2 / (12 * 2) * inputs.T @ inputs)[-1]  # the mean is over rows and outputs
    assert sharpness(spec, theta, X, Y, np.arange(1.0, theta.size + 1)).value == pytest.approx(expected, rel=1e-6)


MATRICES = {
    "positive": np.linspace(0.1, 9, 30),
    "largest in size is negative": np.array([-100.0, *np.linspace(-1, 3, 20)]),
    "all negative": -np.linspace(1, 5, 10),
    "multiple": np.array([1.0, 1, 1, 4, 4]),
    "one number": np.array([2.0]),
}


class TestLanczos:
    @pytest.mark.parametrize("values", MATRICES.values(), ids=MATRICES)
    def test_finds_the_largest(self, values: np.ndarray) -> None:
        Q, _ = np.linalg.qr(RNG.standard_normal((values.size, values.size)))
        A = Q * values @ Q.T
        top = largest_eigenvalue(lambda v: A @ v, RNG.standard_normal(values.size), 1e-8)
        assert top.value == pytest.approx(values.max(), rel=1e-8)
        assert np.abs(A @ top.direction - top.value * top.direction).max() < 1e-6 * np.abs(values).max()

    def test_a_start_at_the_eigenvector_needs_one_product(self) -> None:
        A = np.diag(np.arange(1.0, 9))
        assert largest_eigenvalue(lambda v: A @ v, np.eye(8)[7]).products == 1

    def test_too_few_products_say_how_far_off_they_are(self) -> None:
        values = np.linspace(0, 1, 200)
        top = largest_eigenvalue(lambda v: values * v, RNG.standard_normal(200), 1e-12, 5)
        assert top.products == 5
        assert 0 < 1 - top.value < top.error

    def test_the_zero_matrix(self) -> None:
        assert largest_eigenvalue(np.zeros_like, np.ones(4)).value == 0

    @pytest.mark.parametrize("start", [np.zeros(3), np.full(3, np.nan)], ids=["zero", "nan"])
    def test_no_start(self, start: np.ndarray) -> None:
        with pytest.raises(UsageError, match="positive length"):
            largest_eigenvalue(lambda v: v, start)


class TestRefused:
    @pytest.mark.parametrize(
        ("spec", "sentence"),
        [
            (NetworkSpec((3, 4, 2), loss="mse"), "float64"),
            (NetworkSpec((3, 4, 2), loss="mse", dtype="float64", dropout=0.5), "dropout must be 0"),
            (NetworkSpec((3, 4, 2), "step", loss="mse", dtype="float64"), "passes no gradient"),
        ],
        ids=["float32", "dropout", "step"],
    )
    def test_networks_without_a_hessian(self, spec: NetworkSpec, sentence: str) -> None:
        with pytest.raises(UsageError, match=sentence):
            hessian_product(spec, np.zeros(spec.n_parameters), X, targets("mse"))

    def test_parameters_that_diverged_have_none(self) -> None:
        spec = NETWORKS["tanh, mse"]
        theta = np.full(spec.n_parameters, np.inf)
        assert np.isnan(sharpness(spec, theta, X, targets("mse"), np.ones_like(theta)).value)


def test_kinks_do_not_count() -> None:
    """One unit is so near its kink, on one row, that a long step reaches over it."""
    spec = NetworkSpec((3, 10, 10, 2), "relu", loss="mse", dtype="float64")
    theta = initialize(spec, "he_normal", 1)
    W, b = spec.layers(theta)[0]
    b[0] = 1e-9 - X[0] @ W[:, 0]
    v = RNG.standard_normal(theta.size)
    Y = targets("mse")
    found, expected = hessian_product(spec, theta, X, Y)(v), relu_hessian_product(spec, theta, X, Y, v)
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


def relu_hessian_product(spec: NetworkSpec, theta, X, Y, v):
    """Return H v by differentiating the backward pass forward, with the second derivative of ReLU taken for 0."""
    weights, turns = spec.layers(theta), spec.layers(v)
    A, RA, slopes = [X], [np.zeros_like(X)], []
    for (W, b), (V, c) in zip(weights, turns, strict=True):
        Z, RZ = A[-1] @ W + b, RA[-1] @ W + A[-1] @ V + c
        slopes.append((Z > 0).astype(float) if len(slopes) < spec.depth else np.ones_like(Z))
        A.append(Z * slopes[-1])
        RA.append(RZ * slopes[-1])
    delta, turned = 2 * (A[-1] - Y) / Y.size, 2 * RA[-1] / Y.size
    out = np.empty_like(v)
    for layer in reversed(range(len(weights))):
        (W, _), (V, _), (G, g) = weights[layer], turns[layer], spec.layers(out)[layer]
        G[:], g[:] = RA[layer].T @ delta + A[layer].T @ turned, turned.sum(axis=0)
        if layer:
            turned = (turned @ W.T + delta @ V.T) * slopes[layer - 1]
            delta = delta @ W.T * slopes[layer - 1]
    return out
