"""The workloads in PyTorch: eager modules, as a user would write them, and all networks at once by `torch.func`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from nnsim.benchmarks.workloads import Layers, Runner, Workload
from nnsim.experiment.executors.threads import usable_cpus

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}


def missing(device: str) -> str:
    """Return why PyTorch cannot compute on "cpu" or "cuda", or nothing."""
    return "this PyTorch sees no GPU" if device == "cuda" and not torch.cuda.is_available() else ""


def eager(workload: Workload, device: str) -> Runner:
    """Return what trains one network, a step after the other."""
    torch.set_num_threads(1)  # more only make a small network slower
    recipe, model = workload.recipe, _module(workload).to(device)
    weights = _weights(model, workload.spec.layers(workload.thetas[0]))
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start |= {name: torch.tensor(array, device=device) for name, array in weights.items()}
    X, y = _data(workload, device)
    epochs = _orders(workload, device)[0].reshape(recipe.epochs, -1, recipe.batch_size)
    loss_function = _loss_function(workload)

    def run() -> np.ndarray:
        torch.manual_seed(workload.root)
        model.load_state_dict(start)
        optimizer = _optimizer(workload, model.parameters())
        scheduler = _scheduler(workload, optimizer)
        losses = []
        for epoch in epochs:
            for rows in epoch:
                optimizer.zero_grad()
                loss = loss_function(model(X[rows]), y[rows])
                loss.backward()
                if recipe.clip_norm:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
                optimizer.step()
                losses.append(loss.detach())
            if scheduler is not None:
                scheduler.step()
        return torch.stack(losses).cpu().numpy()[None]

    return run


def vmap(workload: Workload, device: str) -> Runner:
    """Return what trains all networks at once, a step after the other."""
    torch.set_num_threads(usable_cpus())
    population = _Population(workload, device)
    orders = _orders(workload, device).transpose(0, 1).contiguous()

    def run() -> np.ndarray:
        population.begin()
        return torch.stack([population.step(rows) for rows in orders]).T.cpu().numpy()

    return run


def graph(workload: Workload, device: str) -> Runner:
    """Return what trains all networks at once by a CUDA graph of one step, which is recorded once and replayed."""
    population = _Population(workload, device)
    orders = _orders(workload, device).transpose(0, 1).contiguous()
    rows = orders[0].clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            population.step(rows)
    torch.cuda.current_stream().wait_stream(side)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        loss = population.step(rows)

    def run() -> np.ndarray:
        population.begin()
        losses = torch.empty((workload.steps, workload.networks), device=device)
        for step, batch in enumerate(orders):
            rows.copy_(batch)
            recorded.replay()
            losses[step] = loss
        return losses.T.cpu().numpy()

    return run


class _Population:
    """The parameters of all networks, stacked, and a step that trains each on its own batch.

    Batch normalisation keeps no running statistics here: `torch.func` does not take modules that change themselves.
    """

    def __init__(self, workload: Workload, device: str) -> None:
        model = _module(workload, running=False).to(device)
        self._start = _stacked(workload, model, device)
        self._parameters = {name: tensor.clone() for name, tensor in self._start.items()}
        self._optimizer = _optimizer(workload, self._parameters.values(), capturable=device == "cuda")
        self._X, self._y = _data(workload, device)
        loss_function = _loss_function(workload)

        def loss_of(parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return loss_function(torch.func.functional_call(model, parameters, (x,)), y)

        self._gradient = torch.func.vmap(torch.func.grad_and_value(loss_of))

    def begin(self) -> None:
        """Go back to the start: parameters and moments keep their places, which a recorded step knows."""
        for name, tensor in self._parameters.items():
            tensor.copy_(self._start[name])
        for state in self._optimizer.state.values():
            for moment in state.values():
                if moment is not None:
                    moment.zero_()

    def step(self, rows: torch.Tensor) -> torch.Tensor:
        """Train every network on the rows (networks, batch) of its batch and return the losses before it."""
        gradients, losses = self._gradient(self._parameters, self._X[rows], self._y[rows])
        for name, tensor in self._parameters.items():
            tensor.grad = gradients[name]
        self._optimizer.step()
        return losses


def _module(workload: Workload, running: bool = True) -> torch.nn.Sequential:
    spec, modules = workload.spec, list[torch.nn.Module]()
    for fan_in, fan_out in spec.fans[:-1]:
        modules.append(torch.nn.Linear(fan_in, fan_out))
        if spec.normalization == "batch":
            modules.append(torch.nn.BatchNorm1d(fan_out, track_running_stats=running))
        modules.append(ACTIVATIONS[spec.activation]())
        if spec.dropout:
            modules.append(torch.nn.Dropout(spec.dropout))
    model = torch.nn.Sequential(*modules, torch.nn.Linear(*spec.fans[-1]))
    return model.double() if spec.dtype == "float64" else model


def _weights(model: torch.nn.Sequential, layers: Layers) -> dict[str, np.ndarray]:
    """Return a network's weights and biases by the names that they have in its module."""
    linears = [name for name, module in model.named_children() if isinstance(module, torch.nn.Linear)]
    pairs = list(zip(linears, layers, strict=True))
    return {f"{name}.weight": W.T for name, (W, _) in pairs} | {f"{name}.bias": b for name, (_, b) in pairs}


def _stacked(workload: Workload, model: torch.nn.Sequential, device: str) -> dict[str, torch.Tensor]:
    """Return the initial parameters of all networks, stacked."""
    networks = [_weights(model, workload.spec.layers(theta)) for theta in workload.thetas]
    norms = {
        name: tensor.detach().expand(workload.networks, *tensor.shape).clone()
        for name, tensor in model.named_parameters()
    }
    return norms | {
        name: torch.tensor(np.stack([weights[name] for weights in networks]), device=device) for name in networks[0]
    }


def _data(workload: Workload, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    data = workload.data
    y = data.Y if workload.spec.loss == "bce" else data.Y[:, 0].astype(np.int64)
    return torch.tensor(data.X, device=device), torch.tensor(y, device=device)


def _orders(workload: Workload, device: str) -> torch.Tensor:
    return torch.tensor(workload.orders(), device=device)


def _loss_function(workload: Workload) -> torch.nn.Module:
    return torch.nn.BCEWithLogitsLoss() if workload.spec.loss == "bce" else torch.nn.CrossEntropyLoss()


def _optimizer(
    workload: Workload, parameters: Iterable[torch.Tensor], capturable: bool = False
) -> torch.optim.Optimizer:
    recipe = workload.recipe
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, recipe.learning_rate)
    return torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay, capturable=capturable)


def _scheduler(
    workload: Workload, optimizer: torch.optim.Optimizer
) -> torch.optim.lr_scheduler.CosineAnnealingLR | None:
    if workload.recipe.schedule != "cosine":
        return None
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=workload.recipe.epochs)
