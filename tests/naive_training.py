"""Whole networks and whole runs once more, as loops over Python numbers: imports nothing from nnsim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import naive_norms as norms
from naive import Matrix, add_row, matmul, permutation, transposed
from naive_losses import Loss
from naive_optimizers import Optimizer, clipped_by_norm, clipped_by_value

SHUFFLE = 2  # purpose of the stream of permutations


class Network(NamedTuple):
    """A network: its activation f and f', its loss as a function of logits and targets."""

    widths: tuple[int, ...]
    f: Callable[[float], float]
    df: Callable[[float], float]
    loss: Callable[[Matrix, Matrix], Loss]
    normalization: str = "none"
    after: bool = False
    epsilon: float = 1e-5
    momentum: float = 0.1
    dropout: float = 0.0
    residual: bool = False

    def normalized(self, layer: int) -> bool:
        return self.normalization != "none" and layer < len(self.widths) - 2

    def skips(self, layer: int) -> bool:
        """Whether the hidden layer's input is added to its output; the first one's input is no hidden layer."""
        hidden = 0 < layer < len(self.widths) - 2
        return self.residual and hidden and self.widths[layer] == self.widths[layer + 1]


class Tensors(NamedTuple):
    """A layer's parameters, or their gradients; gamma and beta are empty where nothing is normalised."""

    W: Matrix
    b: list[float]
    gamma: list[float]
    beta: list[float]


def unflatten(theta: Sequence[float], network: Network) -> list[Tensors]:
    """Layers of the vector W_0, b_0, gamma_0, beta_0, W_1, ..., each W row by row."""
    numbers = iter(theta)

    def take(n: int) -> list[float]:
        return [next(numbers) for _ in range(n)]

    layers = []
    for layer, fan_in in enumerate(network.widths[:-1]):
        fan_out = network.widths[layer + 1]
        of_norm = fan_out if network.normalized(layer) else 0
        layers.append(Tensors([take(fan_out) for _ in range(fan_in)], take(fan_out), take(of_norm), take(of_norm)))
    assert next(numbers, None) is None
    return layers


def flatten(layers: Sequence[Tensors]) -> list[float]:
    return [x for layer in layers for row in [*layer.W, layer.b, layer.gamma, layer.beta] for x in row]


Statistics = list[tuple[list[float], list[float]]]


def no_statistics(network: Network) -> Statistics:
    """Running means of 0 and variances of 1 for every layer that batch normalisation has."""
    hidden = network.widths[1:-1] if network.normalization == "batch" else ()
    return [([0.0] * width, [1.0] * width) for width in hidden]


# --- forward and backward ------------------------------------------------------------------------------------------


class Trace(NamedTuple):
    """What a hidden layer saw: input, H W + b, what f is applied to, f of it, what came out of the norm, the mask."""

    H: Matrix
    Z: Matrix
    U: Matrix
    A: Matrix
    X: Matrix
    mask: Matrix | None


def times(A: Matrix, B: Matrix) -> Matrix:
    return [[a * b for a, b in zip(*rows, strict=True)] for rows in zip(A, B, strict=True)]


def plus(A: Matrix, B: Matrix) -> Matrix:
    return [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(A, B, strict=True)]


def hidden_layer(
    network: Network, layer: int, tensors: Tensors, H: Matrix, mask: Matrix | None, running: tuple | None
) -> tuple[Matrix, Trace]:
    """Return a hidden layer's output and trace; `running` statistics, where given, stand in for the batch's."""
    X: Matrix = []

    def normalized(values: Matrix) -> Matrix:
        arguments = values, tensors.gamma, tensors.beta, network.epsilon
        kind = network.normalization
        found = norms.normalize_by(running, *arguments) if running else norms.normalize(kind, *arguments)
        X.extend(found.X)
        return found.Y

    Z = add_row(matmul(H, tensors.W), tensors.b)
    U = normalized(Z) if network.normalized(layer) and not network.after else Z
    A = [[network.f(u) for u in row] for row in U]
    out = normalized(A) if network.normalized(layer) and network.after else A
    out = out if mask is None else times(out, mask)
    out = plus(out, H) if network.skips(layer) else out
    return out, Trace(H, Z, U, A, X, mask)


def forward(
    network: Network, layers: Sequence[Tensors], X: Matrix, masks: list[Matrix] | None, statistics: Statistics | None
) -> tuple[Matrix, list[Trace]]:
    """Return the logits and the traces of the hidden layers."""
    H, traces = X, []
    for layer, tensors in enumerate(layers[:-1]):
        running = statistics[layer] if statistics else None
        H, trace = hidden_layer(network, layer, tensors, H, masks[layer] if masks else None, running)
        traces.append(trace)
    return add_row(matmul(H, layers[-1].W), layers[-1].b), [*traces, Trace(H, [], [], [], [], None)]


def through_layer(network: Network, tensors: Tensors, trace: Trace, error: Matrix) -> norms.Slopes:
    """dL/dZ, dL/dgamma and dL/dbeta of a hidden layer from dL/dH, but for its skip connection."""
    error = error if trace.mask is None else times(error, trace.mask)
    slopes = norms.Slopes(error, [], [])
    kind, gamma, epsilon = network.normalization, tensors.gamma, network.epsilon
    if kind != "none" and network.after:
        slopes = norms.backward(kind, trace.A, trace.X, gamma, error, epsilon)
    delta = times(slopes.Z, [[network.df(u) for u in row] for row in trace.U])
    if kind != "none" and not network.after:
        return norms.backward(kind, trace.Z, trace.X, gamma, delta, epsilon)
    return slopes._replace(Z=delta)


