"""From settings to a folder: train, keep checkpoints, write history, metrics, figure and model."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnsim.backends import Backend, choose
from nnsim.checkpoints import load_checkpoint, save_checkpoint
from nnsim.errors import StoreError
from nnsim.experiment.config import whole_number
from nnsim.experiment.files import publish, writing
from nnsim.experiment.machine import versions
from nnsim.experiment.progress import Progress
from nnsim.experiment.versions import ARITHMETIC_VERSION
from nnsim.kernels.cpu.training import BEST_EPOCH, VALIDATION_LOSS, VALIDATION_METRIC
from nnsim.models import Model
from nnsim.problem import CLASS_LOSSES, Problem, prepare
from nnsim.settings import Settings, command_line, option_of, read_toml, to_toml
from nnsim.shown import Shown
from nnsim.training import COLUMNS, Job, Run, evaluate, targets, train, train_on_cpu, trained_by

CALL_SECONDS = 0.5
"""How long a call of the kernel should take, so that progress shows and little is lost by a stop."""

CONFIG, CHECKPOINT, MODEL = "config.toml", "checkpoint.safetensors", "model.safetensors"


@dataclass(frozen=True, repr=False)
class TrainingResult(Shown):
    """What a training gave: its folder, the run, the metrics as in ``metrics.json``, and the files written."""

    folder: Path
    run: Run
    metrics: dict[str, Any]
    files: list[Path]

    def facts(self) -> dict[str, object]:
        """Return how the training ended, its scores, and where the results are."""
        scores = {part: self.metrics[part] for part in ("validation", "test") if self.metrics[part]}
        named = {part: ", ".join(f"{name} {value}" for name, value in found.items()) for part, found in scores.items()}
        kept = ("task", "status", "epochs", "best_epoch", "parameters")
        return {name: self.metrics[name] for name in kept} | named | {"folder": self.folder}


def run_training(
    settings: Settings,
    output: Path | str | None = None,
    *,
    checkpoint_every: int | None = None,
    backend: str = "cpu",
    progress: Progress | None = None,
) -> TrainingResult:
    """Train as `settings` say and write everything into a folder; go on where an earlier call was stopped.

    Parameters
    ----------
    settings : Settings
    output : path, optional
        Folder; by default ``nnsim-results/train-<data>``.
    checkpoint_every : int, optional
        Epochs between checkpoints; one is written at the end, and where the run is stopped, in any case.
    backend : str
        Where to train: ``"cpu"``, ``"cuda"``, or ``"auto"``, which is CUDA where it can be used. The bits are the same.
    progress : Progress, optional
        Is told of the epochs.

    Returns
    -------
    TrainingResult
        Divergence is its status, not an error.

    Raises
    ------
    UsageError, DataError
        If settings and data do not go together, or the backend cannot be used: before anything is written.
    StoreError
        If the folder holds another configuration, or the disk refuses.
    DeviceError
        If the GPU failed; the epochs before are kept.
    """
    listener = progress or Progress()
    if checkpoint_every is not None:
        whole_number("--checkpoint-every", checkpoint_every, 1)
    trainer = _trainer(choose(backend, listener.phase))
    problem = prepare(settings)
    fresh = train(problem.spec, problem.theta, problem.batches, problem.recipe, problem.key, until=0)
    folder = Path(output) if output is not None else default_output(settings)
    _claim(folder, problem.settings)
    run = _resumed(folder, problem, fresh, listener)
    run = _train(problem, run, trainer, folder, checkpoint_every, listener)
    return _written(problem, run, folder)


def default_output(settings: Settings) -> Path:
    """Return the folder for results where none is given."""
    return Path("nnsim-results") / f"train-{Path(str(settings.data)).stem}"


def identity(settings: Settings) -> str:
    """Return the hash of everything that a training's bits depend on."""
    return hashlib.sha256(f"{ARITHMETIC_VERSION}\n{to_toml(settings)}".encode()).hexdigest()


