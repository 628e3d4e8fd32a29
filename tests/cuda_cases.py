"""Training on the CUDA backend beside the CPU: run as a script, it prints which of the cases have equal bits.

Without a GPU set NUMBA_ENABLE_CUDASIM=1 before: kernels then run as Python threads. With "--break" one formula is
wrong, and a case that notices prints false. What loads CUDA is imported where it is needed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import sleep
from typing import Any

import numpy as np

from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.kernels.formulas.columns import VALIDATION_METRIC
from nnsim.kernels.formulas.optimizers import OPTIMIZERS
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.layers import probe_on_cpu
from nnsim.training.probe_request import ProbeRequest
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, Run, TrainRequest, train_on_cpu

ROWS, LOOKS, INPUTS, OUTPUTS = 8, 5, 3, 3
RATES = {1: 2.0, 2: 0.01, 3: 5.0, 4: 0.1, 5: 0.5}  # of learning, for each key
SHORT = Recipe(learning_rate=0.1, batch_size=3, epochs=1)

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{f"activation {name}": ({"activation": name}, {}) for name in ACTIVATIONS if name != "step"},
    **{f"optimizer {name}": ({}, {"optimizer": name, "weight_decay": 0.01}) for name in OPTIMIZERS},
    "float64": ({"dtype": "float64", "activation": "tanh"}, {"optimizer": "adam"}),
    "linear": ({"widths": (INPUTS, OUTPUTS)}, {}),
    "narrow": ({"widths": (INPUTS, 1, 2, OUTPUTS)}, {}),
    "wide": ({"widths": (INPUTS, 17, 9, OUTPUTS)}, {}),
    "deep": ({"widths": (INPUTS, 4, 4, 4, 4, OUTPUTS)}, {}),
    "batch norm": ({"normalization": "batch"}, {"drop_last": True}),
    "batch norm after": ({"normalization": "batch", "norm_after": True}, {}),
    "batch norm float64": ({"normalization": "batch", "dtype": "float64"}, {"epochs": 2}),
    "layer norm": ({"normalization": "layer"}, {}),
    "layer norm after": ({"normalization": "layer", "norm_after": True}, {}),
    "dropout": ({"dropout": 0.3}, {}),
    "dropout and batch norm after": ({"dropout": 0.3, "normalization": "batch", "norm_after": True}, {}),
    "residual": ({"residual": True, "widths": (INPUTS, 4, 4, 4, OUTPUTS)}, {}),
    "residual, dropout, layer norm": (
        {"residual": True, "dropout": 0.2, "normalization": "layer", "widths": (INPUTS, 4, 4, OUTPUTS)},
        {},
    ),
    "label smoothing": ({"label_smoothing": 0.1}, {}),
    "class weights": ({"loss_weights": (0.5, 1.0, 2.0)}, {}),
    "bce": ({"loss": "bce"}, {}),
    "bce weights": ({"loss": "bce", "loss_weights": (0.5, 1.0, 2.0)}, {}),
    "mse": ({"loss": "mse"}, {}),
    "mae": ({"loss": "mae"}, {}),
    "huber": ({"loss": "huber", "huber_delta": 0.5}, {}),
    "clip norm": ({}, {"clip_norm": 0.05}),
    "clip value": ({}, {"clip_value": 0.01}),
    "alpha": ({"normalization": "batch"}, {"alpha": 0.5}),
    "decoupled decay of weights": ({}, {"optimizer": "adamw", "weight_decay": 0.1, "decayed": "weights"}),
    "layer rates": ({}, {"layer_rates": (1.0, 0.5, 2.0)}),
    "schedule": ({}, {"schedule": "cosine", "epochs": 2}),
    "plateau": ({}, {"schedule": "plateau:factor=0.5,patience=0", "epochs": 4, "learning_rate": 2.0}),
    "plateau of a negative metric": (
        {"loss": "mse"},
        {"schedule": "plateau:mode=max,factor=0.5,patience=0", "watch": "metric", "epochs": 3, "learning_rate": 1e-9},
    ),
    "early stopping": ({}, {"patience": 1, "epochs": 6, "learning_rate": 2.0}),
    "early stopping by the metric": ({"normalization": "batch"}, {"patience": 1, "epochs": 4, "watch": "metric"}),
    "drop last": ({}, {"drop_last": True}),
    "diverges": ({"activation": "identity", "loss": "mse"}, {"learning_rate": 1e30, "epochs": 3}),
    "whole batch": ({}, {"batch_size": ROWS, "epochs": 2}),
}


def spec_of(settings: dict[str, Any]) -> NetworkSpec:
    return NetworkSpec(**{"widths": (INPUTS, 5, 4, OUTPUTS), "activation": "relu", **settings})


def data_of(spec: NetworkSpec) -> Batches:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(ROWS + LOOKS, spec.widths[0]))
    if spec.loss == "cross_entropy":
        Y = rng.integers(0, spec.widths[-1], (len(X), 1))
    else:
        Y = rng.integers(0, 2, (len(X), spec.widths[-1])) if spec.loss == "bce" else rng.normal(size=(len(X), OUTPUTS))
    X, Y = X.astype(spec.numpy_dtype), Y.astype(spec.numpy_dtype)
    return Batches(X[:ROWS], Y[:ROWS], X[ROWS:], Y[ROWS:])


def job_of(name: str, network: int = 0) -> TrainRequest:
    settings, course = CASES[name]
    spec = spec_of(settings)
    data, recipe = data_of(spec), replace(SHORT, **course)
    theta = initialize(spec, "he_normal", 10 + network, data.X).astype(spec.numpy_dtype)
    return TrainRequest(spec, theta, data, recipe, 20 + network, recipe.epochs, False)


def bits(run: Run) -> list[bytes]:
    """Return all that a run came to; one NaN is like another."""
    state = run.state
    arrays = [run.theta, run.statistics, run.history, state.theta, state.statistics, *state.moments]
    ends = (run.status, run.diverged_at, run.stopped_early)
    numbers = [np.where(np.isnan(array), np.nan, array).tobytes() for array in (*arrays, state.plateau, state.stopping)]
    return [*numbers, repr(ends).encode()]


def train_population(jobs: list[TrainRequest]) -> list[Run]:
    from nnsim.training import cuda_populations as populations

    return populations.train_population(jobs)


def equal_runs(jobs: list[TrainRequest]) -> bool:
    return all(bits(train_on_cpu(job)) == bits(run) for job, run in zip(jobs, train_population(jobs), strict=True))


def populations_agree() -> bool:
    """Networks of two shapes and many rates, in one population."""
    first = [job_of("clip norm", network) for network in range(2)]
    faster = [replace(job, data=first[0].data, recipe=replace(job.recipe, learning_rate=0.3)) for job in first]
    return equal_runs([first[0], job_of("mse"), *faster])


def stretches_agree() -> bool:
    """A run that goes on from an earlier one."""
    whole = job_of("schedule")
    begun = train_population([replace(whole, last=1)])[0]
    return bits(train_population([replace(whole, start=begun)])[0]) == bits(train_on_cpu(whole))


def ranked_job(loss: str, outputs: int) -> TrainRequest:
    """A run that asks for the area under the ROC curve; scores are tied."""
    spec = NetworkSpec((INPUTS, 2, outputs), loss=loss)
    data = data_of(spec_of({"widths": spec.widths, "loss": "cross_entropy" if outputs == 2 else "mse"}))
    Y, looks = (data.Y > 0)[:, :1].astype(np.float32), np.float32([[0], [1], [0], [1], [1]])
    theta = np.round(initialize(spec, "he_normal", 5, data.X)).astype(np.float32)
    return TrainRequest(spec, theta, replace(data, Y=Y, Y_validation=looks), SHORT, 3, 1, auc=True)


def areas_agree() -> bool:
    """The area under the ROC curve for one output and for two."""
    return equal_runs([ranked_job("bce", 1)]) and equal_runs([ranked_job("cross_entropy", 2)])


def no_rows_to_look_at() -> bool:
    job = job_of("clip norm")
    empty = replace(job.data, X_validation=job.data.X[:0], Y_validation=job.data.Y[:0])
    return equal_runs([replace(job, data=empty)])


def one_target_has_no_metric() -> bool:
    """R^2 of validation rows with one target is not a number."""
    job = job_of("mse")
    equal = replace(job, data=replace(job.data, Y_validation=np.full_like(job.data.Y_validation, 0.1)))
    return equal_runs([equal]) and bool(np.isnan(train_on_cpu(equal).history[:, VALIDATION_METRIC]).all())


def probes_agree() -> bool:
    """Facts of networks with every kind of layer, of both precisions, by the loss and by a signal."""
    from nnsim.training.cuda_populations import probe_population

    names = ("optimizer sgd", "float64", "linear", "residual, dropout, layer norm", "batch norm after", "bce", "mse")
    looks = []
    for name in names:
        job = job_of(name)
        looks.append(ProbeRequest(job.spec, job.theta, job.data.X, job.data.Y, job.data.X[:0]))
        looks.append(replace(looks[-1], signal=job.data.X[:, :OUTPUTS].copy()))
    found = probe_population(looks)
    return all(probe_on_cpu(look).tobytes() == facts.tobytes() for look, facts in zip(looks, found, strict=True))


def streams_agree() -> bool:
    """Networks that do not fit into shared memory."""
    from nnsim.training import cuda_populations as populations

    device = populations.current_device()
    device.shared_bytes = 0
    names = ("wide", "narrow", "residual", "batch norm after", "float64")
    with setting(populations, "current_device", lambda: device):
        return all(equal_runs([job_of(name)]) for name in names) and probes_agree()


def arrays_are_shared() -> bool:
    """Threads that all come to a shared array before one of them has made it."""

    def slowly(*arguments: Any) -> np.ndarray:
        sleep(0.01)
        return empty(*arguments)

    empty = np.empty
    with setting(np, "empty", slowly):
        return equal_runs([job_of("whole batch")])


@contextmanager
def setting(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute within the block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def larger_blocks_agree() -> bool:
    """Twice as many threads in a block as the simulator has by itself."""
    from nnsim.training import cuda_populations as populations

    names = ("wide", "dropout and batch norm after", "bce", "clip norm")
    with setting(populations, "threads_of_block", lambda *_: 8):
        return all(equal_runs([job_of(name)]) for name in names)


def split_launches_agree() -> bool:
    """One epoch and one or two networks in a launch; some stop early, and the others go on."""
    from nnsim.training import cuda_populations as populations
    from nnsim.training import device

    first = job_of("early stopping")
    jobs = [replace(first, key=key, recipe=replace(first.recipe, learning_rate=rate)) for key, rate in RATES.items()]
    agree = True
    for free_bytes in (2500, 6000):
        with (
            setting(populations, "LAUNCH_OPERATIONS", 1.0),
            setting(device.Device, "free_bytes", lambda device, free=free_bytes: free),
        ):
            agree &= equal_runs(jobs)
    return agree


def too_large_is_refused() -> bool:
    """A network that the device's memory cannot hold, to train and to look at."""
    from nnsim.core.errors import UsageError
    from nnsim.training import cuda_populations as populations
    from nnsim.training import device

    job, refused = job_of("wide"), 0
    look = ProbeRequest(job.spec, job.theta, job.data.X, job.data.Y, job.data.X[:0])
    with setting(device.Device, "free_bytes", lambda device: 1000):
        for ask, wish in ((populations.train_population, job), (populations.probe_population, look)):
            try:
                ask([wish])
            except UsageError as error:
                refused += "the network needs 0 MiB" in str(error)
    return refused == 2


_CHECKS = (
    populations_agree,
    stretches_agree,
    areas_agree,
    no_rows_to_look_at,
    one_target_has_no_metric,
    probes_agree,
    streams_agree,
    arrays_are_shared,
    larger_blocks_agree,
    split_launches_agree,
    too_large_is_refused,
)
OTHERS = {check.__name__: check for check in _CHECKS}


def main(broken: bool) -> None:
    sys.setswitchinterval(1e-5)  # the simulator waits for its threads without pause
    if broken:

        def two_roundings(theta, gradient, first, second, rate, momentum, *rest):
            velocity = momentum * first + gradient
            return theta - rate * velocity, velocity, second

        # Before the GPU's table is made; the CPU's is made already.
        OPTIMIZERS._entries["momentum"] = replace(OPTIMIZERS["momentum"], step=two_roundings)
    found = {name: equal_runs([job_of(name)]) for name in CASES if not broken or name == "optimizer momentum"}
    print(json.dumps(found if broken else found | {name: f() for name, f in OTHERS.items()}))


if __name__ == "__main__":
    main("--break" in sys.argv)
