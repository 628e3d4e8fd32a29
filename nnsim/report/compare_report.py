"""Two finished runs side by side, with paired statistics of the trials that they share."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nnsim.core.errors import NnsimError, StoreError
from nnsim.core.versions import ARITHMETIC_VERSION
from nnsim.experiment.inputs import renamed
from nnsim.experiment.results.compare import (
    Entries,
    TableComparison,
    compare_configurations,
    compare_tables,
    compare_versions,
)
from nnsim.experiment.results.result_folder import FinishedRun, plan_of
from nnsim.experiment.results.tables import read_table
from nnsim.report.statistics import Interval, paired_difference_interval
from nnsim.study.declaration import Study

CONFIDENCE = 0.95

Settings = dict[str, Any]


@dataclass(frozen=True)
class PairedDifference:
    """One numeric column of ``trials.csv`` over the trials of one kind that both runs have.

    Attributes
    ----------
    kind, column : str
        Kind of the trials, and the column.
    first, second : float
        Mean in each run over the pairs.
    interval : Interval
        Of the mean of second - first over the pairs in which at least one trial has a number; NaN where a value is
        not finite, for none is dropped.
    finite, equal : int
        Pairs with two finite numbers, and pairs with the same number.
    """

    kind: str
    column: str
    first: float
    second: float
    interval: Interval
    finite: int
    equal: int


@dataclass(frozen=True)
class Pairing:
    """Which trials of two runs belong together.

    Attributes
    ----------
    pairs : tuple of (int, int)
        Positions in the first and the second run.
    apart_from : tuple of str
        Settings that have no value in common, and are set aside.
    """

    pairs: tuple[tuple[int, int], ...]
    apart_from: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Where two runs differ.

    Attributes
    ----------
    first, second : FinishedRun
        What was compared.
    configuration, versions : dict
        Name to the two values, where they differ.
    tables : tuple of TableComparison
        Every CSV file but the timings.
    pairing : Pairing
        The trials that belong together.
    differences : tuple of PairedDifference
        What they measured.
    not_paired : str
        Why there is no pair; empty where there is one.
    """

    first: FinishedRun
    second: FinishedRun
    configuration: Entries
    versions: Entries
    tables: tuple[TableComparison, ...]
    pairing: Pairing
    differences: tuple[PairedDifference, ...]
    not_paired: str


def compare(first: FinishedRun, second: FinishedRun, study: Study, confidence: float = CONFIDENCE) -> Comparison:
    """Compare two finished runs.

    Parameters
    ----------
    first, second : FinishedRun
        From `nnsim.experiment.results.result_folder.open_run`.
    study : Study
        The study of the first.
    confidence : float
        Level of each interval on its own.

    Raises
    ------
    StoreError
        A file that cannot be read.
    """
    reason = ""
    try:
        pairing, differences = _paired(first, second, study, confidence)
    except NnsimError as error:  # such as a data file that is gone; the rest can be told all the same
        pairing, differences, reason = Pairing((), ()), (), str(error)
    return Comparison(
        first,
        second,
        compare_configurations(first, second),
        compare_versions(first, second),
        compare_tables(first, second),
        pairing,
        differences,
        reason,
    )


def pair_trials(first: Sequence[Settings], second: Sequence[Settings]) -> Pairing:
    """Return the pairs of trials with the same settings, apart from those that have no value in common.

    Two runs at widths 48 and 64 are paired apart from the width; two at depths 5, 30 and 5, 100 where the depth is 5.
    A trial with several possible partners has none.

    Parameters
    ----------
    first, second : sequence of dict
        The settings of each trial of a run, ``kind`` among them.
    """
    pairs: list[tuple[int, int]] = []
    apart: set[str] = set()
    mine, yours = _by_kind(first), _by_kind(second)
    for kind in mine.keys() & yours.keys():
        names = _nothing_in_common(mine[kind].values(), yours[kind].values())
        partners = _without_twins(yours[kind], names)
        found = [(at, partners[key]) for key, at in _without_twins(mine[kind], names).items() if key in partners]
        pairs += found
        apart |= names if found else set()
    return Pairing(tuple(sorted(pairs)), tuple(sorted(apart)))


