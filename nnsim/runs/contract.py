"""A contract for studies: what the engine and the report rely on, tried on a study as it is.

In a test of your own: ``check_study(study, depth=[2], seeds=2)``. It runs the study a few times in a temporary folder,
so set its axes to something small.
"""

from __future__ import annotations

import copy
import math
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnsim.core.errors import NnsimError
from nnsim.core.progress import Progress
from nnsim.experiment.config import resolve
from nnsim.experiment.csv_rows import encode, header_line
from nnsim.experiment.executors.threads import check_jobs
from nnsim.experiment.executors.warm_up import warm_up
from nnsim.experiment.plan import Plan, Trial, make_plan
from nnsim.experiment.results.tables import measured_columns, read_table
from nnsim.runs.run import plan_study, run_study
from nnsim.study.declaration import PRESETS, Study
from nnsim.study.discovery import find_study

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 12
"""Trials of each kind at most that are measured again in another order."""

Problem = str
"""What is wrong, in one sentence; empty where nothing is."""


class ContractError(NnsimError):
    """A study that breaks its contract; `problems` maps each broken rule to what is wrong."""

    exit_code = 4

    def __init__(self, study: str, problems: dict[str, Problem]) -> None:
        self.problems = problems
        broken = "; ".join(f"'{rule}': {problem}" for rule, problem in problems.items())
        super().__init__(f"study '{study}' breaks {len(problems)} of {len(RULES)} rules: {broken}")