def backward(network: Network, layers: Sequence[Tensors], traces: list[Trace], delta: Matrix) -> list[Tensors]:
    """Return the gradients of all tensors from the last layer's dL/dZ (Rumelhart, Hinton and Williams 1986)."""
    gradients: list[Tensors] = []
    slopes, error = norms.Slopes(delta, [], []), delta
    for layer in reversed(range(len(layers))):
        tensors, trace = layers[layer], traces[layer]
        if layer < len(layers) - 1:
            slopes = through_layer(network, tensors, trace, error)
        grad_b = [math.fsum(column) for column in transposed(slopes.Z)]
        gradients.insert(0, Tensors(matmul(transposed(trace.H), slopes.Z), grad_b, slopes.gamma, slopes.beta))
        before = matmul(slopes.Z, transposed(tensors.W))
        error = plus(before, error) if network.skips(layer) else before
    return gradients


def loss_and_gradient(
    network: Network, theta: Sequence[float], X: Matrix, Y: Matrix, masks: list[Matrix] | None = None
) -> tuple[Loss, list[float]]:
    """Return the loss of a training pass and its gradient as a flat vector."""
    layers = unflatten(theta, network)
    Z, traces = forward(network, layers, X, masks, None)
    loss = network.loss(Z, Y)
    return loss, flatten(backward(network, layers, traces, loss.delta))


def logits(network: Network, theta: Sequence[float], X: Matrix, statistics: Statistics) -> Matrix:
    """Return Z as the network answers after training."""
    return forward(network, unflatten(theta, network), X, None, statistics)[0]


# --- runs ----------------------------------------------------------------------------------------------------------


class Plan(NamedTuple):
    """How a run goes: rows a step, key, learning rate of every step, clipping."""

    batch: int
    key: int
    rates: Sequence[float]
    clip_norm: float = math.inf
    clip_value: float = math.inf
    drop_last: bool = False


class State(NamedTuple):
    """Parameters and running statistics."""

    theta: list[float]
    statistics: Statistics


class Epoch(NamedTuple):
    """What an epoch left, its mean training loss, the mean norm of its gradients and the share that was clipped."""

    state: State
    loss: float
    norm: float
    clipped: float


def batches(plan: Plan, rows: int, number: int) -> list[list[int]]:
    """The rows of every step of an epoch."""
    order = permutation(rows, plan.key, SHUFFLE, number)
    found = [order[start : start + plan.batch] for start in range(0, rows, plan.batch)]
    return [batch for batch in found if len(batch) == plan.batch or not plan.drop_last]


def measured(network: Network, state: State, traces: list[Trace]) -> Statistics:
    """The running statistics after a batch."""
    seen = [trace.A if network.after else trace.Z for trace in traces[:-1]]
    pairs = zip(state.statistics, seen, strict=True) if network.normalization == "batch" else ()
    return [norms.blended(running, Z, network.momentum) for running, Z in pairs]


def epoch(
    network: Network, optimizer: Optimizer, state: State, data: tuple[Matrix, Matrix], plan: Plan, number: int
) -> Epoch:
    """Train for epoch `number`, counted from 0."""
    (theta, statistics), (X, Y) = state, data
    chosen = batches(plan, len(X), number)
    losses, weights, lengths, cut = [], [], [], 0
    for at, rows in enumerate(chosen):
        step = number * len(chosen) + at
        x, y = [X[i] for i in rows], [Y[i] for i in rows]
        masks = (
            norms.masks(network.dropout, network.widths[1:-1], plan.batch, len(rows), plan.key, step)
            if network.dropout
            else None
        )
        layers = unflatten(theta, network)
        Z, traces = forward(network, layers, x, masks, None)
        loss = network.loss(Z, y)
        whole = flatten(backward(network, layers, traces, loss.delta))
        gradient, length = clipped_by_norm(clipped_by_value(whole, plan.clip_value), plan.clip_norm)
        cut += length > plan.clip_norm or any(abs(g) > plan.clip_value for g in whole)
        statistics = measured(network, State(theta, statistics), traces)
        theta = optimizer.step(theta, gradient, plan.rates[step], len(rows))
        losses.append(loss.value * loss.weight)
        weights.append(loss.weight)
        lengths.append(length)
    mean_loss, mean_length = math.fsum(losses) / math.fsum(weights), math.fsum(lengths) / len(lengths)
    return Epoch(State(theta, statistics), mean_loss, mean_length, cut / len(lengths))


def stopped(values: Sequence[float], patience: int, min_delta: float = 0.0) -> tuple[int, int]:
    """Return the best epoch and the number of epochs that run: `patience` in a row without a value that much smaller.

    Prechelt 1998; values holds what every epoch would bring if none were the last.
    """
    best, at = math.inf, -1
    for number, value in enumerate(values):
        if value < best - min_delta:
            best, at = value, number
        elif number - at >= patience:
            return at, number + 1
    return at, len(values)
