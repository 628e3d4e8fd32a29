"""A spec's network and a recipe's training once more in PyTorch's own modules, in double precision.

PyTorch sees the weights and the batches that nnsim sees. The masks of dropout come from the naive Philox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import naive
import numpy as np
import pytest

from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, Run, train

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'nnsim[bench]'")
torch.set_num_threads(1)

SHUFFLE, DROPOUT = 2, 7  # the purposes of the streams of random numbers
TILE_BLOCKS = 64

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU}
NORMS = {"batch": torch.nn.BatchNorm1d, "layer": torch.nn.LayerNorm}
OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": lambda groups, **rest: torch.optim.SGD(groups, momentum=0.9, **rest),
    "nesterov": lambda groups, **rest: torch.optim.SGD(groups, momentum=0.9, nesterov=True, **rest),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}

# --- the network ---------------------------------------------------------------------------------------------------


class Masked(torch.nn.Module):
    """Dropout by a given mask."""

    def __init__(self) -> None:
        super().__init__()
        self.mask = torch.ones(1, 1, dtype=torch.float64)

    def forward(self, values):
        return values * self.mask if self.training else values


class Twin(torch.nn.Module):
    """The network of a spec, with the parameters of a flat vector."""

    def __init__(self, spec: NetworkSpec, theta: np.ndarray) -> None:
        super().__init__()
        self.spec = spec
        self.blocks = torch.nn.ModuleList([hidden_block(spec, layer) for layer in range(spec.depth)])
        self.last = torch.nn.Linear(*spec.fans[-1])
        self.double()
        with torch.no_grad():
            for tensor, parameter in zip(spec.tensors, self.in_order(), strict=True):
                values = torch.tensor(theta[tensor.start : tensor.stop].reshape(tensor.shape))
                parameter.copy_(values.T if tensor.role == "weight" else values)

    def forward(self, X):
        H = X
        for layer, block in enumerate(self.blocks):
            H = block(H) + H if self.spec.has_skip(layer) else block(H)
        return self.last(H)

    def in_order(self) -> Iterator[torch.nn.Parameter]:
        """Yield the parameters in the order of the flat vector."""
        for block in self.blocks:
            for kind in (torch.nn.Linear, torch.nn.BatchNorm1d, torch.nn.LayerNorm):
                for module in block:
                    if isinstance(module, kind):
                        yield from (module.weight, module.bias)
        yield from (self.last.weight, self.last.bias)

    def _flat(self, values: Callable) -> np.ndarray:
        arrays = [values(parameter).detach().numpy() for parameter in self.in_order()]
        return np.concatenate([(array.T if array.ndim == 2 else array).ravel() for array in arrays])

    @property
    def theta(self) -> np.ndarray:
        return self._flat(lambda parameter: parameter)

    @property
    def gradient(self) -> np.ndarray:
        return self._flat(lambda parameter: parameter.grad)

    @property
    def statistics(self) -> np.ndarray:
        """The running statistics as nnsim lays them out."""
        norms = [module for module in self.modules() if isinstance(module, torch.nn.BatchNorm1d)]
        return np.concatenate([part.numpy() for norm in norms for part in (norm.running_mean, norm.running_var)])

    def mask(self, key: int, step: int, batch: int, places: list[int]) -> None:
        """Set the masks of a step whose rows stand at these places of a whole batch."""
        widths = self.spec.widths[1:-1]
        parts = np.split(masks(key, step, batch * sum(widths), self.spec.dropout), batch * np.cumsum(widths)[:-1])
        for block, part in zip(self.blocks, parts, strict=True):
            block[-1].mask = torch.tensor(part.reshape(batch, -1)[places])


def hidden_block(spec: NetworkSpec, layer: int) -> torch.nn.Sequential:
    modules = [torch.nn.Linear(*spec.fans[layer]), ACTIVATIONS[spec.activation]()]
    if spec.normalization != "none":
        norm = NORMS[spec.normalization](spec.widths[layer + 1], eps=spec.norm_epsilon)
        modules.insert(2 if spec.norm_after else 1, norm)
    return torch.nn.Sequential(*modules, *([Masked()] if spec.dropout else []))


def masks(key: int, step: int, count: int, rate: float) -> np.ndarray:
    """Return 0 or 1 / (1 - p) for `count` units: word w of block b of a tile decides on unit 64 w + b."""
    tiles = -(-count // (4 * TILE_BLOCKS))
    words = np.array([naive.words(key, DROPOUT, step, block) for block in range(tiles * TILE_BLOCKS)])
    kept = words.reshape(tiles, TILE_BLOCKS, 4).transpose(0, 2, 1).ravel()[:count] >= int(rate * 2**32)
    return kept / (1 - rate)


def loss_function(spec: NetworkSpec) -> Callable:
    """Return the loss of (logits, targets) of a spec."""
    weights = None if spec.loss_weights is None else torch.tensor(spec.loss_weights, dtype=torch.float64)
    if spec.loss == "cross_entropy":
        loss = torch.nn.CrossEntropyLoss(weights, label_smoothing=spec.label_smoothing)
        return lambda Z, Y: loss(Z, Y[:, 0].long())
    return {
        "bce": torch.nn.BCEWithLogitsLoss(pos_weight=weights),
        "mse": torch.nn.MSELoss(),
        "mae": torch.nn.L1Loss(),
        "huber": torch.nn.HuberLoss(delta=spec.huber_delta),
    }[spec.loss]


# --- training ------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A network, its initial parameters, the data and the key of a run."""

    spec: NetworkSpec
    theta: np.ndarray
    X: np.ndarray
    Y: np.ndarray
    key: int

    def run(self, recipe: Recipe) -> Run:
        """Train with nnsim."""
        return train(self.spec, self.theta, Batches(self.X, self.Y, self.X[:0], self.Y[:0]), recipe, self.key)


