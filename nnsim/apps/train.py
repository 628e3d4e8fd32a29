"""From settings to a folder: train, keep checkpoints, write history, metrics, figure and model."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnsim.apps.checkpoints import load_checkpoint, save_checkpoint
from nnsim.apps.model_file import Model
from nnsim.apps.settings import Settings, command_line, option_of, read_toml, to_toml, with_files
from nnsim.apps.setup import CLASS_LOSSES, Problem, prepare, reading
from nnsim.core.atomic_files import publish
from nnsim.core.errors import NnsimError, StoreError
from nnsim.core.output_folders import claim_folder, named, refuse_inputs
from nnsim.core.progress import Progress
from nnsim.core.shown import Shown
from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.data.data_files import STANDARD_INPUT
from nnsim.data.data_paths import from_folder, label
from nnsim.data.datasets import files_named
from nnsim.experiment.config import whole_number
from nnsim.experiment.results.environment import versions
from nnsim.kernels.formulas.columns import VALIDATION_LOSS, VALIDATION_METRIC
from nnsim.kernels.formulas.scores import BEST_EPOCH
from nnsim.training.backend import Backend, choose
from nnsim.training.trainer import (
    COLUMNS,
    Run,
    TrainRequest,
    evaluate,
    lengthened,
    targets,
    train,
    train_on_cpu,
    trained_by,
    without_lone_row,
)

CALL_SECONDS = 0.5
"""How long a call of the kernel should take, so that progress shows and little is lost by a stop."""

CONFIG, CHECKPOINT, MODEL = "config.toml", "checkpoint.safetensors", "model.safetensors"
HISTORY, METRICS, FIGURE = "history.csv", "metrics.json", "training.png"


@dataclass(frozen=True, repr=False)
class TrainingResult(Shown):
    """What a training gave.

    Attributes
    ----------
    folder : Path
    run : Run
        As it was trained: the losses of a regression are those of standardised targets.
    history : float64 array (epochs done, `nnsim.training.trainer.COLUMNS`)
        As in ``history.csv``: losses are in the target's own units, squared for mse and huber; those of several targets
        in the standard deviation of each.
    metrics : dict
        As in ``metrics.json``, in the same units.
    files : list of Path
        The files written.
    """

    folder: Path
    run: Run
    history: np.ndarray
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

    A training that has ended goes on with more epochs, where its bits are then those of one that had them at once.

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
        If settings and data do not go together, the backend cannot be used, or the data would be overwritten: before
        anything is written.
    StoreError
        If the folder holds another configuration or files of somebody else, or the disk refuses.
    DeviceError
        If the GPU failed; the epochs before are kept.

    Warns
    -----
    NnsimWarning
        If the last batch of an epoch is left out because it is one row under batch normalisation.
    """
    listener = progress or Progress()
    if checkpoint_every is not None:
        whole_number("--checkpoint-every", checkpoint_every, 1)
    trainer = _trainer(choose(backend, listener.phase))
    problem = prepare(settings)
    for note in problem.notes:
        listener.note(note)
    problem = replace(problem, recipe=without_lone_row(problem.spec, problem.recipe, len(problem.batches.X)))
    fresh = train(problem.spec, problem.theta, problem.batches, problem.recipe, problem.key, until=0)
    folder = named(output) if output is not None else default_output(settings)
    run = _begun(folder, problem, fresh, listener)
    run = _train(problem, run, trainer, folder, checkpoint_every, listener)
    return _written(problem, run, folder)


def default_output(settings: Settings, command: str = "train") -> Path:
    """Return the folder for results where none is given."""
    name = "stdin" if settings.data == STANDARD_INPUT else Path(str(settings.data).removesuffix(".gz")).stem
    return Path("nnsim-results") / f"{command}-{name}"


def identity(settings: Settings) -> str:
    """Return the hash of everything that a training's bits depend on, but for how many epochs there are to be."""
    known = replace(_by_content(settings), epochs=0)
    return hashlib.sha256(f"{ARITHMETIC_VERSION}\n{to_toml(known)}".encode()).hexdigest()


def _by_content(settings: Settings) -> Settings:
    """Return settings in which a data file is its SHA-256 alone, whatever it is called."""
    return settings if settings.data_sha256 is None else with_files(settings, lambda path: "")


def _begun(folder: Path, problem: Problem, fresh: Run, progress: Progress) -> Run:
    """Make the folder this training's, unless it is another's, and return the run that it holds, or `fresh`."""
    files = (CONFIG, CHECKPOINT, MODEL, HISTORY, METRICS, FIGURE)
    refuse_inputs([folder / name for name in files], files_named(str(problem.settings.data), problem.settings.target))
    held = _held(folder)
    claim_folder(folder, lambda folder: held is not None)
    if held is not None:
        _check_same(folder, held, problem)
    run = _resumed(folder, problem, fresh, held)
    if held is None or held.epochs < problem.recipe.epochs:
        here = with_files(problem.settings, partial(from_folder, folder=folder))
        publish(folder / CONFIG, [to_toml(here).encode()])
    if len(run.history):
        progress.phase(f"going on after epoch {len(run.history)} of {problem.recipe.epochs}")
    return run


