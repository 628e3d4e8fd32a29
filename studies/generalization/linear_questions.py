"""Double descent of least squares, against its closed form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.theory.training.double_descent import least_squares_risk

from . import settings
from .measurement import variances

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

BELKIN = "Belkin, Hsu and Xu 2020, Theorem 1"
RISK_MARGIN = 0.1  # of the prediction; the noise left out would be off by half


def linear_questions(linear: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask whether least squares has the errors of the closed form."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    noise, n = max(config["target_noise"]), settings.LINEAR_ROWS
    rows = rows_of(linear, target_noise=noise)
    table = {name: rows.pivot(index="repeat", columns="features", values=name).dropna() for name in RISKS}
    table = {name: wide.reindex(columns=settings.FEATURES).astype(float) for name, wide in table.items()}
    where = f"{n} rows, Gaussian features, {settings.LINEAR_FEATURES} in all, noise variance {noise:g}"
    for name, features in (("under", n // 2), ("over", 2 * n), ("wide", 4 * n)):
        prediction = least_squares_risk(n, features, *variances(features, noise))
        yield Question(
            f"G-linear-{name}", "claim",
            f"Least squares on {features} features has the expected error of the closed form.", BELKIN, where,
            table["risk"][features].to_numpy(), prediction, margin=RISK_MARGIN * prediction,
        )  # fmt: skip
    ratio = np.log(table["risk"][n].to_numpy() / table["risk"][4 * n].to_numpy())
    yield Question(
        "G-linear-peak", "claim", "Double descent: with as many features as rows the error is over four times that "
        "with four times as many.", BELKIN, where, ratio, math.log(4.0), "at_least", note="ln of the ratio",
    )  # fmt: skip
    ridge = table["ridge_risk"]
    yield Question(
        "G-linear-ridge", "claim", "The best L2 penalty removes the peak: the error falls from n / 2 to n features.",
        "Nakkiran et al. 2021", where, (ridge[n // 2] - ridge[n]).to_numpy(), 0.0, "above",
        note="paired difference of the error",
    )  # fmt: skip


RISKS = ("risk", "ridge_risk")
