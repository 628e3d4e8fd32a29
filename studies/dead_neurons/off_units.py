"""Whether units are drawn that are off on the whole batch, with batch normalisation and without (B3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from nnsim.probes.units import unit_facts
from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, Exactly, Question
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import data_of, network_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.study.unit_trials import start_of

from .shared import LU, passes_cost

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 10, 16
ROWS = 64


@dataclass(frozen=True, kw_only=True)
class InvariantTrial(NetworkTrial):
    """A network as it is drawn, with batch normalisation or without."""

    normalization: str


def trials(config: Config) -> Iterator[InvariantTrial]:
    """Yield the same networks without normalisation and with it."""
    shape: dict[str, Any] = {"depth": DEPTH, "width": WIDTH, **data_settings(config)}
    for normalization, repeat in product(("none", "batch"), range(config["probe_seeds"])):
        arm: dict[str, Any] = {"normalization": normalization, "repeat": repeat}
        yield InvariantTrial(kind="invariant", scheme="he_normal", activation="relu", **arm, **shape)


def measure(trial: InvariantTrial) -> Measured:
    """Count the units that are off on the whole batch; normalisation starts with scale 1 and shift 0."""
    spec = network_of(trial, "float64")
    facts = unit_facts(spec, start_of(trial, spec), data_of(trial).X_train[:ROWS])
    return {"trials": [{"off_units": int(sum(layer.dead.sum() for layer in facts))}]}


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether units are drawn that are off on the whole batch."""
    rows = rows_of(tables["trials"], kind="invariant", status="done")
    where = f"he_normal, relu, {DEPTH} layers of {WIDTH}, a batch of {ROWS}"
    normal, plain = (rows_of(rows, normalization=name)["off_units"].to_numpy(dtype=float) for name in ("batch", "none"))
    yield Question(
        id="B3-batch",
        kind="check",
        statement="Behind batch normalisation no unit is drawn that is off on the whole batch.",
        source="Ioffe and Szegedy 2015: mean 0 and variance 1",
        arm=f"with, {where}",
        values=normal,
        rule=Exactly(0.0),
    )
    yield Question(
        id="B3-without",
        kind="claim",
        statement="Without it most such networks hold units that are off on the whole batch.",
        source=LU,
        arm=f"without, {where}",
        values=(plain > 0).astype(float),
        rule=Above(0.5),
        interval="proportion",
    )


OFF_UNITS = Part(
    kinds={
        "invariant": Kind(
            InvariantTrial,
            measure,
            partial(passes_cost, passes=1),
            ("unit_facts float64", "value_and_slope float64"),
        )
    },
    trials=trials,
    questions=questions,
)
