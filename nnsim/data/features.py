"""From the columns of a file to the inputs of a network: numbers filled in, truth as 0 and 1, text as indicators.

What is put in place of missing cells, and which texts get an input, is learned from the training rows alone, by
scikit-learn, and kept with the model as plain numbers and text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from nnsim.core.errors import DataError, UsageError
from nnsim.data.data_files import is_plain_text, quoted

KINDS = ("number", "truth", "text")
TRUTH = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
"""Texts that are read as numbers, in small letters."""

STRATEGIES = ("refuse", "mean", "median", "most_frequent")
"""What to do about missing cells."""


@dataclass(frozen=True)
class Feature:
    """A column, and what it becomes.

    Attributes
    ----------
    name : str
    kind : {"number", "truth", "text"}
    words : tuple of str
        Of text, each of which is an input: 1 in the rows that hold it, else 0.
    fill : float, optional
        What stands in place of a missing cell: a number, or a word's place in `words`.
    """

    name: str
    kind: str = "number"
    words: tuple[str, ...] = ()
    fill: float | None = None

    @property
    def width(self) -> int:
        """Inputs that the column becomes."""
        return len(self.words) if self.kind == "text" else 1

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of these inputs."""
        return tuple(f"{self.name}={word}" for word in self.words) if self.kind == "text" else (self.name,)

    def read(self, value: Any) -> float:
        """Return what `value` is in a matrix of columns: a number, or the place of a word.

        Raises
        ------
        ValueError, TypeError
            It is neither a number, nor true or false, nor a known word, as the column's kind wants it.
        """
        if self.kind == "text":
            return float(self.words.index(str(value)))
        if self.kind == "truth" and str(value).lower() in TRUTH:
            return TRUTH[str(value).lower()]
        number = float(value)
        if self.kind == "truth" and number not in {0.0, 1.0}:
            raise ValueError(value)
        return number

    @property
    def expected(self) -> str:
        """The cells that can be read, as a sentence names them."""
        if self.kind == "text":
            return f"one of {', '.join(self.words[:20])}{' ...' if len(self.words) > 20 else ''}"
        return "true or false" if self.kind == "truth" else "a finite number"


def plain_features(names: Sequence[str]) -> tuple[Feature, ...]:
    """Return columns of numbers without anything missing."""
    return tuple(Feature(name) for name in names)


def are_plain(features: Sequence[Feature]) -> bool:
    """Tell whether all columns are the inputs as they are."""
    return all(feature.kind != "text" and feature.fill is None for feature in features)


def learn(features: Sequence[Feature], X: np.ndarray, strategy: str) -> tuple[Feature, ...]:
    """Return the columns with the fills, and the words, that training rows show.

    Parameters
    ----------
    features : sequence of Feature
        With all the words of the file.
    X : float64 array (training rows, columns)
        Numbers, places of words, NaN where a cell is missing.
    strategy : str
        One of `STRATEGIES`; of text, the mean and the median are the most frequent word.

    Raises
    ------
    DataError
        A column is missing in all of these rows.
    """
    texts = [place for place, feature in enumerate(features) if feature.kind == "text"]
    if strategy == "refuse" and not texts:
        return tuple(features)
    empty = np.flatnonzero(np.isnan(X).all(axis=0))
    if len(empty):
        name = features[empty[0]].name
        raise DataError(f"the column '{name}' is missing in all training rows: --drop {name} leaves it out")
    fills = dict.fromkeys(range(len(features)), math.nan) if strategy == "refuse" else _fills(X, texts, strategy)
    words = _words(X, texts)
    return tuple(
        _learned(feature, fills[place], words.get(place, np.empty(0, np.int64)))
        for place, feature in enumerate(features)
    )


def _fills(X: np.ndarray, texts: list[int], strategy: str) -> dict[int, float]:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer

    numbers = [place for place in range(X.shape[1]) if place not in texts]
    parts = [("numbers", SimpleImputer(strategy=strategy), numbers)] if numbers else []
    parts += [("texts", SimpleImputer(strategy="most_frequent"), texts)] if texts else []
    fitted = ColumnTransformer(parts).fit(X)
    return {
        place: float(fill)
        for name, _, places in parts
        for place, fill in zip(places, fitted.named_transformers_[name].statistics_, strict=True)
    }


def _words(X: np.ndarray, texts: list[int]) -> dict[int, np.ndarray]:
    """Return the places of the words that the rows hold, for each column of text."""
    if not texts:
        return {}
    from sklearn.preprocessing import OneHotEncoder

    found = OneHotEncoder().fit(X[:, texts]).categories_
    return {place: held[~np.isnan(held)].astype(np.int64) for place, held in zip(texts, found, strict=True)}


def _learned(feature: Feature, fill: float, held: np.ndarray) -> Feature:
    if feature.kind == "text":
        words = tuple(feature.words[place] for place in held.tolist())
        feature = replace(feature, words=words)
        fill = float(np.searchsorted(held, fill)) if fill == fill else fill
    return replace(feature, fill=None if math.isnan(fill) else fill)


