"""The kernels beside the core's ceiling: ``ceiling_share`` is the part of the multiply-adds that it could do."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.benchmarks.ceiling import multiply_adds
from nnsim.kernels.cpu.draws import fill_normal, fill_permutation, fill_uniform
from nnsim.kernels.cpu.gemm import matrix_product
from nnsim.kernels.cpu.training import logits, loss_and_gradient
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec

KEY = np.uint64(7)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def report(benchmark, operations: float, dtype: type) -> None:
    if benchmark.stats is None:  # timing is switched off
        return
    rate = operations / benchmark.stats.stats.median
    benchmark.extra_info |= {
        "gflops": round(rate / 1e9, 1),
        "ceiling_share": round(rate / (2 * multiply_adds(dtype)), 3),
    }


def numbers(shape, dtype) -> np.ndarray:
    out = np.empty(int(np.prod(shape)), dtype)
    fill_normal(out, KEY, 1, 0)
    return out.reshape(shape)


@DTYPES
@pytest.mark.parametrize("transposed", ["", "A", "B"], ids=["AB", "AtB", "ABt"])
@pytest.mark.parametrize(
    "size", [(32, 32, 64), (64, 128, 128), (128, 1024, 784)], ids=lambda size: "x".join(map(str, size))
)
def test_gemm(benchmark, size, transposed, dtype):
    m, n, k = size
    A = numbers((k, m) if transposed == "A" else (m, k), dtype)
    B = numbers((n, k) if transposed == "B" else (k, n), dtype)
    C = np.empty((m, n), dtype)
    matrix_product(A, B, C, transposed == "A", transposed == "B")
    benchmark.group = "gemm"
    benchmark(matrix_product, A, B, C, transposed == "A", transposed == "B")
    report(benchmark, 2 * m * n * k, dtype)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_value_and_slope(benchmark, activation):
    z = numbers((65536,), np.float32)
    evaluate(activation, z)
    benchmark.group = "activations, 65536 numbers"
    benchmark(evaluate, activation, z)


@DTYPES
@pytest.mark.parametrize("fill", [fill_uniform, fill_normal], ids=["uniform", "normal"])
def test_draws(benchmark, fill, dtype):
    out = np.empty(65536, dtype)
    fill(out, KEY, 1, 0)
    benchmark.group = "draws, 65536 numbers"
    benchmark(fill, out, KEY, 1, 0)


def test_permutation(benchmark):
    out = np.empty(65536, np.int64)
    fill_permutation(out, KEY, 1, 0)
    benchmark.group = "draws, 65536 numbers"
    benchmark(fill_permutation, out, KEY, 1, 0)


@DTYPES
@pytest.mark.parametrize("passes", ["forward", "forward and backward"])
def test_network(benchmark, passes, dtype):
    spec = NetworkSpec((64, 128, 128, 10), dtype=np.dtype(dtype).name)
    theta, X, Y = initialize(spec, "he_normal", 3), numbers((64, 64), dtype), np.zeros((64, 1), dtype)
    gradient, net = np.empty_like(theta), spec.architecture
    products = [fan_in * fan_out for fan_in, fan_out in spec.fans]
    benchmark.group = "network 64-128-128-10, 64 rows"
    if passes == "forward":
        arguments = net, theta, spec.initial_statistics(), X, 64
        logits(*arguments)
        benchmark(logits, *arguments)
        report(benchmark, 2 * 64 * sum(products), dtype)
    else:
        arguments = net, theta, X, Y, gradient, KEY, 0
        loss_and_gradient(*arguments)
        benchmark(loss_and_gradient, *arguments)
        report(benchmark, 2 * 64 * (3 * sum(products) - products[0]), dtype)