@dataclass(frozen=True)
class Case:
    """A study under one small configuration, with a folder for its runs."""

    study: Study
    preset: str
    axes: dict[str, Any]
    folder: Path

    @cached_property
    def plan(self) -> Plan:
        """The trials under seed 0."""
        return make_plan(self.study, resolve(self.study, self.preset, self.axes))

    @cached_property
    def trials(self) -> list[Trial]:
        """All trials in order."""
        return list(self.plan.trials)

    def run(self, name: str, seed: int = 0, **options: Any) -> Path:
        """Run the study into the folder `name`, or go on there, and return the folder."""
        place = self.folder / name
        run_study(self.study, self.preset, output=place, seed=seed, figure_formats=("svg",), **options, **self.axes)
        return place

    @cached_property
    def first(self) -> Path:
        """The folder of a finished run."""
        return self.run("first", jobs=1)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables of the finished run, as they are read for a report."""
        columns = measured_columns(self.study)
        return {name: read_table(self.first / f"{name}.csv", columns[name]) for name in columns}


def check_study(
    study: Study | str, preset: str = "quick", *, told: Callable[[str, Problem], None] | None = None, **axes: Any
) -> None:
    """Try every rule of the contract on `study`.

    Parameters
    ----------
    study : Study or str
        A study, its name, or the path of its file.
    preset : str
        Where the values of the other axes come from.
    told : callable, optional
        Is called with each rule as soon as it was tried, and with what is wrong: nothing where the rule is kept.
    **axes
        Values of axes, as for `nnsim.run_study`.

    Raises
    ------
    ContractError
        The study breaks a rule.
    UsageError
        The study cannot be found, or an axis takes no such value.
    """
    found = find_study(study) if isinstance(study, str) else study
    resolve(found, preset, axes)
    problems = {}
    with tempfile.TemporaryDirectory(prefix="nnsim-check-") as folder:
        case = Case(found, preset, axes, Path(folder))
        for name, rule in RULES.items():
            problem = _tried(rule, case)
            if problem:
                problems[name] = problem
            if told is not None:
                told(name, problem)
    if problems:
        raise ContractError(found.name, problems)


def _tried(rule: Callable[[Case], Problem], case: Case) -> Problem:
    try:
        return rule(case)
    except Exception as error:  # whatever a study raises is what this is here to find
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}"
        return f"{' '.join(f'{type(error).__name__}: {error}'.split())} ({place})"


def _presets(case: Case) -> Problem:
    for preset in PRESETS:
        plan_study(case.study, preset, **case.axes)
    return ""


def _trials(case: Case) -> Problem:
    again = make_plan(case.study, case.plan.config)
    if [trial.id for trial in again.trials] != [trial.id for trial in case.trials]:
        return "trials(config) lists other trials when it is called again"
    for settings in (trial.settings for trial in case.trials):
        if not isinstance(settings.get("kind"), str):
            return f"a trial has no text 'kind': {settings}"
        if settings.keys() & {"id", "root_seed"}:
            return f"a trial has a setting 'id' or 'root_seed', which are the engine's: {settings}"
    costs = [trial.seconds for trial in case.trials]
    return "" if all(cost >= 0 and math.isfinite(cost) for cost in costs) else "cost(settings) is no time in seconds"


def _compilation(case: Case) -> Problem:
    sample = _sample(case.trials)  # listing them may read data, which compiles too
    warm_up(case.study, check_jobs(None))
    before = _compiled()
    for trial in sample:
        _rows(case.study, trial)
    late = sorted(_compiled() - before)
    return f"measure(trial) compiles {late[0]} in the middle of a run: call it in warm_up()" if late else ""


def _compiled() -> set[str]:
    """Return every kernel and signature that this process has compiled or loaded."""
    from numba.core.dispatcher import Dispatcher

    found = set()
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if isinstance(value, Dispatcher):
                found |= {f"{name}{signature.args}" for signature in value.nopython_signatures}
    return found


def _measurement(case: Case) -> Problem:
    sample = _sample(case.trials)
    forward = {trial.id: _rows(case.study, trial) for trial in sample}
    backward = {trial.id: _rows(case.study, trial) for trial in reversed(sample)}
    other = next((trial for trial in sample if forward[trial.id] != backward[trial.id]), None)
    return "" if other is None else f"measure(trial) gives other rows when it is called again: {other.settings}"


def _sample(trials: Iterable[Trial]) -> list[Trial]:
    kinds: dict[str, list[Trial]] = {}
    for trial in trials:
        kinds.setdefault(trial.settings["kind"], []).append(trial)
    return [trial for group in kinds.values() for trial in group[:: math.ceil(len(group) / SAMPLE)]]


def _rows(study: Study, trial: Trial) -> dict[str, bytes]:
    given = {**copy.deepcopy(trial.settings), "id": trial.id, "root_seed": 0}
    kept = copy.deepcopy(given)
    rows = study.measure(given)
    if given != kept:
        raise ValueError(f"measure(trial) changes the trial that it is given: {trial.settings}")
    written = {name: encode(study.table(name), trial.id, lines) for name, lines in rows.items()}
    return {name: lines for name, lines in written.items() if not study.table(name).timed}


def _schema(case: Case) -> Problem:
    trials = case.tables()["trials"]
    failed = trials[trials["status"] == "error"]
    if len(failed):
        return f"{len(failed)} of {len(trials)} trials raised, the first {failed['reason'].iloc[0]}"
    kinds = [trial.settings["kind"] for trial in case.trials]
    return "" if list(trials["kind"]) == kinds else "column 'kind' of table 'trials' is not the trial's kind"


class _Interruption(Progress):
    """Stops a run in the middle of its trials."""

    def __init__(self, trials: int) -> None:
        self._left = math.ceil(trials / 2)

    def advance(self, seconds: float, count: int = 1, note: str = "") -> None:
        self._left -= 1
        if self._left <= 0:
            raise KeyboardInterrupt


def _resumption(case: Case) -> Problem:
    with suppress(KeyboardInterrupt):
        case.run("stopped", jobs=1, progress=_Interruption(len(case.trials)))
    return _difference(case, case.run("stopped", jobs=max(2, check_jobs(None))))


def _difference(case: Case, folder: Path) -> Problem:
    tables = [table.name for table in case.study.tables if not table.timed]
    made = ["claims", "summary"] if len(tables) == len(case.study.tables) else []  # of times, too
    for name in (*tables, *made):
        if (folder / f"{name}.csv").read_bytes() != (case.first / f"{name}.csv").read_bytes():
            return f"{name}.csv differs"
    return ""


def _seeds(case: Case) -> Problem:
    other = case.run("other", seed=1)
    for table in (table for table in case.study.tables if not table.timed):
        here, there = (_without_ids(folder / f"{table.name}.csv") for folder in (case.first, other))
        if here != there:
            return ""
    return "seed 1 gives what seed 0 gives: draw from trial['root_seed'], as nnsim.core.seeding.key does"


def _without_ids(path: Path) -> list[bytes]:
    return [line.partition(b",")[2] for line in path.read_bytes().splitlines()]


def _claims(case: Case) -> Problem:
    from nnsim.report.claims import claims_frame
    from nnsim.report.judging import claims_of
    from nnsim.report.render import frame_csv

    before = case.tables()
    case.run("other", seed=1)  # what the study may remember is now another run's
    tables = {name: frame.copy() for name, frame in before.items()}
    claims = claims_frame(claims_of(case.study, tables, dict(case.plan.config)))
    if frame_csv(claims) != (case.first / "claims.csv").read_bytes():
        return "claims(tables, config) judges the same tables in another way when it is called again"
    changed = [name for name, frame in tables.items() if not frame.equals(before[name])]
    return f"claims(tables, config) changes the table '{changed[0]}' that it is given" if changed else ""


def _report(case: Case) -> Problem:
    page = (case.first / "report.html").read_text(encoding="utf-8")
    return "" if "</html>" in page else "report.html is not a whole page"


def _empty(case: Case) -> Problem:
    place = case.folder / "empty"
    place.mkdir()
    return _decided(case, place, empty_tables(case.study, place))


def empty_tables(study: Study, place: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of a run without trials, after writing them into the folder `place`.

    Judged on them, a study says which claims it can make: each is ``untested``.
    """
    tables = {}
    for name, columns in measured_columns(study).items():
        (place / f"{name}.csv").write_bytes(header_line(columns))
        tables[name] = read_table(place / f"{name}.csv", columns)
    return tables


