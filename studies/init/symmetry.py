"""Units that start equal stay equal (A14)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from nnsim.report.arms import rows_of
from nnsim.report.questions import AtLeast, Exactly, Question, Rule
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import TRAINING, train_alone
from nnsim.study.parts import Config, Kind, Part
from nnsim.study.trials import TrainingTrial

from .shared import training_cost

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH, EPOCHS = 2, 16, 3
EQUAL, RANDOM = ("zeros", "constant:0.1"), "he_normal"


def trials(config: Config) -> Iterator[TrainingTrial]:
    """Yield networks whose units start equal, and others whose units do not."""
    network: dict[str, Any] = {"activation": "tanh", "depth": DEPTH, "width": WIDTH, **data_settings(config)}
    recipe: dict[str, Any] = {"learning_rate": 0.05, "epochs": EPOCHS, "probe_epoch": []}
    recipe |= {name: config[name] for name in ("batch_size", "momentum")}
    for scheme, repeat in product((*EQUAL, RANDOM), range(config["seeds"])):
        yield TrainingTrial(kind="symmetry", scheme=scheme, repeat=repeat, **network, **recipe)


def _question(trials: pd.DataFrame, name: str, statement: str, scheme: str, rule: Rule) -> Question:
    return Question(
        id=f"A14-{name}",
        kind="check",
        statement=statement,
        source="Rumelhart, Hinton and Williams 1986",
        arm=f"{scheme}, tanh, {DEPTH} layers of {WIDTH}, {EPOCHS} epochs",
        values=rows_of(trials, kind="symmetry", scheme=scheme)["asymmetry"].to_numpy(),
        rule=rule,
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how far the incoming weights of two units of one layer are apart after training."""
    trials = tables["trials"]
    for scheme in EQUAL:
        statement = f"Units that start equal ({scheme}) stay equal, to the last bit."
        yield _question(trials, scheme.split(":")[0], statement, scheme, Exactly(0.0))
    yield _question(trials, "random", "Units that start different stay different.", RANDOM, AtLeast(0.1))


SYMMETRY = Part(
    kinds={"symmetry": Kind(TrainingTrial, train_alone, training_cost, TRAINING)}, trials=trials, questions=questions
)
