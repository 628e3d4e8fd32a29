"""The workloads in JAX and optax: all steps in one jitted `lax.scan`, for one network or, by `vmap`, for all."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnsim.benchmarks.workloads import Runner, Workload

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}
PLATFORMS = {"cpu": "cpu", "cuda": "gpu"}


def missing(device: str) -> str:
    """Return why JAX cannot compute on "cpu" or "cuda", or nothing."""
    try:
        jax.devices(PLATFORMS[device])
    except RuntimeError:
        return "this JAX sees no GPU"
    return ""


def scan(workload: Workload, device: str) -> Runner:
    """Return what trains one network."""
    return _runner(workload, device, jax.jit(_training(workload)), lambda stacked: stacked[0])


def vmap(workload: Workload, device: str) -> Runner:
    """Return what trains all networks at once."""
    return _runner(
        workload, device, jax.jit(jax.vmap(_training(workload), (0, 0, 0, None, None))), lambda stacked: stacked
    )


def _runner(workload: Workload, device: str, trained: Any, select: Any) -> Runner:
    """Return what calls `trained` on `device` with what `select` takes of the arrays stacked over the networks."""
    data = workload.data
    y = data.Y if workload.spec.loss == "bce" else data.Y[:, 0].astype(np.int32)
    keys = jax.random.split(jax.random.key(workload.root), workload.networks)
    stacked = _start(workload), workload.orders().astype(np.int32), keys
    with jax.default_matmul_precision("highest"), _precision(workload):
        arguments = jax.device_put((*jax.tree.map(select, stacked), data.X, y), jax.devices(PLATFORMS[device])[0])
        compiled = trained.lower(*arguments).compile()

    def run() -> np.ndarray:
        with _precision(workload):
            _, losses = jax.block_until_ready(compiled(*arguments))
            return np.asarray(losses).reshape(workload.networks, workload.steps)

    return run


def _precision(workload: Workload) -> Any:
    """Return a context in which JAX computes with the workload's precision."""
    return jax.enable_x64(workload.spec.dtype == "float64")


def _start(workload: Workload) -> list[tuple[np.ndarray, ...]]:
    """Return (W, b, gamma, beta) of every layer, stacked over the networks; only hidden layers use the last two."""
    networks = [workload.spec.layers(theta) for theta in workload.thetas]
    layers = [tuple(map(np.stack, zip(*layer, strict=True))) for layer in zip(*networks, strict=True)]
    return [(W, b, np.ones_like(b), np.zeros_like(b)) for W, b in layers]


def _optimizer(workload: Workload) -> Any:
    recipe, steps = workload.recipe, workload.recipe.steps(workload.rows)
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        cosine = optax.cosine_decay_schedule(recipe.learning_rate, recipe.epochs)
        rate = lambda step: cosine(step // steps)  # noqa: E731
    if recipe.optimizer == "adamw":
        update = optax.adamw(rate, weight_decay=recipe.weight_decay)
    else:
        update = optax.sgd(rate)
    return optax.chain(optax.clip_by_global_norm(recipe.clip_norm), update) if recipe.clip_norm else update


def _normalized(z: Any, gamma: Any, beta: Any, running: Any) -> tuple[Any, Any]:
    mean, variance = z.mean(axis=0), z.var(axis=0)
    unbiased = variance * (len(z) / (len(z) - 1))
    running = (0.9 * running[0] + 0.1 * mean, 0.9 * running[1] + 0.1 * unbiased)
    return gamma * (z - mean) * jax.lax.rsqrt(variance + 1e-5) + beta, running


def _loss(workload: Workload) -> Any:
    """Return the function of a batch's loss; it also gives the running statistics after it."""
    spec, activation = workload.spec, ACTIVATIONS[workload.spec.activation]

    def hidden(a, layer, running, key):
        W, b, gamma, beta = layer
        z = a @ W + b
        if spec.normalization == "batch":
            z, running = _normalized(z, gamma, beta, running)
        a = activation(z)
        if spec.dropout:
            a = jnp.where(jax.random.bernoulli(key, 1 - spec.dropout, a.shape), a / (1 - spec.dropout), 0)
        return a, running

    def loss_of(parameters, statistics, x, y, key):
        a, news = x, []
        for layer, running, its_own in zip(parameters, statistics, jax.random.split(key, spec.depth), strict=False):
            a, running = hidden(a, layer, running, its_own)
            news.append(running)
        W, b, _, _ = parameters[-1]
        z = a @ W + b
        if spec.loss == "bce":
            return optax.sigmoid_binary_cross_entropy(z, y).mean(), news
        return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(y)), y]), news

    return loss_of


def _training(workload: Workload) -> Any:
    """Return the function that trains a network and gives all that training changes, and the loss of every step."""
    optimizer, loss_and_gradient = _optimizer(workload), jax.value_and_grad(_loss(workload), has_aux=True)

    def train(parameters, order, key, X, y):
        def step(state, rows):
            parameters, statistics, moments, key = state
            key, its_own = jax.random.split(key)
            (loss, statistics), gradient = loss_and_gradient(parameters, statistics, X[rows], y[rows], its_own)
            updates, moments = optimizer.update(gradient, moments, parameters)
            return (optax.apply_updates(parameters, updates), statistics, moments, key), loss

        statistics = [(jnp.zeros_like(b), jnp.ones_like(b)) for _, b, _, _ in parameters[:-1]]
        return jax.lax.scan(step, (parameters, statistics, optimizer.init(parameters), key), order)

    return train
