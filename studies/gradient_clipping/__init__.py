"""Gradient clipping: what it saves, what it changes, and what it costs."""

from __future__ import annotations

from nnsim.data import datasets
from nnsim.study.axes import batch_axis
from nnsim.study.checks import check_batch_size
from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.network_trials import TRIAL_COLUMNS, columns_with
from nnsim.study.parts import Config, lazily, study_of

from .adamw import ADAMW
from .exploding import EXPLODING
from .first_steps import FIRST_STEPS, STEP_COLUMNS
from .shared import BY_VALUE, SMALL, USUAL, clipping
from .steady import STEADY_DESCENT

CLIPS = ("none", USUAL, SMALL, BY_VALUE)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
TRIALS = columns_with(
    TRIAL_COLUMNS,
    Column("problem", "text", "", "steady: shallow, He's start; deep: He's start; exploding: deep, weights too large"),
    Column("optimizer", "text", "", "rule of the update"),
    Column("clip", "text", "", "none, or what is clipped and where: norm:1, value:0.01"),
    Column("batch_size", "int", "rows", "rows a step"),
    Column("epochs", "int", "epochs", "epochs of the whole run"),
    Column("clipped", "float", "1", "share of the steps whose gradient was clipped, by norm or by value"),
)


def check(config: Config) -> None:
    """Raise UsageError for a clipping or a data set that cannot be used."""
    for text in config["clip"]:
        clipping(text)
    check_batch_size(config["batch_size"], {"data": config["data"]})


study = study_of(
    name="gradient-clipping",
    title="What gradient clipping saves and costs",
    question="When does clipping save a training, when does it change nothing, and what does it cost?",
    expect=(
        "Clipping by the global norm shortens a step and keeps its direction; clipping by value turns it. Networks "
        "whose gradients explode, by their start or by their rate, survive with it. The teaching page says that "
        "clipping at a norm of 1 should always be there: it saves what explodes and costs nothing where nothing does, "
        "but it does not replace a good start, and too small a threshold slows plain descent down until the rate is "
        "raised by the same factor. AdamW, which divides by the size of the gradient, hardly notices it."
    ),
    falsify=(
        "A clipped step that is not parallel to its gradient or longer than the threshold; exploding networks that "
        "diverge as often with clipping as without; a steady network that clipping at 1 makes worse by more than 0.02."
    ),
    misreading=(
        "That a clipped run survives does not mean that it learns well: compare what is reached, each at its own rate. "
        "And where every step is clipped, the threshold is a second learning rate, no safeguard."
    ),
    references=(
        "T. Mikolov, Statistical language models based on neural networks, PhD thesis, Brno 2012",
        "R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013",
        "K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015",
    ),
    axes=(
        Axis("clip", str, "what is clipped: none, norm:1, value:0.01", presets(*[CLIPS] * 3)),
        Axis("learning_rate", float, "grid of rates of plain SGD, the same for every arm",
             presets(RATES, RATES, (0.0003, *RATES, 10.0)), minimum=0, exclusive=True),
        Axis("adamw_rate", float, "grid of rates of AdamW", presets(*[(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)] * 3),
             minimum=0, exclusive=True),
        Axis("depth", int, "hidden layers of the deep networks", presets(20, 20, 30), minimum=1, scalar=True),
        Axis("width", int, "units of each hidden layer", presets(32, 32, 64), minimum=1, scalar=True),
        Axis("seeds", int, "independent seeds of each trained arm", presets(10, 20, 40), minimum=1, scalar=True),
        Axis("step_seeds", int, "networks whose first step is looked at", presets(20, 40, 100), minimum=1,
             scalar=True),
        Axis("epochs", int, "passes over the training data", presets(6, 12, 40), minimum=1, scalar=True),
        batch_axis(32),
        Axis("data", str, "data set", presets("digits", "digits", "digits"), scalar=True, names="datasets", file=True),
    ),
    tables=(Table("trials", TRIALS), Table("steps", STEP_COLUMNS, canonical=False)),
    schema_version=1,
    parts=(STEADY_DESCENT, EXPLODING, ADAMW, FIRST_STEPS),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=lambda config: {"data_sha256": datasets.fingerprint(config["data"])},
    answer=("D4-with", "D4-always"),
    statements=(
        "D4: clipping by the global norm keeps the direction and makes the length min(norm, threshold).",
        "D4: clipping by value leaves no number above the threshold and turns the gradient.",
        "D4: exploding networks diverge without clipping and survive, and learn, with it.",
        "D4: clipping does not replace a good start; where nothing explodes it changes nothing.",
        "D4: too small a threshold slows plain descent; only its product with the rate matters; AdamW does not notice.",
    ),
)  # fmt: skip
