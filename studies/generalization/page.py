"""What the teaching page's network makes of random labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnsim.core.seeding import key
from nnsim.kernels.cpu.draws import fill_normal, fill_uniform
from nnsim.kernels.formulas.philox import DATA, NOISE
from nnsim.networks.spec import NetworkSpec
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtLeast, Question, Within
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import Trial
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

from .shared import KERNELS, ZHANG, scores, trained

if TYPE_CHECKING:
    import pandas as pd

ROWS, TEST_ROWS, INPUTS = 1000, 2000, 128
RECIPE: dict[str, Any] = {
    "learning_rate": 1e-3,
    "batch_size": 64,
    "optimizer": "adamw",
    "schedule": "cosine",
    "clip_norm": 1.0,
}
DECAYS = (0.0, 1e-4)


@dataclass(frozen=True, kw_only=True)
class PageTrial(Trial):
    """The page's kind of network; `strength` is its weight decay."""

    strength: float
    width: int
    epochs: int

    def smallest(self) -> Self:
        """Return one epoch of a narrow network."""
        return replace(super().smallest(), width=2, epochs=1)


def trials(config: Config) -> Iterator[PageTrial]:
    """Yield networks without decay and with the page's."""
    shape = {"width": config["page_width"], "epochs": config["page_epochs"]}
    for decay, repeat in product(DECAYS, range(config["seeds"])):
        yield PageTrial(kind="page", strength=decay, repeat=repeat, **shape)


def page_data(trial: PageTrial) -> tuple[np.ndarray, np.ndarray]:
    """Return the teaching page's kind of data, training rows first: Gaussian inputs, random labels."""
    number = np.uint64(key(trial.root_seed, "page", trial.repeat))
    rows = ROWS + TEST_ROWS
    inputs, draws = np.empty(rows * INPUTS), np.empty(rows)
    fill_normal(inputs, number, DATA, 0)
    fill_uniform(draws, number, NOISE, 0)
    return inputs.reshape(rows, INPUTS).astype(np.float32), (draws < 0.5).astype(np.float32)[:, None]


def measure(trial: PageTrial) -> Measured:
    """Train the teaching page's kind of network by its recipe on its kind of data."""
    X, Y = page_data(trial)
    batches = trainer.Batches(X[:ROWS], Y[:ROWS], X[:0], Y[:0])
    spec = NetworkSpec((INPUTS, *[trial.width] * 3, 1), loss="bce", normalization="batch", dropout=0.3)
    recipe = Recipe(**RECIPE, weight_decay=trial.strength, epochs=trial.epochs)
    run = trained(trial, spec, "torch_default", batches, recipe)
    return {"trials": [scores(spec, run, batches, (X[ROWS:], Y[ROWS:]), 2, 0.0)]}


def cost(trial: PageTrial) -> float:
    """Return the expected seconds: multiply-adds at a speed seen on small networks, plus overheads."""
    parameters = trial.width * (INPUTS + 2 * trial.width)
    return 1e-2 + trial.epochs * ROWS * (2e-7 * trial.width / 16 + 3e-10 * parameters)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask what the network learns from random labels, and what its decay does."""
    rows = rows_of(tables["trials"], kind="page", status="done").sort_values("repeat", kind="stable")
    free, decayed = (rows_of(rows, strength=decay).set_index("repeat") for decay in DECAYS)
    where = f"Gaussian rows with random labels, 3 layers of {config['page_width']}, {config['page_epochs']} epochs"
    source = "teaching page: its code trains on random labels with batch normalisation, dropout and AdamW"
    yield Question(
        id="G-page-memorise",
        kind="correction",
        statement="Dropout of 0.3 and weight decay do not stop memorising: random labels are fitted to over 90 %.",
        source=f"{source}; {ZHANG}",
        arm=where,
        values=decayed["train_metric"].dropna().to_numpy(dtype=float),
        rule=AtLeast(0.9),
        note="training accuracy",
    )
    yield Question(
        id="G-page-chance",
        kind="correction",
        statement="The code that the page shows learns nothing: on new rows it is at chance.",
        source=source,
        arm=where,
        values=decayed["test_metric"].dropna().to_numpy(dtype=float),
        rule=Within(0.5, 0.03),
        note="test accuracy",
    )
    yield Question(
        id="G-page-decay",
        kind="correction",
        statement="AdamW's decay of 1e-4 at a rate of 1e-3 does nothing to the gap.",
        source=source,
        arm=where,
        values=(decayed["gap"] - free["gap"]).dropna().to_numpy(dtype=float),
        rule=Within(0.0, 0.03),
        note="paired difference of the gap with and without decay",
    )


PAGE = Part(kinds={"page": Kind(PageTrial, measure, cost, KERNELS)}, trials=trials, questions=questions)