def _not_a_number(case: Case) -> Problem:
    place = case.folder / "nan"
    place.mkdir()
    tables, axes = case.tables(), {axis.name for axis in case.study.axes}
    for table in case.study.tables:
        measured = [column.name for column in table.columns if column.kind == "float" and column.name not in axes]
        tables[table.name][measured] = math.nan
    return _decided(case, place, tables, only_unmeasured=True)


def _decided(case: Case, place: Path, tables: dict[str, pd.DataFrame], only_unmeasured: bool = False) -> Problem:
    """Report on `tables`, and return which claim is decided although nothing was measured for it."""
    from nnsim.report.claims import CLAIM_COLUMNS
    from nnsim.report.render import write_report

    write_report(place, case.study, tables, case.plan.config, {"command": "nnsim study check"}, ("svg",))
    claims = read_table(place / "claims.csv", CLAIM_COLUMNS)
    decided = claims[claims["verdict"].isin(["holds", "fails"])]
    if only_unmeasured:
        decided = decided[decided["estimate"].isna()]
    return f"claim {decided['id'].iloc[0]} {decided['verdict'].iloc[0]} without a measurement" if len(decided) else ""


RULES: dict[str, Callable[[Case], Problem]] = {
    "every preset has trials": _presets,
    "the same configuration has the same trials": _trials,
    "kernels are compiled before the trials": _compilation,
    "a trial gives the same rows in any order": _measurement,
    "rows fit their tables, and no trial raises": _schema,
    "an interrupted run gives the same bytes": _resumption,
    "another seed gives other bytes": _seeds,
    "claims are judged from the tables alone": _claims,
    "the report renders": _report,
    "nothing is decided on empty tables": _empty,
    "nothing is decided on values that are not numbers": _not_a_number,
}
"""The contract: each rule with the function that tries it."""