def _claim(folder: Path, settings: Settings) -> None:
    """Make the folder this configuration's, unless it is another's."""
    path = folder / CONFIG
    if path.is_file():
        _check_same(folder, read_toml(path), settings)
        return
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    publish(path, [to_toml(settings).encode()])


def _check_same(folder: Path, theirs: Settings, ours: Settings) -> None:
    if theirs == ours:
        return
    name = next(name for name, value in vars(ours).items() if value != vars(theirs)[name])
    held, asked = (vars(which)[name] for which in (theirs, ours))
    raise StoreError(
        f"'{folder}' holds a training with {option_of(name)} {held}, not {asked}: choose another folder with -o"
    )


def _resumed(folder: Path, problem: Problem, fresh: Run, progress: Progress) -> Run:
    path = folder / CHECKPOINT
    if not path.is_file():
        return fresh
    run = load_checkpoint(path, identity(problem.settings), fresh)
    if len(run.history) > problem.recipe.epochs:
        raise StoreError(f"'{path}' holds more epochs than the {problem.recipe.epochs} asked for: remove it")
    progress.phase(f"going on after epoch {len(run.history)} of {problem.recipe.epochs}")
    return run


# Training ------------------------------------------------------------------------------------------------------------


def _trainer(backend: Backend) -> Callable[[Job], Run]:
    if backend.name == "cpu":
        return train_on_cpu
    from nnsim.populations import train_population  # loads CUDA

    return lambda job: train_population([job])[0]


