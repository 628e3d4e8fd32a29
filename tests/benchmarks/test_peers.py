"""Whole trainings beside PyTorch and JAX: the same weights, batches and losses; then the time of a step."""

from __future__ import annotations

from importlib.util import find_spec

import ceiling
import numpy as np
import peers
import pytest

from nnsim.initializers import initialize
from nnsim.kernels.cpu.draws import fill_normal, fill_permutation
from nnsim.kernels.philox import SHUFFLE
from nnsim.network import NetworkSpec
from nnsim.recipe import Recipe
from nnsim.training import Batches, train

WORKLOADS = {
    "W1": ((64, 32, 32, 10), 32, 8),
    "W2": ((64, 128, 128, 10), 64, 4),
    "W3": ((64, *[64] * 29, 10), 64, 1),
}
ROWS, LEARNING_RATE, KEY = 1792, 0.05, np.uint64(11)
FRAMEWORKS = {"torch": peers.torch_eager, "jax": peers.jax_scan}


class Workload:
    """Data, initial weights and the order of the batches."""

    def __init__(self, name: str) -> None:
        widths, self.batch, self.epochs = WORKLOADS[name]
        self.spec = NetworkSpec(widths)
        self.recipe = Recipe(LEARNING_RATE, batch_size=self.batch, epochs=self.epochs, optimizer="sgd")
        self.theta = initialize(self.spec, "he_normal", 3)
        self.X = np.empty(ROWS * widths[0], np.float32)
        fill_normal(self.X, KEY, 1, 0)
        self.X = self.X.reshape(ROWS, widths[0])
        self.y = np.abs(self.X[:, :10]).argmax(axis=1)
        self.steps = self.epochs * ROWS // self.batch

    def order(self) -> np.ndarray:
        rows = np.empty((self.epochs, ROWS), np.int64)
        for epoch in range(self.epochs):
            fill_permutation(rows[epoch], KEY, SHUFFLE, epoch)
        return rows.reshape(self.steps, self.batch)

    def run(self) -> np.ndarray:
        """Train with nnsim and return the mean loss of each epoch's steps."""
        Y = self.y[:, None].astype(np.float32)
        data = Batches(self.X, Y, self.X[:1], Y[:1])
        return train(self.spec, self.theta, data, self.recipe, KEY).history[:, 0]

    def peer(self, framework: str) -> peers.Runner:
        layers = [(W.copy(), b.copy()) for W, b in self.spec.layers(self.theta)]
        return FRAMEWORKS[framework](layers, self.X, self.y, self.order(), LEARNING_RATE)

    @property
    def operations(self) -> int:
        products = [fan_in * fan_out for fan_in, fan_out in self.spec.fans]
        return 2 * self.batch * (3 * sum(products) - products[0])


def timed(benchmark, name: str, steps: int, run) -> None:
    benchmark.group = f"{name}, {steps} steps"
    run()
    benchmark.pedantic(run, rounds=15, warmup_rounds=2)
    if benchmark.stats is not None:
        benchmark.extra_info["microseconds_a_step"] = round(benchmark.stats.stats.median / steps * 1e6, 2)


@pytest.mark.parametrize("name", WORKLOADS)
def test_nnsim(benchmark, name):
    workload = Workload(name)
    timed(benchmark, name, workload.steps, workload.run)
    if benchmark.stats is not None:
        rate = workload.operations * workload.steps / benchmark.stats.stats.median
        share = rate / ceiling.flops(np.float32)
        benchmark.extra_info |= {"gflops": round(rate / 1e9, 1), "ceiling_share": round(share, 3)}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", WORKLOADS)
def test_peer(benchmark, name, framework):
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed: pip install 'nnsim[bench]'")
    workload = Workload(name)
    run = workload.peer(framework)
    ours, theirs = workload.run(), run().reshape(workload.epochs, -1).mean(axis=1)
    np.testing.assert_allclose(theirs, ours, rtol=1e-4)
    timed(benchmark, name, workload.steps, run)


# --- W5: BatchNorm, ReLU, dropout, AdamW, clipping, cosine ----------------------------------------------------------

STACK, EPOCHS, DROPOUT = "W5", 4, 0.3
STACK_PEERS = {"torch": peers.torch_stack, "jax": peers.jax_stack}


class StackWorkload:
    """The whole training stack on two classes that a line divides, but for one row in ten."""

    def __init__(self, dropout: float) -> None:
        widths = (128, 256, 128, 64, 1)
        self.spec = NetworkSpec(widths, loss="bce", normalization="batch", dropout=dropout)
        self.recipe = Recipe(
            1e-3,
            batch_size=64,
            epochs=EPOCHS,
            optimizer="adamw",
            weight_decay=1e-4,
            schedule="cosine",
            clip_norm=1.0,
        )
        self.theta = initialize(self.spec, "he_normal", 3)
        X = np.empty(ROWS * widths[0], np.float32)
        fill_normal(X, KEY, 1, 0)
        self.X = X.reshape(ROWS, widths[0])
        wrong = np.arange(ROWS) % 10 == 0
        self.Y = ((self.X[:, :16].sum(axis=1) > 0) ^ wrong)[:, None].astype(np.float32)
        self.steps = EPOCHS * ROWS // self.recipe.batch_size

    def run(self, key: int) -> np.ndarray:
        """Train with nnsim and return the mean loss of each epoch's steps."""
        data = Batches(self.X, self.Y, self.X[:0], self.Y[:0])
        return train(self.spec, self.theta, data, self.recipe, key).history[:, 0]

    def order(self, key: int) -> np.ndarray:
        rows = np.empty((EPOCHS, ROWS), np.int64)
        for epoch in range(EPOCHS):
            fill_permutation(rows[epoch], np.uint64(key), SHUFFLE, epoch)
        return rows.reshape(EPOCHS, -1, self.recipe.batch_size)

    def peer(self, framework: str) -> peers.StackRunner:
        layers = [(W.copy(), b.copy()) for W, b in self.spec.layers(self.theta)]
        steps = self.steps // EPOCHS
        return STACK_PEERS[framework](peers.Stack(layers, self.X, self.Y, EPOCHS, steps, self.spec.dropout))

    def difference(self, run: peers.StackRunner, key: int) -> np.ndarray:
        """Return by how much a peer's mean losses of the epochs are above nnsim's."""
        return run(self.order(key), key).reshape(EPOCHS, -1).mean(axis=1) - self.run(key)


def test_nnsim_stack(benchmark):
    workload = StackWorkload(DROPOUT)
    timed(benchmark, STACK, workload.steps, lambda: workload.run(1))


@pytest.mark.parametrize("framework", STACK_PEERS)
def test_peer_stack(benchmark, framework):
    """Without dropout the losses are the same; with it, where masks differ, their means are."""
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed: pip install 'nnsim[bench]'")
    plain = StackWorkload(0.0)
    difference = plain.difference(plain.peer(framework), 1)
    assert (np.abs(difference) < 1e-4 * plain.run(1)).all()
    workload = StackWorkload(DROPOUT)
    run = workload.peer(framework)
    differences = [workload.difference(run, key) for key in range(8)]
    error = np.std(differences, axis=0, ddof=1) / np.sqrt(len(differences))
    assert (np.abs(np.mean(differences, axis=0)) < 5 * error).all()
    order = workload.order(1)
    timed(benchmark, STACK, workload.steps, lambda: run(order, 1))