def recoded(X: np.ndarray, before: Sequence[Feature], after: Sequence[Feature]) -> np.ndarray:
    """Return X with places among the words of `after` instead of `before`; a word that is not there is -1.

    Parameters
    ----------
    X : float64 array (rows, columns)
        Numbers, places of words, NaN where a cell is missing.
    before, after : sequence of Feature
        One for each column: with the words of X, and with those of the result.

    Returns
    -------
    float64 array (rows, columns)
        A copy.
    """
    X = X.copy()
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        if old.words != new.words:
            known = {word: float(number) for number, word in enumerate(new.words)}
            there = ~np.isnan(X[:, place])
            X[there, place] = np.array([known.get(word, -1.0) for word in old.words])[X[there, place].astype(np.int64)]
    return X


def expand(features: Sequence[Feature], X: np.ndarray) -> np.ndarray:
    """Return the inputs of a network, float64 (rows, inputs), of a matrix of columns."""
    if are_plain(features):
        return X
    return np.concatenate([_expanded(feature, X[:, place]) for place, feature in enumerate(features)], axis=1)


def _expanded(feature: Feature, column: np.ndarray) -> np.ndarray:
    if feature.fill is not None:
        column = np.where(np.isnan(column), feature.fill, column)
    if feature.kind == "text":
        return (column[:, None] == np.arange(len(feature.words))).astype(np.float64)
    return column[:, None]


def input_names(features: Sequence[Feature]) -> tuple[str, ...]:
    """Return the name of every input."""
    return tuple(name for feature in features for name in feature.inputs)


def indicators(features: Sequence[Feature]) -> np.ndarray:
    """Return which inputs are 1 where a row holds a word, else 0: they are not standardised."""
    return np.repeat([feature.kind == "text" for feature in features], [feature.width for feature in features])


# Rows for a model ----------------------------------------------------------------------------------------------------


def encode(features: Sequence[Feature], X: Any) -> np.ndarray:
    """Return raw rows as a matrix of columns, float64 (rows, columns).

    Parameters
    ----------
    features : sequence of Feature
    X : array-like (rows, columns) or DataFrame
        Columns in the order of `features`; of a DataFrame those of their names.

    Raises
    ------
    DataError
        A cell cannot be read, or is missing where nothing was learned to fill it with.
    UsageError
        Another number of columns.
    """
    if hasattr(X, "columns"):
        lacking = [feature.name for feature in features if feature.name not in X.columns]
        if lacking:
            raise DataError(f"X lacks the column '{lacking[0]}'")
        X = X[[feature.name for feature in features]].to_numpy()
    rows = np.asarray(X)
    if rows.ndim != 2 or rows.shape[1] != len(features):
        shape = " x ".join(map(str, rows.shape))
        raise UsageError(f"X must be any x {len(features)}, got {shape}")
    if rows.dtype.kind in "biuf" and all(feature.kind != "text" for feature in features):
        return np.ascontiguousarray(rows, np.float64)
    return np.transpose([_encoded(feature, rows[:, place]) for place, feature in enumerate(features)]).copy()


def _encoded(feature: Feature, values: np.ndarray) -> list[float]:
    from pandas import isna  # knows every way to say that nothing is there

    found = []
    for row, (value, missing) in enumerate(zip(values.tolist(), isna(values).tolist(), strict=True)):
        try:
            empty = missing or (isinstance(value, str) and not value)
            found.append(math.nan if empty else feature.read(value))
        except (ValueError, TypeError):
            raise DataError(unreadable(feature, f"row {row}, column '{feature.name}' of X", value)) from None
    return found


def unreadable(feature: Feature, where: str, value: object) -> str:
    """Return the sentence about a value that a feature cannot read.

    Parameters
    ----------
    feature : Feature
    where : str
        Beginning of the sentence: the row and the column.
    value : object
        The value; a word of the feature that is spelled like it is proposed.
    """
    close = get_close_matches(str(value), feature.words, n=1, cutoff=0.5)
    hint = f": did you mean '{close[0]}'?" if close else ""
    return f"{where} holds {quoted(str(value))}, expected {feature.expected}{hint}"


def first_hole(features: Sequence[Feature], X: np.ndarray) -> tuple[int, int] | None:
    """Return row and column of the first missing cell that nothing was learned for, or None."""
    holes = np.isnan(X)
    holes[:, [feature.fill is not None for feature in features]] = False
    if not holes.any():
        return None
    row, column = np.argwhere(holes)[0].tolist()
    return row, column


def to_record(features: Sequence[Feature]) -> list[dict[str, Any]]:
    """Return the features as plain numbers and text, which JSON can hold."""
    return [asdict(feature) for feature in features]


def from_record(record: Any) -> tuple[Feature, ...]:
    """Return the features of a record; raises ValueError, TypeError or KeyError where it is damaged."""
    return tuple(_feature(**entry) for entry in record)


def _feature(name: str, kind: str, words: list[str], fill: float | None) -> Feature:
    texts = [name, *words]
    if kind not in KINDS or not all(isinstance(text, str) and is_plain_text(text) for text in texts):
        raise ValueError("column")
    if len(set(words)) < len(words) or bool(words) != (kind == "text"):
        raise ValueError("words")
    if fill is not None and not (isinstance(fill, float | int) and math.isfinite(fill)):
        raise ValueError("fill")
    return Feature(name, kind, tuple(words), None if fill is None else float(fill))