def _held(folder: Path) -> Settings | None:
    """Return the settings of the training that `folder` holds."""
    path = folder / CONFIG
    if not path.is_file():
        return None
    try:
        return read_toml(path)
    except NnsimError as error:
        raise StoreError(f"'{path}' is damaged, or no training's: choose another folder with -o ({error})") from error


def _check_same(folder: Path, theirs: Settings, problem: Problem) -> None:
    """Refuse another training; one of fewer epochs is the same, where its learning rates do not depend on them."""
    ours, epochs = problem.settings, theirs.epochs
    held, asked = (vars(_by_content(settings)) for settings in (theirs, ours))
    for name in asked:
        if held[name] != asked[name] and not (name == "epochs" and epochs < ours.epochs):
            raise StoreError(
                f"'{folder}' holds a training with {option_of(name)} {getattr(theirs, name)}, "
                f"not {getattr(ours, name)}: choose another folder with -o"
            )
    if epochs == ours.epochs:
        return
    rows = len(problem.batches.X)
    rates = replace(problem.recipe, epochs=epochs).rates(rows)
    if not np.array_equal(rates, problem.recipe.rates(rows)[: len(rates)]):
        raise StoreError(
            f"'{folder}' holds a training of {epochs} epochs, over which its schedule '{ours.schedule}' was spread, "
            f"so it cannot go on to {ours.epochs}: choose another folder with -o"
        )


def _resumed(folder: Path, problem: Problem, fresh: Run, held: Settings | None) -> Run:
    path = folder / CHECKPOINT
    if held is None or not path.is_file():
        return fresh
    run = load_checkpoint(path, identity(problem.settings), fresh)
    if len(run.history) > problem.recipe.epochs:
        raise StoreError(f"'{path}' holds more epochs than the {problem.recipe.epochs} asked for: remove it")
    if held.epochs < problem.recipe.epochs:
        run = lengthened(run, problem.recipe, held.epochs)
        save_checkpoint(path, run, identity(problem.settings))  # before the configuration says that it is longer
    return run


# Training ------------------------------------------------------------------------------------------------------------


def _trainer(backend: Backend) -> Callable[[TrainRequest], Run]:
    if backend.name == "cpu":
        return train_on_cpu
    from nnsim.training.cuda_populations import train_population  # loads CUDA

    return lambda job: train_population([job])[0]


def _train(
    problem: Problem,
    run: Run,
    trainer: Callable[[TrainRequest], Run],
    folder: Path,
    every: int | None,
    progress: Progress,
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
            progress.advance(count, count, _note(problem, run))
            if every and len(run.history) % every == 0:
                save_checkpoint(folder / CHECKPOINT, run, identity(problem.settings))
    finally:  # whatever ends the run, what is done is kept
        pool.shutdown(wait=False)
        progress.end()
        save_checkpoint(folder / CHECKPOINT, run, identity(problem.settings))
    return run


def _call(trainer: Callable[[TrainRequest], Run], problem: Problem, run: Run, last: int) -> Run:
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


def _note(problem: Problem, run: Run) -> str:
    if not len(run.history):
        return "diverged in the first epoch"
    row = dict(zip(COLUMNS, problem.unit.told(run.history[-1:])[0], strict=True))
    return (
        f"loss {row['train_loss']:.4g}, validation {row['validation_loss']:.4g}, "
        f"learning rate {row['learning_rate']:.3g}"
    )


# Results -------------------------------------------------------------------------------------------------------------


def _written(problem: Problem, run: Run, folder: Path) -> TrainingResult:
    """Write every file of a finished run; a diverged one has no model."""
    from nnsim.apps.training_figures import training_figure
    from nnsim.report.figures import save

    best, history = best_epoch(problem, run), problem.unit.told(run.history)
    metrics = _metrics(problem, run, best)
    publish(folder / HISTORY, [history_csv(history)])
    publish(folder / METRICS, [(json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode()])
    figure = training_figure(history, _metric_name(problem), best, problem.unit.words)
    save(figure, (folder / FIGURE).with_suffix(""))
    files = [folder / name for name in (HISTORY, METRICS, FIGURE, CONFIG)]
    model_file = folder / MODEL
    if run.status == "done":
        _model(problem, run, best).save(model_file)
        files.append(model_file)
    return TrainingResult(folder, run, history, metrics, [*files, folder / CHECKPOINT])


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
        "loss": problem.spec.loss,
        "loss_unit": problem.unit.words or None,
        "test": None if diverged else _scores(problem, run, split.X_test, split.y_test),
        "validation": None if diverged else _scores(problem, run, split.X_validation, split.y_validation),
        "rows": {"train": len(split.X_train), "validation": len(split.X_validation), "test": len(split.X_test)},
        "parameters": problem.spec.n_parameters,
        "seed": problem.settings.seed,
        "arithmetic_version": ARITHMETIC_VERSION,
        "versions": versions(),
        "command": command_line(with_files(problem.settings, label)),
    }


def _scores(problem: Problem, run: Run, X: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    """Return loss, metric and, for two classes, area under the ROC curve; None where one is not defined."""
    real = problem.spec.numpy_dtype
    scores = evaluate(
        problem.spec, run.theta, np.ascontiguousarray(X, real), targets(y, real), run.statistics, problem.auc
    )
    named = {"loss": scores.loss * problem.unit.loss, _metric_name(problem): scores.metric, "AUC": scores.auc}
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
        features=problem.split.features,
        dialect=reading(problem.settings).dialect,
    )
