"""Whether schedules follow their formulas, and what they are worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, Exactly, Question, Within
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.declaration import Column
from nnsim.study.network_trials import TRAINING, data_of, nine_digits, recipe_of, train_alone
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.training import rate_courses as closed_forms
from nnsim.training import trainer
from nnsim.training.schedules import SCHEDULES as KNOWN

from .shared import NOISY, REPEAT, OptimizedTrial, became, settings_of, start_of, training_cost, words_of

if TYPE_CHECKING:
    import pandas as pd

CLEAN = "digits"
TRACE_EPOCHS, TRACE_RATES = 28, (0.5, 0.1, 0.003)
TRACE_TOLERANCE = 1e-7  # relative: traces are shown with nine digits
TRACE_COLUMNS = (
    Column("schedule", "text", "", "course of the learning rate"),
    REPEAT,
    Column("step", "int", "steps", "steps done before"),
    Column("rate", "float", "", "rate with which the step was taken (nine digits)"),
    Column("closed_form", "float", "", "rate that the paper's formula gives (nine digits)"),
)


@dataclass(frozen=True, kw_only=True)
class ScheduledTrial(OptimizedTrial):
    """A training under a schedule."""

    schedule: str


def course(name: str, epochs: int) -> str:
    """Return the schedule with lengths that fit the run; restarts end with the end of their third cycle."""
    settings = {
        "step": f":size={max(1, 2 * epochs // 3)},gamma=0.1",
        "exponential": ":gamma=0.8",
        "cosine_restarts": f":t_0={epochs // 7},t_mult=2",
        "plateau": ":patience=1,factor=0.3",
    }
    return name + settings.get(name, "")


def trials(config: Config) -> Iterator[ScheduledTrial]:
    """Yield trainings whose rate is traced, and those that are compared."""
    shared = settings_of(config)
    for name, (repeat, rate) in product(config["schedule"], enumerate(TRACE_RATES)):
        run = shared | {"schedule": course(name, TRACE_EPOCHS), "epochs": TRACE_EPOCHS, "learning_rate": rate}
        yield ScheduledTrial(kind="trace", optimizer="sgd", data=NOISY, repeat=repeat, **run)
    epochs = config["schedule_epochs"]
    grid = product((NOISY, CLEAN), config["schedule"], config["schedule_rate"], range(config["seeds"]))
    for data, name, rate, repeat in grid:
        run = shared | {"schedule": course(name, epochs), "epochs": epochs, "learning_rate": rate}
        yield ScheduledTrial(kind="schedule", optimizer="momentum", data=data, repeat=repeat, **run)


def _closed_form(name: str, epochs: int, losses: np.ndarray) -> np.ndarray:
    """Rates of `course` as the papers' formulas give them, relative to the largest."""
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


def measure_trace(trial: ScheduledTrial) -> Measured:
    """Train with one step an epoch, and hold the rate of every step against the closed form."""
    recipe = replace(recipe_of(trial), batch_size=data_of(trial).X_train.shape[0])
    start = start_of(trial, "float32", recipe)
    run = trainer.train(start.spec, start.theta, start.batches, recipe, start.key)
    losses, used = (run.history[:, trainer.COLUMNS.index(name)] for name in ("validation_loss", "learning_rate"))
    expected = trial.learning_rate * _closed_form(trial.schedule.split(":")[0], len(used), losses)
    pairs = enumerate(zip(used.tolist(), expected.tolist(), strict=True))
    return {
        "trials": [{"parameters": start.spec.n_parameters, **became(run)}],
        "traces": [{"step": step, "rate": nine_digits(a), "closed_form": nine_digits(b)} for step, (a, b) in pairs],
    }


def leads_of(trials: pd.DataFrame, data: str, schedule: str, column: str) -> tuple[np.ndarray, bool]:
    """Return schedule less constant rate at equal seeds, each at its own chosen rate, and whether one is at an edge."""
    runs = rows_of(trials, kind="schedule", data=data)
    runs = runs.assign(arm=runs["schedule"].str.split(":").str[0], log_loss=np.log(runs["test_loss"].astype(float)))
    arms, pair = ChosenArms(runs, ["arm"]), ({"arm": schedule}, {"arm": "constant"})
    return arms.lead(column, *pair), arms.at_edge(*pair)


def _trace_questions(traces: pd.DataFrame, config: Config) -> Iterator[Question]:
    names = traces["schedule"].str.split(":").str[0]
    for name in config["schedule"]:
        rows = traces[names == name]
        wrong = np.abs(rows["rate"] - rows["closed_form"]) > TRACE_TOLERANCE * rows["closed_form"].abs()
        yield Question(
            id=f"D5-trace-{name}",
            kind="check",
            statement=f"Training under '{name}' takes every step at the formula's rate.",
            source=KNOWN[name].source,
            arm=f"{TRACE_EPOCHS} steps, {len(TRACE_RATES)} learning rates",
            values=wrong.groupby(rows["repeat"]).sum().to_numpy(dtype=float),
            rule=Exactly(0.0),
            note="steps at another rate",
        )


def _where(config: Config) -> str:
    return f"{words_of(config)}, {config['schedule_epochs']} epochs, each at its best rate"


def _noisy_questions(trials: pd.DataFrame, config: Config) -> Iterator[Question]:
    for name in (name for name in config["schedule"] if name != "constant"):
        leads, at_edge = leads_of(trials, NOISY, name, "log_loss")
        yield Question(
            id=f"D5-{name}",
            kind="claim",
            statement=f"With noise, '{name}' ends at a lower loss than the best constant rate.",
            source=KNOWN[name].source,
            arm=f"{NOISY}, {_where(config)}",
            values=-leads,
            rule=Above(0.0),
            note="ln of the constant rate's test loss over the schedule's, same seed",
            at_edge=at_edge,
        )


def _clean_questions(trials: pd.DataFrame, config: Config) -> Iterator[Question]:
    for name in (name for name in ("cosine", "plateau") if name in config["schedule"]):
        leads, at_edge = leads_of(trials, CLEAN, name, "test_metric")
        yield Question(
            id=f"D5-{CLEAN}-{name}",
            kind="correction",
            statement=f"On {CLEAN}, '{name}' is worth less than 0.01 of accuracy.",
            source="the teaching page: apply a scheduler such as cosine annealing or reduction on a plateau",
            arm=f"{CLEAN}, {_where(config)}",
            values=leads,
            rule=Within(0.0, 0.01),
            note="test accuracy less that of the constant rate",
            at_edge=at_edge,
        )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the rate of every step, and for what schedules are worth with noise and without."""
    yield from _trace_questions(tables["traces"], config)
    yield from _noisy_questions(tables["trials"], config)
    yield from _clean_questions(tables["trials"], config)


SCHEDULES = Part(
    kinds={
        "trace": Kind(ScheduledTrial, measure_trace, training_cost, ("train_epochs float32",)),
        "schedule": Kind(ScheduledTrial, train_alone, training_cost, TRAINING),
    },
    trials=trials,
    questions=questions,
)
