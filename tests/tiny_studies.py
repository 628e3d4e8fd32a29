"""The tiny run of each study: seconds, with all that the study does."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pandas as pd

from nnsim.experiment.executors.threads import run_chunks
from nnsim.experiment.plan import make_plan
from nnsim.experiment.results.tables import measured_columns, read_table, write_tables
from nnsim.experiment.store import ChunkStore, open_folder
from nnsim.study.declaration import Study

STUDIES = (
    *("activation", "backprop-cost", "batch-norm", "dead-neurons", "depth-width", "generalization"),
    *("gradient-clipping", "init", "learning-rate", "optimizer", "perceptron", "vanishing-gradient"),
)


def tiny(name: str) -> dict[str, Any]:
    """Return the axes of the tiny run in a study's own tests."""
    return dict(importlib.import_module(f"test_{name.replace('-', '_')}_study").TINY)


def measured(study: Study, config: dict[str, Any], folder: Path, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Measure a study into a folder, which must not fail, and return its tables as a report reads them."""
    plan = make_plan(study, config, seed)
    open_folder(folder, plan.identity)
    store = ChunkStore(folder)
    failures = run_chunks(plan, plan.chunks, store)
    assert failures == [], failures[0]
    write_tables(folder, study, store, [path for path in map(store.find, plan.chunks) if path is not None])
    tables = {name: read_table(folder / f"{name}.csv", of) for name, of in measured_columns(study).items()}
    assert len(tables["trials"]) == plan.size
    return tables
