"""How far apart the singular values of a Jacobian are (A11)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnsim.networks.initializers import initialize
from nnsim.probes.jacobians import jacobian, squared_singular_values
from nnsim.report.arms import rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.declaration import Column
from nnsim.study.network_trials import ARM_COLUMNS, LOOKING, nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.spectra import jacobian_spectrum_variance

from .shared import look_cost, own_network, repeated

if TYPE_CHECKING:
    import pandas as pd


class Case(NamedTuple):
    """A critical network."""

    activation: str
    scheme: str
    keep: float  # share of units that pass a gradient
    orthogonal: bool

    def variance(self, depth: int, width: float = math.inf) -> float:
        """Return the exact variance of the eigenvalues of J J^T; by default in the limit of wide layers."""
        return jacobian_spectrum_variance(depth, width, keep=self.keep, orthogonal=self.orthogonal)


WIDTH, DEPTHS, DEPTH = 64, (1, 3, 6), 3  # claims are about DEPTH
CASES = {
    "linear-gaussian": Case("identity", "mean_field:1", 1.0, False),
    "relu-gaussian": Case("relu", "he_normal", 0.5, False),
    "linear-orthogonal": Case("identity", "orthogonal:1", 1.0, True),
    "relu-orthogonal": Case("relu", "orthogonal", 0.5, True),
}
SHARE = 0.25  # margin over prediction: the neighbouring case is off by a factor of two
ROUNDING = 1e-9
JACOBIAN_COLUMNS = (
    *ARM_COLUMNS,
    Column("mean", "float", "", "mean eigenvalue of J J^T (LAPACK, nine digits)"),
    Column("variance", "float", "", "variance of the eigenvalues of J J^T"),
    Column("largest", "float", "", "largest eigenvalue of J J^T"),
)


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield critical networks; most seeds at the depth that claims are about."""
    for case, depth in product(CASES.values(), DEPTHS):
        network = {"scheme": case.scheme, "activation": case.activation, "depth": depth, "width": WIDTH}
        yield from repeated(config, "jacobian", config["probe_seeds"] * (4 if depth == DEPTH else 1), **network)


def measure(trial: NetworkTrial) -> Measured:
    """Look at the eigenvalues of J J^T at one input."""
    spec, draws = own_network(trial, trial.width, 1)
    J = jacobian(spec, initialize(spec, trial.scheme, draws), np.ones(trial.width))
    values = squared_singular_values(J)
    found = {"mean": np.mean(values), "variance": np.var(values), "largest": values[-1]}
    row = {name: nine_digits(value) for name, value in found.items()}
    return {"trials": [{"parameters": spec.n_parameters}], "jacobians": [row]}


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how the variance of the eigenvalues of J J^T comes about in the four critical cases."""
    for name, case in CASES.items():
        prediction, limit = case.variance(DEPTH, WIDTH), case.variance(DEPTH)
        rows = rows_of(tables["jacobians"], activation=case.activation, scheme=case.scheme, depth=DEPTH)
        yield Question(
            id=f"A11-{name}",
            kind="claim" if limit else "check",
            statement=(
                f"At criticality the eigenvalues of J J^T have the variance of the {name.replace('-', ', ')} case."
            ),
            source="Pennington, Schoenholz and Ganguli 2017, section 2.5",
            arm=f"{case.scheme}, {case.activation}, {DEPTH} layers of {WIDTH}",
            values=rows.sort_values("repeat", kind="stable")["variance"].to_numpy(dtype=float),
            rule=Within(prediction, max(SHARE * prediction, ROUNDING)),
            note=f"exact for this width; {limit:g} in the limit of wide layers",
        )


JACOBIAN_SPECTRA = Part(
    kinds={"jacobian": Kind(NetworkTrial, measure, look_cost, LOOKING[1:])}, trials=trials, questions=questions
)
