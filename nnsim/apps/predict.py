"""A model's answers to the rows of a file, as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nnsim.apps.model_file import Model
from nnsim.data.data_files import DataFile
from nnsim.data.dialects import Dialect
from nnsim.data.readers import read_features
from nnsim.experiment.csv_rows import text_line


def predict_file(model: Model, file: DataFile | Path, dialect: Dialect | None = None) -> tuple[bytes, list[str]]:
    """Return the predictions for a file's rows as CSV, and the columns of the file that the model does not know.

    Classification writes the class and each class's probability, regression the target in its own units.

    Parameters
    ----------
    model : Model
    file : DataFile or Path
    dialect : Dialect, optional
        How the file is written; by default as the one that the model was trained on.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a feature, or a row is like none that the model was trained on.
    """
    X, rows, ignored = read_features(file, model.columns, dialect or model.dialect)
    answers, shares = model.answers(X, rows, str(file))
    header, lines = _measurements(answers) if shares is None else _classes(model, answers, shares)
    return b"".join([text_line(header), *map(text_line, lines)]), ignored


def _classes(model: Model, numbers: np.ndarray, shares: np.ndarray) -> tuple[list[str], Iterator[list[str]]]:
    header = ["prediction", *(f"probability of {name}" for name in model.class_names)]
    rows = ([model.class_names[number], *map(repr, row)] for number, row in zip(numbers, shares.tolist(), strict=True))
    return header, rows


def _measurements(values: np.ndarray) -> tuple[list[str], Iterator[list[str]]]:
    count = values.shape[1]
    header = ["prediction"] if count == 1 else [f"prediction {number}" for number in range(1, count + 1)]
    return header, ([*map(repr, row)] for row in values.tolist())
