"""Which learning rate? Where descent diverges, where sharpness settles, and what finders and schedules are worth."""

from __future__ import annotations

from nnsim.core.errors import UsageError
from nnsim.data import datasets
from nnsim.study.axes import batch_axis
from nnsim.study.checks import check_batch_size
from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.network_trials import TRIAL_COLUMNS, columns_with
from nnsim.study.parts import Config, lazily, study_of

from .adamw import ADAMW
from .edge import EDGE
from .quadratic import QUADRATIC
from .rate_range import SUGGESTION_COLUMNS
from .schedules import SCHEDULES, TRACE_COLUMNS
from .search import SEARCH
from .shared import NOISY, SHARPNESS_COLUMNS

SCHEDULE_NAMES = ("constant", "step", "exponential", "cosine", "one_cycle", "cosine_restarts", "plateau")


def _octaves(low: int, high: int) -> tuple[float, ...]:
    return tuple(2.0**power for power in range(low, high + 1))


def _halves(low: int, high: int) -> tuple[float, ...]:
    """Return 10^(k/2) to one digit, from 10^(low/2) to 10^(high/2)."""
    return tuple(float(f"{10 ** (power / 2):.0e}") for power in range(low, high + 1))


TRIALS = columns_with(
    TRIAL_COLUMNS,
    Column("optimizer", "text", "", "rule of the update; empty: heavy ball with the momentum beside it"),
    Column("schedule", "text", "", "course of the learning rate; empty: constant"),
    Column("momentum", "float", "", "momentum where it is not the optimizer's usual one"),
    Column("batch_size", "int", "rows", "rows a step; empty: all"),
    Column("epochs", "int", "epochs", "epochs of the whole run"),
    Column("critical_rate", "float", "", "rate above which descent diverges, found by bisection"),
    Column("steps", "float", "steps", "steps to the threshold of validation loss, or steps of a range test"),
)


def check(config: Config) -> None:
    """Raise UsageError for a length of schedules or a data set that cannot be used."""
    epochs = config["schedule_epochs"]
    if epochs % 7:
        raise UsageError(
            f"--schedule-epochs {epochs} cannot end with a cycle of warm restarts: "
            f"use a multiple of 7, such as {max(7, 7 * round(epochs / 7))}"
        )
    for data in dict.fromkeys((config["data"], *config["adamw_data"])):
        check_batch_size(config["batch_size"], {"data": data})


