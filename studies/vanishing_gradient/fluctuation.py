"""How gradients scatter between narrow networks (A10)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import LOOKING
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.signals.relu_laws import LogGainLaw, relu_log_backward_law

from .predictions import PAGE_RELU
from .shared import RemedyTrial, look, look_cost

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 8, 8


def trials(config: Config) -> Iterator[RemedyTrial]:
    """Yield narrow networks."""
    data = data_settings(config)
    for repeat in range(config["narrow_nets"]):
        arm: dict[str, Any] = {"scheme": "he_normal", "activation": "relu"}
        yield RemedyTrial(kind="fluctuation", depth=DEPTH, width=WIDTH, repeat=repeat, **arm, **data)


def measure(trial: RemedyTrial) -> Measured:
    """Look at what is left of a gradient for a single input."""
    return {"trials": look(trial, 1)["trials"]}


def law() -> LogGainLaw:
    """Return the exact law of ln(delta_1^2 / delta_L^2)."""
    return relu_log_backward_law([WIDTH] * DEPTH)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how gradients scatter between narrow networks."""
    rows = rows_of(tables["trials"], kind="fluctuation", status="done").sort_values("repeat", kind="stable")
    changes, beta = rows["log_gradient"].dropna().to_numpy(dtype=float), (DEPTH - 1) / WIDTH
    where = f"he_normal, relu, {DEPTH} layers of {WIDTH}, one input, given that a gradient arrives"
    expected = law()
    ask = partial(
        Question,
        kind="claim",
        source="Hanin and Nica 2018; Hanin and Rolnick 2018",
        arm=where,
        values=changes,
        note=f"ln(delta_1^2 / delta_L^2); leading order -5 beta / 2 = {-2.5 * beta:g}, 5 beta = {5 * beta:g}",
    )
    yield ask(
        id="A10-mean",
        statement="The logarithm of a He network's gradient has the mean of the chi-square product law.",
        rule=Within(expected.mean, 0.3),
    )
    yield ask(
        id="A10-variance",
        statement="He fixes the gradient's mean, not its spread: its logarithm has the law's variance.",
        rule=Within(expected.variance, 0.25 * expected.variance),
        interval="variance",
    )
    yield Question(
        id="A10-most-shrink",
        kind="correction",
        statement="Even with He's variance the gradient shrinks in most narrow networks.",
        source=PAGE_RELU,
        arm=where,
        values=(changes < 0).astype(float),
        rule=Above(0.5),
        interval="proportion",
        note="share of networks with delta_1^2 < delta_L^2; the rest grows enough to keep the mean",
    )


FLUCTUATION = Part(
    kinds={"fluctuation": Kind(RemedyTrial, measure, look_cost, LOOKING)},
    trials=trials,
    questions=questions,
)
