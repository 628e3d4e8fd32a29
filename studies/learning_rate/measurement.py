"""What is measured in one trial, what it costs, and what has to be compiled before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnsim.apps.lr_finder import Start, find_learning_rate
from nnsim.core.seeding import key
from nnsim.data import datasets
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.edge_of_stability import chebyshev_task, divergence_rate, follow_sharpness, full_batch
from nnsim.probes.sharpness import sharpness
from nnsim.study.dict_network_trials import data_of, network_of, nine_digits, train_network
from nnsim.theory.training import rate_courses as closed_forms
from nnsim.training import trainer
from nnsim.training.recipe import Recipe
from nnsim.training.steps_to_loss import train_until

from . import settings
from .columns import MORE, TRIALS


def _row(trial: dict[str, Any], spec: NetworkSpec, **measured: Any) -> dict[str, Any]:
    row = {column.name: trial.get(column.name) for column in TRIALS}
    return row | {"parameters": spec.n_parameters, "status": "done", "reason": "", **measured}


def _sharpness_row(trial: dict[str, Any], step: int, value: float, loss: float | None = None) -> dict[str, Any]:
    row = {name: trial.get(name) for name in ("kind", "learning_rate", "momentum", "repeat")}
    return row | {"step": step, "loss": loss, "sharpness": nine_digits(value)}


def _draws(trial: dict[str, Any], purpose: str) -> int:
    return key(trial["root_seed"], purpose, trial["repeat"])


def _quadratic(trial: dict[str, Any]) -> dict[str, Any]:
    drawn = datasets.load(settings.NOISY, key=_draws(trial, "regression"), n_samples=settings.QUADRATIC_ROWS)
    data = full_batch(drawn.X, drawn.y)
    spec = NetworkSpec((drawn.X.shape[1], 1), loss="mse", dtype="float64")
    theta = initialize(spec, trial["scheme"], _draws(trial, "init"))
    recipe = Recipe(momentum=trial["momentum"], batch_size=settings.QUADRATIC_ROWS, epochs=trial["epochs"])
    rate = divergence_rate(spec, theta, data, recipe, _draws(trial, "shuffle"))
    top = sharpness(spec, theta, data.X, data.Y, np.ones_like(theta), 1e-6)
    return {"trials": [_row(trial, spec, critical_rate=rate)], "sharpness": [_sharpness_row(trial, 0, top.value)]}


def _edge(trial: dict[str, Any]) -> dict[str, Any]:
    data = full_batch(*chebyshev_task(settings.EDGE_POINTS, settings.EDGE_DEGREE))
    spec = NetworkSpec((1, trial["width"], trial["width"], 1), "tanh", loss="mse", dtype="float64")
    theta = initialize(spec, trial["scheme"], _draws(trial, "init"))
    steps, rate = trial["epochs"], settings.HALF * trial["learning_rate"]
    recipe = Recipe(learning_rate=rate, momentum=trial["momentum"], batch_size=settings.EDGE_POINTS, epochs=steps)
    looks = sorted({0, *(steps * look // settings.EDGE_LOOKS for look in range(1, settings.EDGE_LOOKS + 1))})
    run, seen = follow_sharpness(spec, theta, data, recipe, _draws(trial, "shuffle"), looks)
    row = _row(trial, spec, epochs_done=len(run.history), **_diverged(run))
    if run.status == "done":
        row["train_loss"] = settings.HALF * float(run.history[-1, 0])
    rows = [
        _sharpness_row(trial, look.step, settings.HALF * look.sharpness, nine_digits(settings.HALF * look.loss))
        for look in seen
    ]
    return {"trials": [row], "sharpness": rows}


def _start(trial: dict[str, Any], dtype: str, recipe: Recipe) -> Start:
    """Return what training starts from: the draws and the data order of the trials that `train_network` measures."""
    spec = network_of(trial, dtype)
    rows = trainer.batches(data_of(trial), spec.numpy_dtype)
    theta = initialize(spec, trial["scheme"], _draws(trial, "init"), rows.X[:256])
    return Start(spec=spec, theta=theta, batches=rows, recipe=recipe, key=_draws(trial, "shuffle"))


def _range(trial: dict[str, Any]) -> dict[str, Any]:
    start = _start(trial, "float32", Recipe(optimizer="sgd", batch_size=trial["batch_size"]))
    found = find_learning_rate(start, 1e-4, 100.0, 120)
    ends = {**found.suggestions, "explosion": found.rates[-1]}
    shown = [{"repeat": trial["repeat"], "rule": rule, "rate": nine_digits(rate)} for rule, rate in ends.items()]
    exact = _start(trial, "float64", start.recipe)
    top = sharpness(exact.spec, exact.theta, exact.batches.X, exact.batches.Y, np.ones_like(exact.theta), 1e-3)
    row = _row(trial, start.spec, steps=len(found.rates))
    return {"trials": [row], "suggestions": shown, "sharpness": [_sharpness_row(trial, 0, top.value)]}


def _diverged(run: trainer.Run) -> dict[str, Any]:
    """Return what a row says of a run that diverged, nothing of one that did not."""
    if run.status == "done":
        return {}
    return {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}


def _speed(trial: dict[str, Any]) -> dict[str, Any]:
    recipe = Recipe(trial["learning_rate"], None, trial["batch_size"], trial["epochs"], "sgd")
    start = _start(trial, "float32", recipe)
    run, steps = train_until(start.spec, start.theta, start.batches, recipe, start.key, trial["threshold"])
    return {"trials": [_row(trial, start.spec, epochs_done=len(run.history), steps=steps, **_diverged(run))]}


def _closed_form(name: str, epochs: int, losses: np.ndarray) -> np.ndarray:
    """Return the rates of `_schedule` as the papers' formulas give them, relative to the largest."""
    t = np.arange(epochs)
    forms = {
        "constant": lambda: np.ones(epochs),
        "step": lambda: closed_forms.step(t, max(1, 2 * epochs // 3), 0.1),
        "exponential": lambda: closed_forms.exponential(t, 0.8),
        "cosine": lambda: closed_forms.cosine(t, epochs),
        "one_cycle": lambda: closed_forms.one_cycle(t, epochs),
        "cosine_restarts": lambda: closed_forms.cosine_restarts(t, epochs // 7, 2),
        "plateau": lambda: closed_forms.plateau(losses, 1, 0.3),
    }
    return forms[name]()


def _trace(trial: dict[str, Any]) -> dict[str, Any]:
    """Train with one step an epoch, and hold the rate of every step against the closed form."""
    rows = data_of(trial).X_train.shape[0]
    recipe = Recipe(trial["learning_rate"], None, rows, trial["epochs"], "sgd", schedule=trial["schedule"])
    start = _start(trial, "float32", recipe)
    run = trainer.train(start.spec, start.theta, start.batches, recipe, start.key)
    losses, used = (run.history[:, trainer.COLUMNS.index(name)] for name in ("validation_loss", "learning_rate"))
    expected = trial["learning_rate"] * _closed_form(trial["schedule"].split(":")[0], len(used), losses)
    shown = [
        {
            "schedule": trial["schedule"],
            "repeat": trial["repeat"],
            "step": step,
            "rate": nine_digits(a),
            "closed_form": nine_digits(b),
        }
        for step, (a, b) in enumerate(zip(used.tolist(), expected.tolist(), strict=True))
    ]
    return {"trials": [_row(trial, start.spec, epochs_done=len(used), **_diverged(run))], "traces": shown}


def _trained(trial: dict[str, Any]) -> dict[str, Any]:
    return {"trials": train_network(trial, MORE)["trials"]}


MEASURES = {
    "quadratic": _quadratic, "edge": _edge, "range": _range, "speed": _speed, "trace": _trace,
    "sweep": _trained, "adamw": _trained, "schedule": _trained,
}  # fmt: skip


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    return MEASURES[trial["kind"]](trial)


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    if trial["kind"] in {"quadratic", "edge"}:
        return 0.3 if trial["kind"] == "quadratic" else 2e-5 * trial["epochs"]
    data = data_of({**trial, "root_seed": 0})
    rows = data.X_train.shape[0]
    ends = data.n_features + data.n_outputs
    operations = rows * trial["width"] * ((trial["depth"] - 1) * trial["width"] + ends)
    epoch = 1.5e-10 * operations + 1e-5 * math.ceil(rows / trial["batch_size"])
    if trial["kind"] == "range":
        return 0.1 + 80 * epoch
    return 1e-3 + epoch * (
        trial["epochs"] if trial["kind"] != "speed" else min(trial["epochs"], 3 / trial["learning_rate"])
    )


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    shared = {"target": "", "samples": 0, "batch_size": 16, "probe_epoch": [], "width": 2, "repeat": 0, "root_seed": 0}
    tiny = {**settings.NETWORK, **shared, "data": "iris", "learning_rate": 0.1, "epochs": 2}
    measure({"kind": "sweep", "optimizer": "sgd", **tiny})
    measure({"kind": "range", **tiny})
    measure({"kind": "trace", "schedule": "cosine", **tiny, "data": settings.NOISY})
    measure({"kind": "edge", "momentum": 0.0, **tiny, "data": "chebyshev"})
