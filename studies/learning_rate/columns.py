"""What each table of the study holds."""

from __future__ import annotations

from nnsim.study.declaration import Column
from nnsim.study.dict_network_trials import TRIAL_COLUMNS, columns_with

MORE = (
    Column("optimizer", "text", "", "rule of the update; empty: heavy ball with the momentum beside it"),
    Column("schedule", "text", "", "course of the learning rate; empty: constant"),
    Column("momentum", "float", "", "momentum where it is not the optimizer's usual one"),
    Column("batch_size", "int", "rows", "rows a step; empty: all"),
    Column("epochs", "int", "epochs", "epochs of the whole run"),
    Column("critical_rate", "float", "", "rate above which descent diverges, found by bisection"),
    Column("steps", "float", "steps", "steps to the threshold of validation loss, or steps of a range test"),
)
TRIALS = columns_with(TRIAL_COLUMNS, *MORE)
REPEAT = Column("repeat", "int", "", "number of the independent seed")
SUGGESTION_COLUMNS = (
    REPEAT,
    Column("rule", "text", "", "steep, minimum, valley or slide; explosion: the rate at which the test ended"),
    Column("rate", "float", "", "learning rate (nine digits)"),
)
SHARPNESS_COLUMNS = (
    Column("kind", "text", "", "quadratic, edge or range: the trial that was looked at"),
    Column("learning_rate", "float", "", "step size; empty where nothing is trained yet"),
    Column("momentum", "float", "", "momentum of the heavy ball"),
    REPEAT,
    Column("step", "int", "steps", "steps done before the look"),
    Column("loss", "float", "half squared units", "half the mean squared error of the last step; only of kind edge"),
    Column("sharpness", "float", "", "largest eigenvalue of the Hessian of the training loss, at edge of half of it"),
)
TRACE_COLUMNS = (
    Column("schedule", "text", "", "course of the learning rate"),
    REPEAT,
    Column("step", "int", "steps", "steps done before"),
    Column("rate", "float", "", "rate with which the step was taken (nine digits)"),
    Column("closed_form", "float", "", "rate that the paper's formula gives (nine digits)"),
)
