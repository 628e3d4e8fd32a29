"""How far single networks stray from the rule that He's initialization keeps the signal.

A study of your own. Try it with ``nnsim study run FILE`` and ``nnsim study check FILE``, then change it: what varies
(the axes), what is measured (the trials of each part), what is claimed of it (its questions), what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnsim.report.questions import Question, Within
from nnsim.study.declaration import Axis, Column, Table, presets
from nnsim.study.network_trials import LOOKING, look_at_network
from nnsim.study.parts import Config, Kind, Measured, Part, study_of
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.relu_laws import relu_log_forward_law

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.figures import FigureSpec

MARGIN = 0.4  # of ln: a variance of 1.8 instead of 2 is off by 0.5 in 5 layers


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield every network: one for each depth and seed."""
    for depth in config["depth"]:
        for repeat in range(config["seeds"]):
            yield NetworkTrial(
                kind="gain",
                scheme="he_normal",
                activation="relu",
                depth=depth,
                width=config["width"],
                repeat=repeat,
                data="xor",
                samples=60,
            )


def measure(trial: NetworkTrial) -> Measured:
    """Return what was measured of one network; all that is random comes from ``trial.root_seed``."""
    (seen,) = look_at_network(trial, rows=1)["trials"]
    return {"trials": [{"log_gain": seen["log_gain"]}]}


def cost(trial: NetworkTrial) -> float:
    """Return the expected seconds on one core."""
    return 3e-4 + 8e-9 * trial.depth * trial.width**2


def _laws(tables: dict[str, pd.DataFrame]) -> Iterator[tuple[int, int, Any, Any]]:
    """Yield depth, width, exact law and measured values of each arm."""
    for (depth, width), arm in tables["trials"].groupby(["depth", "width"]):
        law = relu_log_forward_law([int(width)] * (int(depth) + 1))
        yield int(depth), int(width), law, arm["log_gain"].to_numpy(dtype=float)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether each depth follows the law; all answers are judged at one simultaneous confidence."""
    for depth, width, law, values in _laws(tables):
        yield Question(
            id=f"mean-{depth}",
            kind="claim",
            statement="The logarithm of the gain has the mean of the exact law, which is below zero.",
            source="Hanin and Nica 2018",
            arm=f"he_normal, relu, {depth} layers of {width}",
            values=values,
            rule=Within(law.mean, MARGIN),
        )


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the medians of each depth."""
    rows = tables["trials"].astype({"log_gain": float})
    return rows.groupby("depth", as_index=False)["log_gain"].median().rename(columns={"log_gain": "log_gain_median"})


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return one histogram a depth."""
    from nnsim.report.figures import FigureSpec  # matplotlib, which listing the study need not wait for
    from nnsim.report.plots import signal_curves

    return {
        f"spread-{depth}": FigureSpec(
            signal_curves.spread(values, law.mean, law.variance),
            f"What {depth} layers of {width} make of a signal: single networks, and the exact law.",
            "Histogram of the logarithm of the gain with the predicted normal curve.",
        )
        for depth, width, law, values in _laws(tables)
    }


study = study_of(
    name="example",
    title="Signals in single networks",
    question="How far do single networks stray from the rule that He's initialization keeps the signal?",
    expect="The mean square is kept on average over networks; its logarithm sinks and spreads with depth over width.",
    falsify="A mean logarithm outside the printed margin around the exact law's.",
    misreading="That a signal which sinks shows a wrong variance: the average is dominated by few networks.",
    references=("B. Hanin and M. Nica, Products of many large random matrices and gradients, 2018",),
    axes=(
        Axis("depth", int, "hidden layers", presets((5, 10), (5, 10, 20), (5, 10, 20, 40)), minimum=1),
        Axis("width", int, "units of each hidden layer", presets(32, 32, 32), minimum=2, scalar=True),
        Axis("seeds", int, "independent networks", presets(300, 1000, 10000), minimum=1, scalar=True),
    ),
    tables=(
        Table(
            "trials",
            (
                Column("kind", "text", "", "what the trial is for: gain"),
                Column("depth", "int", "layers", "hidden layers"),
                Column("width", "int", "units", "units of each hidden layer"),
                Column("repeat", "int", "", "number of the independent seed"),
                Column("status", "text", "", "done, diverged or error"),
                Column("reason", "text", "", "why a trial is not done"),
                Column("log_gain", "float", "nats", "ln(mean a_L^2 / mean x^2)"),
            ),
        ),
    ),
    schema_version=1,
    parts=(Part(kinds={"gain": Kind(NetworkTrial, measure, cost, LOOKING)}, trials=trials, questions=questions),),
    summary=summary,
    figures=figures,
    statements=("The logarithm of the gain has the mean of the exact law.",),
)