def _train(
    problem: Problem, run: Run, trainer: Callable[[Job], Run], folder: Path, every: int | None, progress: Progress
) -> Run:
    """Train to the end in short calls on a thread of its own, so that a signal is heard during a call, too."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="worker")
    epochs = problem.recipe.epochs
    progress.phase("compiling kernels where this is the first run")
    progress.begin(epochs, len(run.history), epochs - len(run.history), "epochs")
    try:
        seconds = CALL_SECONDS  # of an epoch
        while not is_over(run, epochs):
            last, start, done = _next_stop(len(run.history), epochs, seconds, every), time.monotonic(), run
            run = pool.submit(_call, trainer, problem, done, last).result()
            count = len(run.history) - len(done.history)
            seconds = (time.monotonic() - start) / max(count, 1)
            progress.advance(count, count, _note(run))
            if every and len(run.history) % every == 0:
                save_checkpoint(folder / CHECKPOINT, run, identity(problem.settings))
    finally:  # whatever ends the run, what is done is kept
        pool.shutdown(wait=False)
        progress.end()
        save_checkpoint(folder / CHECKPOINT, run, identity(problem.settings))
    return run


def _call(trainer: Callable[[Job], Run], problem: Problem, run: Run, last: int) -> Run:
    with trained_by(trainer):
        return train(problem.spec, run, problem.batches, problem.recipe, problem.key, until=last, auc=problem.auc)


def is_over(run: Run, epochs: int) -> bool:
    """Tell whether nothing is left to train."""
    return len(run.history) >= epochs or run.stopped_early or run.status == "diverged"


def _next_stop(done: int, epochs: int, seconds: float, every: int | None) -> int:
    """Return the epoch up to which the next call trains: about `CALL_SECONDS`, but not beyond a checkpoint."""
    last = done + max(1, int(CALL_SECONDS / max(seconds, 1e-6)))
    checkpoint = epochs if every is None else (done // every + 1) * every
    return min(last, checkpoint, epochs)


def _note(run: Run) -> str:
    if not len(run.history):
        return "diverged in the first epoch"
    row = dict(zip(COLUMNS, run.history[-1], strict=True))
    return (
        f"loss {row['train_loss']:.4g}, validation {row['validation_loss']:.4g}, "
        f"learning rate {row['learning_rate']:.3g}"
    )


# Results -------------------------------------------------------------------------------------------------------------


def _written(problem: Problem, run: Run, folder: Path) -> TrainingResult:
    """Write every file of a finished run; a diverged one has no model."""
    from nnsim.report.figures import save
    from nnsim.report.training_figures import training_figure

    best = best_epoch(problem, run)
    metrics = _metrics(problem, run, best)
    publish(folder / "history.csv", [history_csv(run.history)])
    publish(folder / "metrics.json", [(json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode()])
    figures = save(training_figure(run.history, _metric_name(problem), best), folder / "training")
    files = [folder / name for name in ("history.csv", "metrics.json")] + figures + [folder / CONFIG]
    model_file = folder / MODEL
    if run.status == "done":
        _model(problem, run, best).save(model_file)
        files.append(model_file)
    return TrainingResult(folder, run, metrics, [*files, folder / CHECKPOINT])


def history_csv(history: np.ndarray) -> bytes:
    """Return a history as CSV, an epoch a row, counted from 1; numbers read back exactly."""
    lines = [",".join(("epoch", *COLUMNS))]
    lines += [",".join((str(epoch), *map(repr, row))) for epoch, row in enumerate(history.tolist(), start=1)]
    return ("\n".join(lines) + "\n").encode()


def best_epoch(problem: Problem, run: Run) -> int | None:
    """Return the epoch, counted from 1, that early stopping restored or that did best on the validation rows."""
    if problem.recipe.patience is not None:
        best = int(run.state.stopping[BEST_EPOCH])
        return best + 1 if best >= 0 else None
    by_metric = problem.recipe.watch == "metric"
    values = -run.history[:, VALIDATION_METRIC] if by_metric else run.history[:, VALIDATION_LOSS]
    return None if np.isnan(values).all() else int(np.nanargmin(values)) + 1


def _metric_name(problem: Problem) -> str:
    return "accuracy" if problem.spec.loss in CLASS_LOSSES else "R2"


def _metrics(problem: Problem, run: Run, best: int | None) -> dict[str, Any]:
    split = problem.split
    diverged = run.status == "diverged"
    return {
        "task": split.task,
        "status": run.status,
        "diverged_at_step": run.diverged_at if diverged else None,
        "epochs": len(run.history),
        "stopped_early": bool(run.stopped_early),
        "best_epoch": best,
        "best_restored": problem.recipe.patience is not None and best is not None,
        "test": None if diverged else _scores(problem, run, split.X_test, split.y_test),
        "validation": None if diverged else _scores(problem, run, split.X_validation, split.y_validation),
        "rows": {"train": len(split.X_train), "validation": len(split.X_validation), "test": len(split.X_test)},
        "parameters": problem.spec.n_parameters,
        "seed": problem.settings.seed,
        "arithmetic_version": ARITHMETIC_VERSION,
        "versions": versions(),
        "command": command_line(problem.settings),
    }


def _scores(problem: Problem, run: Run, X: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    """Return loss, metric and, for two classes, area under the ROC curve; None where one is not defined."""
    real = problem.spec.numpy_dtype
    scores = evaluate(
        problem.spec, run.theta, np.ascontiguousarray(X, real), targets(y, real), run.statistics, problem.auc
    )
    named = {"loss": scores.loss, _metric_name(problem): scores.metric, "AUC": scores.auc}
    if not problem.auc:
        del named["AUC"]
    return {name: float(value) if math.isfinite(value) else None for name, value in named.items()}


def _model(problem: Problem, run: Run, best: int | None) -> Model:
    seen = best if problem.recipe.patience is not None and best is not None else len(run.history)
    return Model(
        spec=problem.spec,
        theta=run.theta,
        statistics=run.statistics,
        task=problem.dataset.task,
        feature_names=problem.dataset.feature_names,
        class_names=problem.dataset.class_names,
        scaling=problem.split.scaling,
        target_scaling=problem.split.target_scaling,
        steps=seen * problem.recipe.steps(len(problem.batches.X)),
    )