study = study_of(
    name="learning-rate",
    title="Which learning rate",
    question=(
        "How large may a learning rate be before descent diverges, what becomes of the sharpness under it, and what "
        "are range tests, schedules and rules of thumb worth against a real sweep?"
    ),
    expect=(
        "On a quadratic descent diverges exactly above (2 + 2 b) / lambda_max. A network is no quadratic: full-batch "
        "descent raises the sharpness until it stands at that edge, whatever the rate, and goes on learning. The "
        "teaching page says that too low a rate takes 100 times longer: it does if it is 100 times too low, because "
        "well below the fastest rate steps go as 1 / rate. It advises AdamW at 0.001: that is a rate for many steps, "
        "and the best one is higher where there are few. Schedules that end low help where gradient noise is what "
        "remains, and little where it is not."
    ),
    falsify=(
        "A quadratic that diverges at a rate more than 0.1 % away from (2 + 2 b) / lambda_max; a sharpness that "
        "settles elsewhere than within 2 % of the edge; steps that do not go as 1 / rate at a tenth of the fastest "
        "rate and below; a schedule whose steps have another rate than its formula."
    ),
    misreading=(
        "2 / lambda_max at the start is no upper limit of useful rates: early training at larger ones moves to where "
        "the loss is flatter. And a sharpness at 2 / eta does not mean that training is about to fail."
    ),
    references=(
        "B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964",
        "Y. LeCun, P. Simard and B. Pearlmutter, Automatic learning rate maximization by on-line estimation of the "
        "Hessian's eigenvectors, NIPS 1992",
        "L. N. Smith, Cyclical learning rates for training neural networks, WACV 2017",
        "I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017",
        "L. N. Smith and N. Topin, Super-convergence: very fast training of neural networks using large learning "
        "rates, 2019",
        "A. Lewkowycz, Y. Bahri, E. Dyer, J. Sohl-Dickstein and G. Gur-Ari, The large learning rate phase of deep "
        "learning: the catapult mechanism, 2020",
        "J. Howard and S. Gugger, fastai: a layered API for deep learning, Information 11, 2020",
        "J. Cohen, S. Kaur, Y. Li, J. Z. Kolter and A. Talwalkar, Gradient descent on neural networks typically occurs "
        "at the edge of stability, ICLR 2021",
    ),
    axes=(
        Axis("data", str, "data set of the sweep, the range test and the steps to a loss",
             presets("digits", "digits", "digits"), scalar=True, names="datasets", file=True),
        Axis("width", int, "units of each of the two hidden layers", presets(32, 32, 64), minimum=1, scalar=True),
        batch_axis(32),
        Axis("seeds", int, "independent seeds of each arm", presets(10, 20, 20), minimum=1, scalar=True),
        Axis("learning_rate", float, "grid of the sweep of plain SGD",
             presets(_octaves(-9, 3), _octaves(-10, 4), _octaves(-12, 5)), minimum=0, exclusive=True),
        Axis("epochs", int, "passes over the training data in the sweep", presets(8, 16, 32), minimum=1, scalar=True),
        Axis("speed_rate", float, "rates whose steps to the threshold are counted",
             presets(*[_halves(-6, 0)] * 3), minimum=0, exclusive=True),
        Axis("speed_epochs", int, "most passes there", presets(600, 600, 600), minimum=1, scalar=True),
        Axis("threshold", float, "validation loss that counts as learnt",
             presets(0.25, 0.25, 0.25), minimum=0, exclusive=True, scalar=True),
        Axis("adamw_data", str, "data sets on which AdamW's rate is swept",
             presets(("digits", "wine"), ("digits", "wine", "breast_cancer", NOISY),
                      ("digits", "wine", "breast_cancer", NOISY, "diabetes")), names="datasets", file=True),
        Axis("adamw_rate", float, "grid of AdamW's rates",
             presets(*[_halves(-8, -1)] * 3), minimum=0, exclusive=True),
        Axis("adamw_epochs", int, "passes under AdamW, the fewest and the most are compared",
             presets((4, 64), (4, 16, 64), (4, 16, 64, 256)), minimum=1),
        Axis("schedule", str, "schedules that are compared",
             presets(*[SCHEDULE_NAMES] * 3), choices=SCHEDULE_NAMES, names="schedules"),
        Axis("schedule_rate", float, "grid of the largest rates of every schedule",
             presets(_halves(-6, -1), _halves(-6, -1), _halves(-7, 0)), minimum=0, exclusive=True),
        Axis("schedule_epochs", int, "passes under every schedule, a multiple of 7",
             presets(14, 28, 56), minimum=7, scalar=True),
        Axis("edge_seeds", int, "networks that are followed to the edge of stability",
             presets(10, 20, 40), minimum=1, scalar=True),
        Axis("edge_steps", int, "steps of full-batch descent there",
             presets(30000, 30000, 100000), minimum=3, scalar=True),
    ),
    tables=(
        Table("trials", TRIALS),
        Table("suggestions", SUGGESTION_COLUMNS, canonical=False),
        Table("sharpness", SHARPNESS_COLUMNS, canonical=False),
        Table("traces", TRACE_COLUMNS, canonical=False),
    ),
    schema_version=1,
    parts=(SEARCH, ADAMW, SCHEDULES, QUADRATIC, EDGE),
    check=check,
    summary=lazily(__name__, "summary"),
    figures=lazily(__name__, "figures"),
    inputs=lambda config: {
        f"{name}_sha256": datasets.fingerprint(name) for name in sorted({config["data"], *config["adamw_data"]})
    },
    answer=("D3-edge", "D2-beyond"),
    statements=(
        "D2: on a quadratic, full-batch descent diverges exactly above (2 + 2 b) / lambda_max.",
        "D2: each of the range test's four rules finds a rate within 0.02 of a sweep's best test result.",
        "D2: networks learn at rates above 2 / lambda_max of their start, and too high a rate need not overflow.",
        "D2: well below the fastest rate, steps to a loss go as 1 / rate: 100 times too low takes 100 times longer.",
        "D2: AdamW at 0.001 falls short in few steps and is within 0.02 of the best rate in many.",
        "D3: full-batch descent takes the sharpness to (2 + 2 b) / eta; at eta = 0.02 the toy task is over before.",
        "D5: every schedule's steps have the rate of its formula; with noise it ends below the best constant rate.",
    ),
)  # fmt: skip
