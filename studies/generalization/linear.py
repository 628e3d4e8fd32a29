"""Double descent of least squares, against its closed form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.core.seeding import key
from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.formulas.philox import DATA
from nnsim.probes.generalization import least_norm_fit, ridge_fit
from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtLeast, Question, Within
from nnsim.study.declaration import Column
from nnsim.study.network_trials import nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import Trial
from nnsim.theory.training.double_descent import best_ridge, least_squares_risk

if TYPE_CHECKING:
    import pandas as pd

ROWS, FEATURES = 40, 160
USED = (4, 10, 20, 30, 36, 38, 40, 42, 44, 50, 60, 80, 120, 160)
"""How many of the features the fits use."""
RISK_MARGIN = 0.1  # of the prediction; the noise left out would be off by half
BELKIN = "Belkin, Hsu and Xu 2020, Theorem 1"
LINEAR_COLUMNS = (
    Column("kind", "text", "", "linear"),
    Column("target_noise", "float", "", "variance of the noise of the targets"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("features", "int", "", "p, features that the fit uses"),
    Column("risk", "float", "squared units", "exact squared error of the least-norm fit on a new row (LAPACK)"),
    Column("ridge_risk", "float", "squared units", "the same with the best L2 penalty (LAPACK)"),
)


@dataclass(frozen=True, kw_only=True)
class LinearTrial(Trial):
    """A linear model whose targets have noise of some variance."""

    target_noise: float


def trials(config: Config) -> Iterator[LinearTrial]:
    """Yield linear models."""
    for variance, repeat in product(config["target_noise"], range(config["linear_seeds"])):
        yield LinearTrial(kind="linear", target_noise=variance, repeat=repeat)


def variances(features: int, target_noise: float) -> tuple[float, float]:
    """Return the signal in the used features, and the variance of all else: all have equal coefficients."""
    signal = features / FEATURES
    return signal, 1.0 - signal + target_noise


def risk_law(features: int, target_noise: float) -> float:
    """Return the expected error of the least-norm fit."""
    return least_squares_risk(ROWS, features, *variances(features, target_noise))


def measure(trial: LinearTrial) -> Measured:
    """Fit the first p of all features for every p, and return the exact squared error to expect on a new row."""
    draws = np.empty(ROWS * (FEATURES + 1))
    fill_normal(draws, np.uint64(key(trial.root_seed, "linear", trial.repeat)), DATA, 0)
    X = draws[: ROWS * FEATURES].reshape(ROWS, FEATURES)
    beta = np.full(FEATURES, 1.0 / math.sqrt(FEATURES))
    y = X @ beta + math.sqrt(trial.target_noise) * draws[ROWS * FEATURES :]
    rows = []
    for features in USED:
        signal, unexplained = variances(features, trial.target_noise)
        used, truth = X[:, :features], beta[:features]
        fits = {
            "risk": least_norm_fit(used, y),
            "ridge_risk": ridge_fit(used, y, best_ridge(features, signal, unexplained)),
        }
        risks = {name: nine_digits(float(np.sum((fit - truth) ** 2)) + unexplained) for name, fit in fits.items()}
        rows.append({"features": features, **risks})
    return {"linear": rows}


def _by_features(linear: pd.DataFrame, noise: float, column: str) -> pd.DataFrame:
    """Errors of each seed (rows) at each number of features (columns)."""
    wide = rows_of(linear, target_noise=noise).pivot(index="repeat", columns="features", values=column).dropna()
    return wide.reindex(columns=USED).astype(float)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether least squares has the errors of the closed form, and a peak that the best penalty removes."""
    noise, n = max(config["target_noise"]), ROWS
    risk, ridge = (_by_features(tables["linear"], noise, column) for column in ("risk", "ridge_risk"))
    where = f"{n} rows, Gaussian features, {FEATURES} in all, noise variance {noise:g}"
    for name, features in (("under", n // 2), ("over", 2 * n), ("wide", 4 * n)):
        prediction = risk_law(features, noise)
        yield Question(
            id=f"G-linear-{name}",
            kind="claim",
            statement=f"Least squares on {features} features has the expected error of the closed form.",
            source=BELKIN,
            arm=where,
            values=risk[features].to_numpy(),
            rule=Within(prediction, RISK_MARGIN * prediction),
        )
    yield Question(
        id="G-linear-peak",
        kind="claim",
        statement="Double descent: with as many features as rows the error is over four times that with four times as "
        "many.",
        source=BELKIN,
        arm=where,
        values=np.log(risk[n].to_numpy() / risk[4 * n].to_numpy()),
        rule=AtLeast(math.log(4.0)),
        note="ln of the ratio",
    )
    yield Question(
        id="G-linear-ridge",
        kind="claim",
        statement="The best L2 penalty removes the peak: the error falls from n / 2 to n features.",
        source="Nakkiran et al. 2021",
        arm=where,
        values=(ridge[n // 2] - ridge[n]).to_numpy(),
        rule=Above(0.0),
        note="paired difference of the error",
    )


LINEAR = Part(kinds={"linear": Kind(LinearTrial, measure, lambda trial: 0.01)}, trials=trials, questions=questions)
