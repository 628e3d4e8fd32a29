"""What is left behind sigmoid layers, against the textbook's bound of 0.25 a layer (A8)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtMost, Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.declaration import Column
from nnsim.study.network_trials import LOOKING, drawn_network, nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part, Rows

from .predictions import MEAN_FIELD, PAGE, backward_factor, lost
from .shared import WIDE, RemedyTrial, look, look_cost

if TYPE_CHECKING:
    import pandas as pd

CROSSED = (5, 10, 20)  # layers at which the bound is compared
LARGE_WEIGHTS = "mean_field:20"
SCHEMES = ("xavier_normal", "preserving_normal", LARGE_WEIGHTS)
NORM_MARGIN = 0.02  # of ln per layer of a norm: variance 1.15 instead of 1 would be off by 0.07
SPECTRA_COLUMNS = (
    Column("scheme", "text", "", "initialization scheme"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "hidden layer with a square weight matrix"),
    Column("spectral_norm", "float", "", "largest singular value of the weight matrix (LAPACK, nine digits)"),
)


def trials(config: Config) -> Iterator[RemedyTrial]:
    """Yield sigmoid networks of three weight scales, deep enough to cross so many layers."""
    data = data_settings(config)
    for scheme, crossed, repeat in product(SCHEMES, CROSSED, range(config["probe_seeds"])):
        yield RemedyTrial(
            kind="bound",
            scheme=scheme,
            activation="sigmoid",
            depth=crossed + 1,
            width=WIDE,
            repeat=repeat,
            **data,
        )


def _spectra(trial: RemedyTrial) -> Rows:
    """Spectral norm of the second layer, the first square one: by LAPACK, so rounded and not canonical."""
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[1]
    return [{"layer": 2, "spectral_norm": nine_digits(float(np.linalg.norm(W, 2)))}]


def measure(trial: RemedyTrial) -> Measured:
    """Look at a network, and at the norm of its weights where it is one of the shallowest."""
    return look(trial) | ({"spectra": _spectra(trial)} if trial.depth == CROSSED[0] + 1 else {})


def _norms(layers: pd.DataFrame, scheme: str, crossed: int) -> np.ndarray:
    """Return ln of the factor of the gradient's norm over so many steps back, for each seed."""
    rows = rows_of(layers, kind="bound", activation="sigmoid", scheme=scheme, depth=crossed + 1)
    return crossed / 2 * lost(rows, 1, crossed + 1)


def _where(scheme: str, crossed: int) -> str:
    return f"{scheme}, sigmoid, {crossed} steps back through layers of {WIDE}"


def _glorot_questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask what is left at Glorot scale, and whether the bound says it."""
    for crossed in CROSSED:
        ask = partial(
            Question,
            arm=_where("xavier_normal", crossed),
            values=_norms(layers, "xavier_normal", crossed),
            note=f"ln of the norm's factor over {crossed} steps",
        )
        expected = crossed / 2 * backward_factor("xavier_normal", "sigmoid", crossed + 1, WIDE)
        yield ask(
            id=f"A8-factor-{crossed}",
            kind="claim",
            statement=f"{crossed} sigmoid layers at Glorot scale shrink the gradient's norm by the mean-field factor.",
            source=MEAN_FIELD,
            rule=Within(expected, NORM_MARGIN * crossed),
        )
        yield ask(
            id=f"A8-bound-{crossed}",
            kind="correction",
            statement=f"0.25^{crossed} overstates what is left: at Glorot scale the gradient is smaller still.",
            source=PAGE,
            rule=AtMost(crossed * math.log(0.25)),
        )


def _larger_questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask whether larger weights keep more than the bound has it."""
    for name, scheme, bound, statement in (
        (
            "A8-not-a-law",
            "preserving_normal",
            10 * math.log(0.25),
            "With variance-preserving weights ten sigmoid layers keep more than 0.25^10: it bounds weights of norm 1 "
            "only.",
        ),
        (
            "A8-grows",
            LARGE_WEIGHTS,
            0.0,
            "With weights large enough a gradient grows on its way through ten sigmoid layers.",
        ),
    ):
        yield Question(
            id=name,
            kind="correction",
            statement=statement,
            source=PAGE,
            arm=_where(scheme, 10),
            values=_norms(layers, scheme, 10),
            rule=Above(bound),
            note="ln of the norm's factor over 10 steps",
        )


def _premise_question(spectra: pd.DataFrame) -> Question:
    return Question(
        id="A8-premise",
        kind="correction",
        statement="Glorot's weights have a spectral norm near 2, so that 0.25 a layer is no bound.",
        source="Geman 1980; textbook statement: 0.25^10",
        arm=f"xavier_normal, square layer of {WIDE}",
        values=rows_of(spectra, scheme="xavier_normal")["spectral_norm"].to_numpy(),
        rule=Within(2.0, 0.1),
        note="spectral norm of a Gaussian square matrix of variance 1 / n",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether the textbook's 0.25 a layer is a law, or a bound at all."""
    yield from _glorot_questions(tables["layers"])
    yield from _larger_questions(tables["layers"])
    yield _premise_question(tables["spectra"])


BOUND = Part(
    kinds={"bound": Kind(RemedyTrial, measure, look_cost, LOOKING)},
    trials=trials,
    questions=questions,
)
