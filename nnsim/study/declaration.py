"""What a study declares: its question, its axes, its tables, and the functions that measure and judge.

A study file builds one object, ``study``, by `nnsim.study.parts.study_of` or as a `Study` itself. Nothing in it reads
or writes a file: the engine (`nnsim.experiment`) turns the axes into trials, the trials into rows and the rows into CSV
files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nnsim.core.vocabulary import VOCABULARY

PRESETS = ("quick", "standard", "paper")
"""Sizes in which every study comes: seconds for a first look, minutes for a lesson, hours for a publication."""

STATUSES = ("done", "diverged", "error")
"""What can become of a trial; only the engine writes ``error``."""

STUDY_NAME = re.compile(r"[a-z][a-z0-9-]*")
RESERVED_STUDIES = frozenset({"list", "show", "run", "all", "check", "new"})
RESERVED_AXES = frozenset(
    {"study", "preset", "output", "jobs", "seed", "progress", "figure_format", "figure_formats", "shard", "fail_fast"}
    | {"config", "set", "zip", "exclude", "dask", "backend"}
    | {"dry_run", "strict", "claims", "json", "quiet", "verbose", "debug", "help", "id", "root_seed", "kind", "trial"}
)
COLUMN_KINDS = ("int", "float", "text", "bool")


def presets(quick: Any, standard: Any, paper: Any) -> dict[str, Any]:
    """Return what an axis holds in each size, as `Axis` takes it.

    Parameters
    ----------
    quick, standard, paper : tuple, or one value where the axis is scalar
        Values of the axis in the preset of this name.
    """
    return {"quick": quick, "standard": standard, "paper": paper}


@dataclass(frozen=True)
class Axis:
    """One thing that a study varies, and one option of its command.

    Attributes
    ----------
    name : str
        A Python identifier such as ``"learning_rate"``; the option is ``--learning-rate``.
    kind : type
        ``str``, ``int`` or ``float``: the type of each value.
    help : str
        One phrase for ``--help``.
    values : mapping of str to tuple, or to one value where `scalar`
        The values of each preset in `PRESETS`.
    choices : tuple of str, or callable that returns one, or None
        The names that exist; a callable is asked only when a value is checked. None allows any value.
    minimum : float, optional
        The smallest number allowed.
    exclusive : bool
        Whether `minimum` itself is forbidden.
    scalar : bool
        Whether the axis takes one value (``--epochs 20``) instead of a list (``--depth 5,30``).
    file : bool
        Whether a value may be the path of a data file: identities and tables then know it by its name.
    names : str
        The kind of name that its values begin with, a key of `nnsim.core.vocabulary.VOCABULARY` such as
        ``"activations"``: help and completion show these names, and values such as ``leaky_relu:0.2`` stay possible.
    """

    name: str
    kind: type
    help: str
    values: Mapping[str, Any]
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] | None = None
    minimum: float | None = None
    exclusive: bool = False
    scalar: bool = False
    file: bool = False
    names: str = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name in RESERVED_AXES:
            raise ValueError(f"an axis cannot be called '{self.name}'")
        if set(self.values) != set(PRESETS):
            raise ValueError(f"axis '{self.name}' needs values for exactly {', '.join(PRESETS)}")
        if self.names and self.names not in VOCABULARY:
            raise ValueError(f"axis '{self.name}' has names '{self.names}', allowed are {', '.join(VOCABULARY)}")

    @property
    def option(self) -> str:
        """The command line's spelling, e.g. ``--learning-rate``."""
        return "--" + self.name.replace("_", "-")

    def known(self) -> tuple[str, ...] | None:
        """Return the names that exist, or None where any value is allowed."""
        return self.choices() if callable(self.choices) else self.choices

    def shown_names(self) -> tuple[str, ...]:
        """Return what help and completion show: the names that exist, or that values begin with; else none."""
        return self.known() or tuple(VOCABULARY.get(self.names, ()))


@dataclass(frozen=True)
class Column:
    """One column of a table: its name, its kind (`COLUMN_KINDS`), its unit ("" for none) and one phrase of meaning."""

    name: str
    kind: str
    unit: str
    description: str

    def __post_init__(self) -> None:
        if self.kind not in COLUMN_KINDS:
            raise ValueError(f"column '{self.name}' has kind '{self.kind}', allowed are {', '.join(COLUMN_KINDS)}")


TRIAL = Column("trial", "text", "", "identifier of the trial that the row belongs to")
"""First column of every table; the engine fills it."""


