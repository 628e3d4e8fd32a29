"""Where descent diverges, and where sharpness settles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

EXACT_MARGIN = 0.001  # the bisection ends within 2^-12; a loss without its factor 2 would be off by 1
EDGE_MARGIN = 0.02
COHEN = "Cohen et al. 2021"


def quadratic_questions(tables: dict[str, pd.DataFrame]) -> Iterator[Question]:
    """Ask where descent on a quadratic diverges."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    for momentum, name in zip(settings.QUADRATIC_MOMENTA, ("plain", "momentum"), strict=True):
        measured = rows_of(tables["trials"], kind="quadratic", momentum=momentum).set_index("repeat")["critical_rate"]
        top = rows_of(tables["sharpness"], kind="quadratic", momentum=momentum).set_index("repeat")["sharpness"]
        yield Question(
            f"D2-quadratic-{name}", "check", "On a quadratic, descent diverges exactly above (2 + 2 b) / lambda_max.",
            "Polyak 1964; LeCun, Simard and Pearlmutter 1993",
            f"linear regression, {settings.QUADRATIC_ROWS} rows, all of them a step, momentum {momentum:g}",
            (measured * top / (2 + 2 * momentum)).dropna().to_numpy(), 1.0, margin=EXACT_MARGIN,
            note="rate of divergence by bisection over (2 + 2 b) / lambda_max",
        )  # fmt: skip


def edge_ratios(looks: pd.DataFrame, rate: float, momentum: float) -> pd.Series:
    """Return eta lambda / (2 + 2 b) of each seed, its mean over the last third of the looks at one arm."""
    from nnsim.report.arms import rows_of

    rows = rows_of(looks, kind="edge", learning_rate=rate, momentum=momentum)
    late = rows[rows["step"] >= rows["step"].max() * 2 / 3]
    return late.groupby("repeat")["sharpness"].mean() * (rate / (2 + 2 * momentum))


def edge_questions(looks: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask where full-batch descent takes the sharpness."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    where = (
        f"tanh, 1-{settings.EDGE_WIDTH}-{settings.EDGE_WIDTH}-1, {settings.EDGE_POINTS} points, "
        f"{config['edge_steps']} steps"
    )
    for (rate, momentum), name in zip(settings.EDGE_ARMS, ("edge", "heavy-ball", "below"), strict=True):
        slow = rate == settings.SLOW_EDGE
        yield Question(
            f"D3-{name}", "claim",
            "At a small rate the sharpness stays below 2 / eta: descent is over before." if slow
            else "Full-batch descent drives the sharpness to (2 + 2 b) / eta and keeps it there.",
            f"{COHEN}, sections 3 and 4", f"{where}, eta = {rate:g}, momentum {momentum:g}",
            edge_ratios(looks, rate, momentum).to_numpy(), 1 - EDGE_MARGIN if slow else 1.0,
            "at_most" if slow else "equivalence", EDGE_MARGIN,
            note="eta lambda / (2 + 2 b), mean over the last third of the steps",
        )  # fmt: skip
    reached = edge_ratios(looks, settings.SLOW_EDGE, 0.0) >= 1 - EDGE_MARGIN
    yield Question(
        "D3-never", "claim", "At eta = 0.02 no network gets to the edge.", f"{COHEN}, as often summarised",
        f"{where}, eta = {settings.SLOW_EDGE:g}", reached.to_numpy(dtype=float), 0.0, "exact",
        note=f"{reached.sum()} of {len(reached)} networks are within 2 % of the edge at the end; one is enough to fail",
    )  # fmt: skip
    rows = rows_of(looks, kind="edge", learning_rate=settings.SLOW_EDGE).pivot(
        index="repeat", columns="step", values="sharpness"
    )
    rise = np.log(rows.max(axis=1) / rows[0]) if 0 in rows else np.empty(0)
    yield Question(
        "D3-sharpening", "claim", "Below the edge the sharpness rises while the loss falls.",
        f"{COHEN}, section 3.1", f"{where}, eta = {settings.SLOW_EDGE:g}", np.asarray(rise, dtype=float), math.log(2),
        "above", note="ln of the largest sharpness over the first; more than doubled",
    )  # fmt: skip
