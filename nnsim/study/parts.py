"""A study cut by question: each part lays out its trials, measures them and asks what they show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from nnsim.study.declaration import Axis, Study, Table
from nnsim.study.trials import Trial, setting_names

Config = dict[str, Any]
"""The value of each axis: a tuple, or one value where the axis is scalar."""

Rows = list[dict[str, Any]]
Measured = dict[str, Rows]
"""Rows of each table."""


@dataclass(frozen=True)
class Kind:
    """One kind of trial.

    Attributes
    ----------
    trial : type
        What its settings are, a `nnsim.study.trials.Trial`.
    measure : callable
        ``measure(trial) -> {table: rows}``, pure. A row holds what was measured: the trial's own settings are added,
        and the table of trials gets a row that is done where none is given.
    cost : callable
        ``cost(trial) -> float``: expected seconds on one core.
    kernels : tuple of str
        Those of `nnsim.training.precompile.LARGE` that `measure` calls.
    """

    trial: type[Trial]
    measure: Callable[[Any], Measured]
    cost: Callable[[Any], float]
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One question of a study, from trials to claims.

    Attributes
    ----------
    kinds : mapping of str to Kind
        The kinds of its trials.
    trials : callable
        ``trials(config) -> iterable of Trial``, in the order of the rows.
    questions : callable
        ``questions(tables, config) -> iterable of nnsim.report.questions.Question``; `tables` maps each table's name
        to its DataFrame.
    """

    kinds: Mapping[str, Kind]
    trials: Callable[[Config], Iterable[Trial]]
    questions: Callable[[Any, Config], Iterable[Any]] = lambda tables, config: ()


def study_of(
    *,
    parts: tuple[Part, ...],
    tables: tuple[Table, ...],
    check: Callable[[Config], None] = lambda config: None,
    **declared: Any,
) -> Study:
    """Return the study that some parts make up.

    Trials, rows and claims come in the order of the parts. What is to be compiled follows from the first trial of each
    kind in the quick preset, made as small as can be.

    Parameters
    ----------
    parts : tuple of Part
    tables : tuple of Table
    check : callable, optional
        ``check(config)`` raises UsageError for what no trial could use.
    **declared
        The other attributes of `Study`: its texts, axes, summary and figures.
    """
    whole = _Whole(parts, tables, check, declared["axes"])
    kernels = tuple(dict.fromkeys(name for kind in whole.kinds.values() for name in kind.kernels))
    return Study(
        tables=tables,
        trials=whole.trials,
        measure=whole.measure,
        cost=whole.cost,
        claims=whole.claims,
        warm_up=whole.warm_up,
        kernels=kernels,
        **declared,
    )


class _Whole:
    """What the parts of a study do together, as the engine wants it of a `Study`."""

    def __init__(
        self, parts: tuple[Part, ...], tables: tuple[Table, ...], check: Callable[[Config], None], axes: Iterable[Axis]
    ) -> None:
        self.kinds = {name: kind for part in parts for name, kind in part.kinds.items()}
        self._parts, self._check, self._axes = parts, check, tuple(axes)
        known = {name for kind in self.kinds.values() for name in setting_names(kind.trial)}
        names = {table.name: [column.name for column in table.columns] for table in tables}
        # Of a row of trials all columns may be empty, of another one those that are settings of some trial.
        self._filled = {table: [name for name in names[table] if table == "trials" or name in known] for table in names}

    def trials(self, config: Config) -> Iterator[dict[str, Any]]:
        self._check(config)
        return (trial.settings() for part in self._parts for trial in part.trials(config))

    def measure(self, settings: dict[str, Any]) -> Measured:
        kind = self.kinds[settings["kind"]]
        trial = kind.trial.of(settings)
        measured: Measured = {"trials": [{}], **kind.measure(trial)}
        return {table: [self._completed(trial, table, row) for row in rows] for table, rows in measured.items()}

    def _completed(self, trial: Trial, table: str, row: dict[str, Any]) -> dict[str, Any]:
        own = trial.settings()
        filled = {name: own.get(name) for name in self._filled[table]}
        return filled | ({"status": "done", "reason": ""} if table == "trials" else {}) | row

    def cost(self, settings: dict[str, Any]) -> float:
        kind = self.kinds[settings["kind"]]
        return kind.cost(kind.trial.of(settings))

    def warm_up(self) -> None:
        quick = {axis.name: axis.values["quick"] for axis in self._axes}
        for part in self._parts:
            missing = set(part.kinds)
            for trial in part.trials(quick):
                if trial.kind in missing:
                    missing.remove(trial.kind)
                    part.kinds[trial.kind].measure(trial.smallest())
                if not missing:
                    break

    def claims(self, tables: Any, config: Config) -> list[Any]:
        return [question for part in self._parts for question in part.questions(tables, config)]


def lazily(package: str, name: str) -> Callable[..., Any]:
    """Return the function `name` of a package's module `name`, which is imported when it is first called.

    Summaries and figures need pandas and matplotlib, which listing the studies should not pay for.
    """

    def call(*arguments: Any) -> Any:
        return getattr(import_module(f"{package}.{name}"), name)(*arguments)

    return call