@dataclass(frozen=True)
class Table:
    """One CSV file of a study.

    Attributes
    ----------
    name : str
        The file is ``<name>.csv``.
    columns : tuple of Column
        All columns but `TRIAL`, which the engine puts first.
    canonical : bool
        Whether the bytes are the same on every machine; False where library linear algebra had a hand in them.
    timed : bool
        Whether it holds measured times, which are others at every measurement and are never compared.
    """

    name: str
    columns: tuple[Column, ...]
    canonical: bool = True
    timed: bool = False

    def __post_init__(self) -> None:
        if self.timed and self.canonical:
            raise ValueError(f"table '{self.name}' holds times, so it cannot be canonical")
        names = [column.name for column in self.header]
        if len(set(names)) != len(names):
            raise ValueError(f"table '{self.name}' has a column twice")

    @property
    def header(self) -> tuple[Column, ...]:
        """All columns of the file, in order."""
        return (TRIAL, *self.columns)


@dataclass(frozen=True)
class Study:
    """A question, what to vary, how to measure it and how to judge the measurement.

    Attributes
    ----------
    name : str
        The command: ``nnsim study <name>``; lower-case letters, digits and hyphens.
    title, question, expect, falsify, misreading : str
        What is asked, what theory expects, what would falsify it, and how the result is often misread.
    references : tuple of str
        The papers.
    axes : tuple of Axis
        What can be set.
    tables : tuple of Table
        What is measured. One table is called ``trials``, holds exactly one row a trial, and declares the text columns
        ``kind``, ``status`` (one of `STATUSES`) and ``reason``.
    schema_version : int
        Raised when a table's columns, the meaning of a setting or the measurement changes: what an older version
        measured is then never taken for this one's.
    trials : callable
        ``trials(config) -> iterable of dict``: the settings of each trial, in order; a generator where they are many,
        for it is called more than once. `config` maps the name of each axis to
        a tuple, or to one value where the axis is scalar. Settings are JSON: str, int, float, bool, None, lists, dicts;
        each has a text ``"kind"``, and none is called ``"id"`` or ``"root_seed"``.
    measure : callable
        ``measure(trial) -> {table name: list of row dicts}``, pure. `trial` holds the settings, ``trial["id"]`` (text)
        and ``trial["root_seed"]`` (int). A row holds every column of its table but ``trial``; None is an empty cell.
        A table that is left out has no rows for this trial.
    cost : callable
        ``cost(settings) -> float``: expected seconds on one core.
    summary : callable
        ``summary(tables) -> DataFrame``; here and below `tables` maps each table's name to its DataFrame.
    claims : callable
        ``claims(tables, config)``: a list of what is asked, each a `nnsim.report.questions.Question`, which are judged
        together, or a finished `nnsim.report.claims.Claim`.
    figures : callable
        ``figures(tables, config) -> dict of name to nnsim.report.figures.FigureSpec``.
    warm_up : callable, optional
        ``warm_up()`` calls every kernel once on tiny arrays, so that compilation is over before the trials start.
    kernels : tuple of str
        Those of `nnsim.training.precompile.LARGE` that `warm_up` calls, such as ``"train_epochs float32"``: a first run
        compiles them side by side, on all cores. One that is left out only takes longer.
    inputs : callable, optional
        ``inputs(config) -> dict of str``: what a run depends on beyond its settings, such as the hash of a data file. A
        folder made with other inputs is refused.
    statements : tuple of str
        The claims that the study judges, one sentence each, as ``nnsim study show`` lists them.
    answer : tuple of str
        Ids of the two claims that answer the question best; by default the first that were tested.
    source_sha256 : str
        SHA-256 of the file that it was loaded from, by which such a study is known; `find_study` fills it in. An
        installed study has none: it is known by its name.
    """

    name: str
    title: str
    question: str
    expect: str
    falsify: str
    misreading: str
    references: tuple[str, ...]
    axes: tuple[Axis, ...]
    tables: tuple[Table, ...]
    schema_version: int
    trials: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]
    measure: Callable[[dict[str, Any]], dict[str, list[dict[str, Any]]]]
    cost: Callable[[dict[str, Any]], float]
    summary: Callable[..., Any]
    claims: Callable[..., list[Any]]
    figures: Callable[..., dict[str, Any]]
    warm_up: Callable[[], None] | None = None
    kernels: tuple[str, ...] = ()
    inputs: Callable[[dict[str, Any]], dict[str, str]] | None = None
    statements: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    source_sha256: str = ""

    def __post_init__(self) -> None:
        if self.name in RESERVED_STUDIES or not STUDY_NAME.fullmatch(self.name):
            raise ValueError(f"a study cannot be called '{self.name}'")
        if "trials" not in self.table_names:
            raise ValueError(f"study '{self.name}' needs a table called 'trials'")
        missing = {"kind", "status", "reason"} - {column.name for column in self.table("trials").columns}
        if missing:
            raise ValueError(f"table 'trials' of study '{self.name}' lacks the column '{min(missing)}'")

    @property
    def table_names(self) -> tuple[str, ...]:
        """The names of the tables, in order."""
        return tuple(table.name for table in self.tables)

    def table(self, name: str) -> Table:
        """Return the table called `name`; raises KeyError where there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)