class Trained(NamedTuple):
    """PyTorch's network after training, with the losses and the gradient's norms of all steps."""

    network: Twin
    losses: list[float]
    norms: list[float]


def groups(recipe: Recipe, network: Twin) -> list[dict]:
    """Return a parameter group for each tensor: weights with their layer's rate, the others perhaps without decay."""
    found = []
    for tensor, parameter in zip(network.spec.tensors, network.in_order(), strict=True):
        weight = tensor.role == "weight"
        factor = recipe.layer_rates[tensor.layer] if weight and recipe.layer_rates else 1.0
        decay = recipe.weight_decay if weight or recipe.decayed == "all" else 0.0
        found.append({"params": [parameter], "lr": factor * recipe.learning_rate, "weight_decay": decay})
    return found


def clip(recipe: Recipe, network: Twin) -> float:
    """Clip the gradient and return its norm before."""
    limit = np.inf if recipe.clip_norm is None else recipe.clip_norm
    if recipe.clip_value is not None:
        torch.nn.utils.clip_grad_value_(network.parameters(), recipe.clip_value)
    return torch.nn.utils.clip_grad_norm_(network.parameters(), limit).item()


def trained(case: Case, recipe: Recipe, scheduler: Callable | None = None, backwards: bool = False) -> Trained:
    """Train with PyTorch on nnsim's batches, or on the same batches with their rows reversed.

    `scheduler` makes a PyTorch scheduler of an optimizer; it moves as often as the recipe's schedule does.
    """
    network, loss_of = Twin(case.spec, case.theta), loss_function(case.spec)
    optimizer = OPTIMIZERS[recipe.optimizer](groups(recipe, network), lr=recipe.learning_rate)
    schedule = scheduler(optimizer) if scheduler else None
    X, Y = torch.tensor(case.X), torch.tensor(case.Y)
    done, steps = Trained(network, [], []), recipe.steps(len(X))
    for step, rows in enumerate(batches(case, recipe)):
        places = list(range(len(rows)))[:: -1 if backwards else 1]
        if case.spec.dropout:
            network.mask(case.key, step, recipe.batch_size, places)
        chosen = [rows[place] for place in places]
        optimizer.zero_grad()
        loss = loss_of(network(X[chosen]), Y[chosen])
        loss.backward()
        done.losses.append(loss.item())
        done.norms.append(clip(recipe, network))
        optimizer.step()
        if schedule and (recipe.parsed_schedule.by == "step" or (step + 1) % steps == 0):
            schedule.step()
    return done


def batches(case: Case, recipe: Recipe) -> Iterator[list[int]]:
    """Yield the rows of every step."""
    count = len(case.X)
    for epoch in range(recipe.epochs):
        order = naive.permutation(count, case.key, SHUFFLE, epoch)
        for start in range(0, recipe.steps(count) * recipe.batch_size, recipe.batch_size):
            yield order[start : start + recipe.batch_size]


# --- comparing -----------------------------------------------------------------------------------------------------


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def by_tensor(spec: NetworkSpec, found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the relative difference of every tensor."""
    return np.array([relative_difference(found[t.start : t.stop], expected[t.start : t.stop]) for t in spec.tensors])


class Comparison(NamedTuple):
    """What both have come to, by how much the parameters differ (relative), and by how much they may."""

    run: Run
    twin: Trained
    difference: float
    allowed: float


def compare(case: Case, recipe: Recipe, tolerance: float, scheduler: Callable | None = None) -> Comparison:
    """Train with both.

    The parameters may differ by `tolerance` or, where PyTorch differs from itself by more when the rows of its batches
    are reversed, by ten times that difference.
    """
    run, twin = case.run(recipe), trained(case, recipe, scheduler)
    difference, allowed = relative_difference(run.theta, twin.network.theta), tolerance
    if not difference <= tolerance:
        mirrored = trained(case, recipe, scheduler, backwards=True)
        own = relative_difference(mirrored.network.theta, twin.network.theta)
        allowed = 10 * own if own > tolerance else tolerance
    return Comparison(run, twin, difference, allowed)
