"""The same training in PyTorch and JAX: same initial weights, same batches, same update, one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]
Runner = Callable[[], np.ndarray]  # trains from the start and returns the loss of every step
StackRunner = Callable[[np.ndarray, int], np.ndarray]  # likewise, from the rows (epochs, steps, batch) and a seed


class Stack(NamedTuple):
    """Two classes, y of shape (rows, 1), for BatchNorm, ReLU, dropout, AdamW, clipping and a cosine over the epochs."""

    layers: Layers
    X: np.ndarray
    y: np.ndarray
    epochs: int
    steps: int
    dropout: float
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    clip_norm: float = 1.0


def torch_eager(layers: Layers, X: np.ndarray, y: np.ndarray, order: np.ndarray, learning_rate: float) -> Runner:
    """Return a function that trains an eager PyTorch module, as a user would write it."""
    import torch

    torch.set_num_threads(1)
    modules: list[torch.nn.Module] = []
    for W, _ in layers:
        modules += [torch.nn.Linear(*W.shape), torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules[:-1])
    linears = [module for module in model if isinstance(module, torch.nn.Linear)]
    inputs, labels = torch.tensor(X), torch.tensor(y)
    loss_function = torch.nn.CrossEntropyLoss()

    def run() -> np.ndarray:
        with torch.no_grad():
            for linear, (W, b) in zip(linears, layers, strict=True):
                linear.weight.copy_(torch.tensor(W.T))
                linear.bias.copy_(torch.tensor(b))
        optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
        losses = []
        for rows in torch.tensor(order):
            optimizer.zero_grad()
            loss = loss_function(model(inputs[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).numpy()

    return run


def jax_scan(layers: Layers, X: np.ndarray, y: np.ndarray, order: np.ndarray, learning_rate: float) -> Runner:
    """Return a function that trains in one jitted `lax.scan` over all steps."""
    import jax
    import jax.numpy as jnp

    inputs, labels, batches = jnp.asarray(X), jnp.asarray(y), jnp.asarray(order)
    start = [(jnp.asarray(W), jnp.asarray(b)) for W, b in layers]

    def loss_of(parameters, rows):
        a = inputs[rows]
        for W, b in parameters[:-1]:
            a = jax.nn.relu(a @ W + b)
        logits = a @ parameters[-1][0] + parameters[-1][1]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(rows.shape[0]), labels[rows]])

    def step(parameters, rows):
        loss, gradient = jax.value_and_grad(loss_of)(parameters, rows)
        return jax.tree.map(lambda p, g: p - learning_rate * g, parameters, gradient), loss

    trained = jax.jit(lambda parameters: jax.lax.scan(step, parameters, batches))
    return lambda: np.asarray(jax.block_until_ready(trained(start))[1])


def torch_stack(stack: Stack) -> StackRunner:
    """Return a function that trains an eager PyTorch module with the whole stack, as a user would write it."""
    import torch

    torch.set_num_threads(1)
    modules: list[torch.nn.Module] = []
    for W, b in stack.layers:
        linear = torch.nn.Linear(*W.shape)
        linear.load_state_dict({"weight": torch.tensor(W.T), "bias": torch.tensor(b)})
        modules += [linear, torch.nn.BatchNorm1d(b.size), torch.nn.ReLU(), torch.nn.Dropout(stack.dropout)]
    model = torch.nn.Sequential(*modules[:-3])
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inputs, labels = torch.tensor(stack.X), torch.tensor(stack.y)
    loss_function = torch.nn.BCEWithLogitsLoss()

    def run(order: np.ndarray, seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        model.load_state_dict(start)
        optimizer = torch.optim.AdamW(model.parameters(), stack.learning_rate, weight_decay=stack.weight_decay)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=stack.epochs)
        losses = []
        for epoch in torch.tensor(order):
            for rows in epoch:
                optimizer.zero_grad()
                loss = loss_function(model(inputs[rows]), labels[rows])
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), stack.clip_norm)
                optimizer.step()
                losses.append(loss.detach())
            scheduler.step()
        return torch.stack(losses).numpy()

    return run


def jax_stack(stack: Stack) -> StackRunner:
    """Return a function that trains with optax, an epoch in one jitted `lax.scan` whose state is donated."""
    import jax
    import jax.numpy as jnp
    import optax

    inputs, labels = jnp.asarray(stack.X), jnp.asarray(stack.y)
    rate = optax.cosine_decay_schedule(stack.learning_rate, stack.epochs)
    optimizer = optax.chain(
        optax.clip_by_global_norm(stack.clip_norm),
        optax.adamw(lambda step: rate(step // stack.steps), weight_decay=stack.weight_decay),
    )

    def normalized(z, gamma, beta, running):
        mean, variance = z.mean(axis=0), z.var(axis=0)
        unbiased = variance * (len(z) / (len(z) - 1))
        running = (0.9 * running[0] + 0.1 * mean, 0.9 * running[1] + 0.1 * unbiased)
        return gamma * (z - mean) * jax.lax.rsqrt(variance + 1e-5) + beta, running

    def loss_of(parameters, statistics, rows, key):
        a, new_statistics = inputs[rows], []
        for (W, b, gamma, beta), running in zip(parameters[:-1], statistics, strict=True):
            z, running = normalized(a @ W + b, gamma, beta, running)
            new_statistics.append(running)
            a = jax.nn.relu(z)
            if stack.dropout:
                key, its_own = jax.random.split(key)
                a = jnp.where(jax.random.bernoulli(its_own, 1 - stack.dropout, a.shape), a / (1 - stack.dropout), 0)
        W, b = parameters[-1]
        return optax.sigmoid_binary_cross_entropy(a @ W + b, labels[rows]).mean(), new_statistics

    def step(state, rows):
        parameters, statistics, moments, key = state
        key, its_own = jax.random.split(key)
        loss_and_gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, statistics), gradient = loss_and_gradient(parameters, statistics, rows, its_own)
        updates, moments = optimizer.update(gradient, moments, parameters)
        return (optax.apply_updates(parameters, updates), statistics, moments, key), loss

    epoch = jax.jit(lambda state, batches: jax.lax.scan(step, state, batches), donate_argnums=0)

    def start(seed):
        hidden = [(W, b, np.ones_like(b), np.zeros_like(b)) for W, b in stack.layers[:-1]]
        parameters = jax.tree.map(jnp.array, [*hidden, stack.layers[-1]])
        statistics = [(jnp.zeros(b.size), jnp.ones(b.size)) for _, b in stack.layers[:-1]]
        return parameters, statistics, optimizer.init(parameters), jax.random.key(seed)

    def run(order: np.ndarray, seed: int) -> np.ndarray:
        state, losses = start(seed), []
        for batches in jnp.asarray(order):
            state, loss = epoch(state, batches)
            losses.append(loss)
        jax.block_until_ready(state)
        return np.concatenate(losses)

    return run
