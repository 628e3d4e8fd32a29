"""The settings of a study before anything runs: what its trials could not use is refused here, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.data import datasets
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import parse
from nnsim.study.network_trials import usual_data
from nnsim.study.trials import DataTrial

TRAINABLE = tuple(name for name, activation in ACTIVATIONS.items() if activation.differentiable)
"""Activations through which gradients pass."""


def check_trainable(activations: Iterable[str]) -> None:
    """Raise UsageError where one of the activations, as in ``leaky_relu:0.2``, does not exist or has no gradient."""
    for text in activations:
        if parse(text)[0] not in TRAINABLE:
            raise UsageError(f"activation '{text}' passes no gradient: choose from {', '.join(TRAINABLE)}")


def check_batch_size(batch_size: int, data: Mapping[str, Any]) -> None:
    """Raise UsageError where a batch is larger than the training rows may be, under whatever root seed.

    Parameters
    ----------
    batch_size : int
    data : mapping
        Settings of a `nnsim.study.trials.DataTrial`; others are not looked at.
    """
    names = ("data", "target", "samples", "fingerprint")
    given = {name: data[name] for name in names if name in data}
    rows = datasets.fewest_training_rows(usual_data(DataTrial(kind="", repeat=0, **given)))
    if batch_size > rows:
        raise UsageError(
            f"a batch of {batch_size} rows is larger than the training rows of '{data['data']}', "
            f"at least {rows} at any root seed: choose at most {rows}"
        )


def check_normalizable(batch_size: int) -> None:
    """Raise UsageError where batches are too small for batch normalisation."""
    if batch_size < 2:
        raise UsageError("batch normalisation needs at least 2 rows in every batch: choose --batch-size 2 or more")


def data_hash(config: Mapping[str, Any]) -> str:
    """Return what tells one data file from another of the same name; empty for a built-in data set."""
    return datasets.fingerprint(config["data"], config["target"] or None)


def data_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a `nnsim.study.trials.DataTrial` that the axes ``data``, ``target``, ``samples`` hold."""
    return {name: config[name] for name in ("data", "target", "samples")} | {"fingerprint": data_hash(config)}
