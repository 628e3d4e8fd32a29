"""What backpropagation keeps in memory: depth times batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.kernels.cpu_only.cost import kept_bytes
from nnsim.networks.spec import NetworkSpec
from nnsim.report.arms import rows_of
from nnsim.report.questions import Exactly, Question
from nnsim.study.parts import Config, Kind, Measured, Part

from .shared import RUMELHART, ArchitectureTrial, short_cost, widths_of

if TYPE_CHECKING:
    import pandas as pd

INPUTS, OUTPUTS = 16, 1
KEPT = 3  # Z, A and delta of every unit and row
ITEM = 4  # bytes of a float32


@dataclass(frozen=True, kw_only=True)
class MemoryTrial(ArchitectureTrial):
    """A network of equal hidden layers, and the rows of a batch."""

    depth: int
    width: int


def trials(config: Config) -> Iterator[MemoryTrial]:
    """Yield every depth with every batch."""
    width = config["width"]
    for depth, batch in product(config["depth"], config["batch"]):
        architecture = "-".join(map(str, (INPUTS, *[width] * depth, OUTPUTS)))
        yield MemoryTrial(kind="memory", architecture=architecture, depth=depth, width=width, batch=batch, repeat=0)


def measure(trial: MemoryTrial) -> Measured:
    """Ask the workspace of a training pass for its size."""
    spec = NetworkSpec(trial.widths, loss="mse")
    kept = kept_bytes(spec.architecture, np.empty(spec.n_parameters, np.float32), trial.batch)
    return {"trials": [{"parameters": spec.n_parameters, "kept_bytes": int(kept)}]}


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the bytes of a unit and row."""
    rows, depths, batches = rows_of(tables["trials"], kind="memory", status="done"), config["depth"], config["batch"]
    units = np.array([sum(widths_of(text)[1:]) for text in rows["architecture"]], dtype=float)
    yield Question(
        id="D6-memory",
        kind="check",
        statement="Backpropagation keeps three numbers a unit and row: depth times batch.",
        source=RUMELHART,
        arm=f"depths {min(depths)} to {max(depths)}, batches {min(batches)} to {max(batches)}, float32",
        values=rows["kept_bytes"].to_numpy(dtype=float) / (units * rows["batch"].to_numpy(dtype=float)),
        rule=Exactly(float(KEPT * ITEM)),
        note="bytes a unit and row of the workspace's z, a and delta",
    )


MEMORY = Part(kinds={"memory": Kind(MemoryTrial, measure, short_cost)}, trials=trials, questions=questions)
