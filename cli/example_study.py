"""How far single networks stray from the rule that He's initialization keeps the signal.

A study of your own. Try it with ``nnsim study run FILE`` and ``nnsim study check FILE``, then change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnsim.study.declaration import Axis, Column, Study, Table
from nnsim.study.dict_network_trials import look_at_network

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.claims import Claim
    from nnsim.report.figures import FigureSpec

NETWORK = {"scheme": "he_normal", "activation": "relu", "data": "xor", "target": "", "samples": 60}
MARGIN = 0.4  # of ln: a variance of 1.8 instead of 2 is off by 0.5 in 5 layers


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the settings of every network: one for each depth and seed."""
    return [
        {"kind": "gain", "depth": depth, "width": config["width"], "repeat": repeat, **NETWORK}
        for depth in config["depth"]
        for repeat in range(config["seeds"])
    ]


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one network; all that is random comes from ``trial["root_seed"]``."""
    (seen,) = look_at_network(trial, rows=1)["trials"]
    names = ("kind", "depth", "width", "repeat", "status", "reason", "log_gain")
    return {"trials": [{name: seen[name] for name in names}]}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core."""
    return 3e-4 + 8e-9 * trial["depth"] * trial["width"] ** 2


def warm_up() -> None:
    """Compile what the trials call."""
    measure({"kind": "gain", "depth": 1, "width": 2, "repeat": 0, "root_seed": 0, **NETWORK})


def _laws(rows: pd.DataFrame) -> Iterator[tuple[int, int, Any, Any]]:
    """Yield depth, width, exact law and measured values of each arm."""
    from nnsim.theory.signals.relu_laws import relu_log_forward_law

    for (depth, width), arm in rows.groupby(["depth", "width"]):
        law = relu_log_forward_law([int(width)] * (int(depth) + 1))
        yield int(depth), int(width), law, arm["log_gain"].to_numpy(dtype=float)


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the medians of each depth."""
    rows = tables["trials"].astype({"log_gain": float})
    return rows.groupby("depth", as_index=False)["log_gain"].median().rename(columns={"log_gain": "log_gain_median"})


def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Claim]:
    """Return each depth's claim, judged at one simultaneous confidence."""
    from nnsim.report.judging import judge
    from nnsim.report.old_questions import Question

    return judge(
        [
            Question(
                id=f"mean-{depth}",
                kind="claim",
                statement="The logarithm of the gain has the mean of the exact law, which is below zero.",
                source="Hanin and Nica 2018",
                arm=f"he_normal, relu, {depth} layers of {width}",
                values=values,
                prediction=law.mean,
                margin=MARGIN,
            )
            for depth, width, law, values in _laws(tables["trials"])
        ]
    )


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return one histogram a depth."""
    from nnsim.report.figures import FigureSpec
    from nnsim.report.plots import signal_curves

    return {
        f"spread-{depth}": FigureSpec(
            signal_curves.spread(values, law.mean, law.variance),
            f"What {depth} layers of {width} make of a signal: single networks, and the exact law.",
            "Histogram of the logarithm of the gain with the predicted normal curve.",
        )
        for depth, width, law, values in _laws(tables["trials"])
    }


study = Study(
    name="example",
    title="Signals in single networks",
    question="How far do single networks stray from the rule that He's initialization keeps the signal?",
    expect="The mean square is kept on average over networks; its logarithm sinks and spreads with depth over width.",
    falsify="A mean logarithm outside the printed margin around the exact law's.",
    misreading="That a signal which sinks shows a wrong variance: the average is dominated by few networks.",
    references=("B. Hanin and M. Nica, Products of many large random matrices and gradients, 2018",),
    axes=(
        Axis("depth", int, "hidden layers", {"quick": (5, 10), "standard": (5, 10, 20), "paper": (5, 10, 20, 40)},
             minimum=1),
        Axis("width", int, "units of each hidden layer", {"quick": 32, "standard": 32, "paper": 32},
             minimum=2, scalar=True),
        Axis("seeds", int, "independent networks", {"quick": 300, "standard": 1000, "paper": 10000},
             minimum=1, scalar=True),
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
    trials=trials,
    measure=measure,
    cost=cost,
    summary=summary,
    claims=claims,
    figures=figures,
    warm_up=warm_up,
    statements=("The logarithm of the gain has the mean of the exact law.",),
)  # fmt: skip
