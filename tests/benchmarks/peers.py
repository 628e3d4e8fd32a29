"""The same training in PyTorch and JAX: same initial weights, same batches, same update, one thread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]
Runner = Callable[[], np.ndarray]  # trains from the start and returns the loss of every step


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
