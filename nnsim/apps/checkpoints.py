"""Checkpoints: all that a training goes on from, bit for bit, in one safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nnsim.core.errors import DataError, StoreError
from nnsim.core.tensor_file import TensorFile, write
from nnsim.kernels.cpu.optimizers import Moments
from nnsim.kernels.cpu.training import State
from nnsim.kernels.formulas.columns import N_HISTORY
from nnsim.training.trainer import Run

STATUSES = ("done", "diverged")


def save_checkpoint(path: Path, run: Run, identity: str) -> None:
    """Write a run so that it can go on; the file appears whole or not at all.

    Parameters
    ----------
    path : Path
    run : Run
    identity : str
        Hash of the configuration, which `load_checkpoint` asks for again.

    Raises
    ------
    StoreError
        If the disk refuses.
    """
    record = {
        "configuration": identity,
        "epoch": len(run.history),
        "status": run.status,
        "diverged_at": int(run.diverged_at),
        "stopped_early": bool(run.stopped_early),
    }
    write(path, _tensors(run), record)


def load_checkpoint(path: Path, identity: str, fresh: Run) -> Run:
    """Return the run that `path` holds.

    Parameters
    ----------
    path : Path
    identity : str
        Hash of the configuration that is to go on.
    fresh : Run
        The same training before its first epoch: what the arrays must look like.

    Raises
    ------
    StoreError
        If the checkpoint belongs to another configuration.
    DataError
        If the file is damaged.
    """
    file = TensorFile(path)
    record = file.record
    if record.get("configuration") != identity:
        raise StoreError(f"'{path}' belongs to another configuration: choose another folder, or remove it")
    epoch, diverged_at = _count(record.get("epoch")), _count(record.get("diverged_at"))
    known = record.get("status") in STATUSES and isinstance(record.get("stopped_early"), bool)
    if not known or epoch is None or epoch < 0 or diverged_at is None:
        raise DataError(f"the record in '{path}' is damaged: remove the file to start again")
    wanted: dict[str, tuple[tuple[int, ...], Any]] = {
        name: (array.shape, array.dtype) for name, array in _tensors(fresh).items()
    }
    wanted["history"] = ((epoch, N_HISTORY), np.float64)
    arrays = file.arrays(wanted)
    return Run(
        arrays["theta"],
        arrays["statistics"],
        _state(arrays),
        arrays["history"],
        record["status"],
        diverged_at,
        record["stopped_early"],
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _tensors(run: Run) -> dict[str, np.ndarray]:
    parts = {f"state.{name}": part for name, part in run.state._asdict().items() if name != "moments"}
    moments = {f"moments.{name}": part for name, part in run.state.moments._asdict().items()}
    return {"theta": run.theta, "statistics": run.statistics, "history": run.history, **parts, **moments}


def _state(arrays: dict[str, np.ndarray]) -> State:
    moments = Moments(*(arrays[f"moments.{name}"] for name in Moments._fields))
    parts = {name: arrays[f"state.{name}"] for name in State._fields if name != "moments"}
    return State(moments=moments, **parts)