def _by_kind(trials: Sequence[Settings]) -> dict[str, dict[int, Settings]]:
    """Return the settings of each kind by the position of the trial."""
    kinds: dict[str, dict[int, Settings]] = defaultdict(dict)
    for at, settings in enumerate(trials):
        kinds[settings["kind"]][at] = settings
    return kinds


def _nothing_in_common(first: Iterable[Settings], second: Iterable[Settings]) -> set[str]:
    mine, yours = _values(first), _values(second)
    return {name for name in mine.keys() | yours.keys() if mine[name].isdisjoint(yours[name])}


def _values(trials: Iterable[Settings]) -> dict[str, set[str]]:
    """Return the values of each setting, as JSON."""
    values: dict[str, set[str]] = defaultdict(set)
    for settings in trials:
        for name, value in settings.items():
            values[name].add(json.dumps(value, sort_keys=True))
    return values


def _without_twins(trials: dict[int, Settings], apart: set[str]) -> dict[str, int]:
    """Return the position of each trial by its settings but `apart`, where no other trial has the same."""
    keys = {
        at: json.dumps({name: value for name, value in settings.items() if name not in apart}, sort_keys=True)
        for at, settings in trials.items()
    }
    times = Counter(keys.values())
    return {key: at for at, key in keys.items() if times[key] == 1}


def _paired(
    first: FinishedRun, second: FinishedRun, study: Study, confidence: float
) -> tuple[Pairing, tuple[PairedDifference, ...]]:
    (mine, my_rows), (yours, your_rows) = (_trials(run, study) for run in (first, second))
    pairing = pair_trials(mine, yours)
    if not pairing.pairs:
        raise StoreError("no trial of one run has exactly one partner in the other")
    left, right = (list(positions) for positions in zip(*pairing.pairs, strict=True))
    columns = _measured_numbers(study, {name for settings in (*mine, *yours) for name in settings})
    return pairing, tuple(_differences(my_rows.iloc[left], your_rows.iloc[right], columns, confidence))


def _trials(run: FinishedRun, study: Study) -> tuple[list[Settings], pd.DataFrame]:
    """Return the settings of each trial and its row in ``trials.csv``, in the same order."""
    version = run.manifest["schema_version"]
    if (run.study, version) != (study.name, study.schema_version):
        raise StoreError(
            f"'{run.folder}' holds study '{run.study}' with schema version {version}, not '{study.name}' with "
            f"{study.schema_version}"
        )
    path = run.folder / "trials.csv"
    if not path.is_file():
        raise StoreError(f"there is no '{path}'")
    plan = plan_of(run, study)
    trials = list(plan.trials)
    rows = read_table(path, study.table("trials").header)
    names = {"trial": [trial.id for trial in trials], "kind": [trial.settings["kind"] for trial in trials]}
    known = "trial" if run.manifest["arithmetic_version"] == ARITHMETIC_VERSION else "kind"  # ids hold the version
    if known not in rows or list(rows[known]) != names[known]:
        raise StoreError(f"the rows of '{path}' are not the trials of its manifest: nnsim verify tells more")
    return [renamed(trial.settings, plan.files) for trial in trials], rows


def _measured_numbers(study: Study, settings: set[str]) -> list[str]:
    columns = study.table("trials").columns
    return [column.name for column in columns if column.kind in {"int", "float"} and column.name not in settings]


def _differences(
    first: pd.DataFrame, second: pd.DataFrame, columns: list[str], confidence: float
) -> Iterator[PairedDifference]:
    """Yield the difference of each column in each kind of trial; rows at equal positions are pairs."""
    kinds = first["kind"].to_numpy()
    for kind in dict.fromkeys(kinds):
        for column in columns:
            x, y = (_numbers(side[column])[kinds == kind] for side in (first, second))
            measured = ~(np.isnan(x) & np.isnan(y))
            if measured.any():
                yield _difference(str(kind), column, x[measured], y[measured], confidence)


def _numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _difference(kind: str, column: str, x: np.ndarray, y: np.ndarray, confidence: float) -> PairedDifference:
    with np.errstate(invalid="ignore"):  # the mean of inf and -inf is nan
        means = float(np.mean(x)), float(np.mean(y))
    interval = paired_difference_interval(y, x, confidence)
    finite = int(np.sum(np.isfinite(x) & np.isfinite(y)))
    return PairedDifference(kind, column, *means, interval, finite, int(np.sum(x == y)))
