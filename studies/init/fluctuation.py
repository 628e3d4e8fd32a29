"""How far single narrow networks stray from the mean that He's variance keeps (A10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnsim.report.arms import rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.network_trials import LOOKING, look_at_network
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.relu_laws import LogGainLaw, relu_log_forward_law

from .shared import look_cost, repeated

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 8, 8
SURVIVAL_MARGIN = 0.02  # a width of 10 instead of 8 would be off by 0.023
SOURCE = "Hanin and Nica 2018; Hanin and Rolnick 2018"


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield narrow ReLU networks, as they are drawn."""
    network = {"scheme": "he_normal", "activation": "relu", "depth": DEPTH, "width": WIDTH}
    return repeated(config, "fluctuation", config["fluctuation_nets"], **network)


def measure(trial: NetworkTrial) -> Measured:
    """Look at what a network makes of one input; its layers are not kept."""
    return {"trials": look_at_network(trial, rows=1)["trials"]}


def law() -> LogGainLaw:
    """Return the exact law of a network's gain."""
    return relu_log_forward_law([WIDTH] * (DEPTH + 1))


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the mean and the spread of the gain, and for the share of networks that are alive."""
    rows = rows_of(tables["trials"], kind="fluctuation", status="done").sort_values("repeat", kind="stable")
    alive = rows["alive"].to_numpy(dtype=float)
    gains = rows["log_gain"].to_numpy(dtype=float)[alive == 1]
    where = f"he_normal, relu, {DEPTH} layers of {WIDTH}, one input"
    beta = DEPTH / WIDTH
    leading = f"leading order: -5 beta / 2 = {-2.5 * beta:g} and 5 beta = {5 * beta:g} with beta = {beta:g}"
    exact = law()
    yield Question(
        id="A10-mean",
        kind="claim",
        statement="The logarithm of a He network's gain has the mean of the chi-square product law.",
        source=SOURCE,
        arm=where,
        values=gains,
        rule=Within(exact.mean, 0.3),
        note=f"given that the network is alive; {leading}",
    )
    yield Question(
        id="A10-variance",
        kind="claim",
        statement="He fixes the mean, not the spread: ln of the gain has the law's variance.",
        source=SOURCE,
        arm=where,
        values=gains,
        rule=Within(exact.variance, 0.25 * exact.variance),
        interval="variance",
        note=f"given that the network is alive; {leading}",
    )
    yield Question(
        id="A10-survival",
        kind="claim",
        statement="A narrow ReLU network dies at an input as often as the law says.",
        source=SOURCE,
        arm=where,
        values=alive,
        rule=Within(exact.survival, SURVIVAL_MARGIN),
        interval="proportion",
    )


FLUCTUATION = Part(
    kinds={"fluctuation": Kind(NetworkTrial, measure, look_cost, LOOKING)}, trials=trials, questions=questions
)
