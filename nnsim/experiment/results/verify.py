"""Whether a finished run is what its manifest says: every checksum, and trials that are measured again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import StoreError
from nnsim.core.progress import Progress
from nnsim.experiment.config import whole_number
from nnsim.experiment.csv_rows import header_line
from nnsim.experiment.executors.threads import check_jobs, run_chunks
from nnsim.experiment.plan import Plan, make_plan
from nnsim.experiment.results.csv_compare import (
    Cells,
    first_difference,
    in_order,
    rows_by_trial,
    same_to_nine_digits,
    split_rows,
)
from nnsim.experiment.results.result_folder import FinishedRun, same_plan
from nnsim.experiment.results.tables import MANIFEST
from nnsim.experiment.source import agree
from nnsim.experiment.store import CHUNK_NAME, CONFIG, ChunkStore, read_identity
from nnsim.study.declaration import Study, Table

CHUNKS = "chunks"
SAME, UNKNOWN = "same", "unknown"
USUAL_TRIALS = 16


@dataclass(frozen=True)
class Check:
    """A file and its state.

    ``same`` as the manifest says, ``changed``, ``missing``, ``damaged`` (a chunk whose bytes are not those its name
    tells), ``unreadable``, or ``unknown``: nothing that the manifest speaks of, and no fault.
    """

    name: str
    state: str

    @property
    def fits(self) -> bool:
        """True if this is no fault."""
        return self.state in {SAME, UNKNOWN}


@dataclass(frozen=True)
class TrialDifference:
    """A trial whose rows were not the same when it was measured again.

    Attributes
    ----------
    trial, table : str
        Its id, and the table that differs.
    cells : dict
        Column to (recorded, measured) in the first row that differs.
    """

    trial: str
    table: str
    cells: Cells


@dataclass(frozen=True)
class Verification:
    """What was looked at, and what was found.

    Attributes
    ----------
    run : FinishedRun
        What was verified.
    files, chunks : tuple of Check
        The files of the manifest and others in the folder; the chunk store, empty where the run has none any more.
    trials, measured : int
        Trials of the run, and how many were measured again.
    differences : tuple of TrialDifference
        What was not the same then.
    to_nine_digits : tuple of str
        Tables that are not canonical, so that only nine digits were compared.
    """

    run: FinishedRun
    files: tuple[Check, ...]
    chunks: tuple[Check, ...]
    trials: int
    measured: int
    differences: tuple[TrialDifference, ...]
    to_nine_digits: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """True if nothing differs and no file is at fault."""
        return not self.differences and all(check.fits for check in (*self.files, *self.chunks))


def verify(
    run: FinishedRun,
    study: Study,
    *,
    trials: int | None = USUAL_TRIALS,
    sample: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Check every checksum of `run`, and measure a sample of its trials again.

    Parameters
    ----------
    run : FinishedRun
        From `nnsim.experiment.results.result_folder.open_run`. Nothing in its folder is changed.
    study : Study
        From `nnsim.experiment.results.result_folder.study_of`.
    trials : int, optional
        How many trials to measure again, one of each kind first; None is all.
    sample : int
        Which sample: the same number draws the same trials.
    jobs : int, optional
        Number of threads; by default one for each usable CPU.
    progress : Progress, optional
        Is told where the verification stands.

    Raises
    ------
    StoreError
        Another arithmetic or schema version, or other input files: bits cannot be compared.
    UsageError
        A number that cannot be used.
    """
    count = None if trials is None else whole_number("trials", trials, 0)
    whole_number("sample", sample, 0)
    workers = check_jobs(jobs)
    listener = progress or Progress()
    listener.phase("checking files")
    plan = same_plan(run, study)
    files, chunks = _check_files(run, plan), _check_chunks(run, plan)
    readable = {check.name for check in files if check.state in {SAME, "changed"}}
    tables = [table for table in study.tables if _csv(table) in readable]
    files += _check_rows(run, plan, tables)
    kinds = [trial.settings["kind"] for trial in plan.trials]
    if not tables or count == 0:
        return Verification(run, files, chunks, len(kinds), 0, (), ())
    part = plan if count is None else _part(plan, choose_trials(kinds, count, sample))
    compared = [table for table in tables if not table.timed]
    differences = _measure_again(run, part, compared, workers, listener)
    loose = tuple(_csv(table) for table in compared if not table.canonical)
    return Verification(run, files, chunks, len(kinds), sum(part.counts.values()), tuple(differences), loose)


def choose_trials(kinds: list[str], count: int, sample: int) -> set[int]:
    """Return the positions of a sample of trials: one of each kind before a second of any.

    Parameters
    ----------
    kinds : list of str
        Kind of each trial.
    count : int
        Size of the sample, at least 0; all trials where there are fewer.
    sample : int
        Seed of the sample: the same number draws the same trials.

    Returns
    -------
    set of int
        Indices into `kinds`.
    """
    shuffled = Random(sample).sample(range(len(kinds)), len(kinds))
    first_of_kind = {kinds[position]: position for position in reversed(shuffled)}
    return set(list(dict.fromkeys((*first_of_kind.values(), *shuffled)))[:count])


def _part(plan: Plan, positions: set[int]) -> Plan:
    """Return a plan of some of the trials of `plan`, each with the id it has there."""
    settings = [trial.settings for position, trial in enumerate(plan.trials) if position in positions]
    return make_plan(replace(plan.study, trials=lambda config: settings), plan.config, plan.seed)


def _csv(table: Table) -> str:
    return f"{table.name}.csv"


def _check_files(run: FinishedRun, plan: Plan) -> tuple[Check, ...]:
    checks = [Check(name, _state(run.folder / name, sha256)) for name, sha256 in run.files.items()]
    if (run.folder / CONFIG).exists():
        checks.append(Check(CONFIG, _config_state(run, plan)))
    known = {*run.files, CONFIG, MANIFEST}
    names = (path.relative_to(run.folder) for path in sorted(run.folder.rglob("*")) if not path.is_dir())
    strangers = [name.as_posix() for name in names if name.parts[0] != CHUNKS]
    return (*checks, *(Check(name, UNKNOWN) for name in strangers if name not in known))


def _state(path: Path, sha256: str, wrong: str = "changed") -> str:
    if not path.exists():
        return "missing"
    if not path.is_file():  # a pipe would be waited for
        return "unreadable"
    try:
        return SAME if sha256_of(path) == sha256 else wrong
    except OSError:
        return "unreadable"


def _config_state(run: FinishedRun, plan: Plan) -> str:
    if not (run.folder / CONFIG).is_file():
        return "unreadable"
    try:
        saved = read_identity(run.folder)
    except StoreError:
        return "changed"
    there, here = saved if isinstance(saved, dict) else {}, plan.identity
    return SAME if all(agree(name, there, here) for name in here) else "changed"


def _check_rows(run: FinishedRun, plan: Plan, tables: Iterable[Table]) -> tuple[Check, ...]:
    """Check that each table has its columns, and rows of the planned trials alone: a sample would never meet others."""
    positions = {trial.id.encode(): position for position, trial in enumerate(plan.trials)}
    checks = []
    for table in tables:
        with (run.folder / _csv(table)).open("rb") as file:
            rows = split_rows(file)
            fits = next(rows, b"") == header_line(table.header) and in_order(rows, positions)
        checks.append(Check(f"columns and trials of {_csv(table)}", SAME if fits else "changed"))
    return tuple(checks)


def _check_chunks(run: FinishedRun, plan: Plan) -> tuple[Check, ...]:
    """Check each chunk of the store against its name, and all together against the tables."""
    if not (run.folder / CHUNKS).is_dir():
        return ()
    store = ChunkStore(run.folder)
    found = {chunk.number: store.find(chunk) for chunk in plan.chunks}
    paths = [path for path in found.values() if path is not None]
    checks = [Check(f"{CHUNKS}/{path.name}", SAME) for path in paths]
    checks += [Check(f"{CHUNKS}/{number:06d}", "missing") for number, path in found.items() if path is None]
    strangers = sorted(set(store.folder.iterdir()) - set(paths))
    checks += [Check(f"{CHUNKS}/{path.name}", _stranger_state(path)) for path in strangers]
    if len(paths) == len(found):
        checks += [_table_check(run, table, store, paths) for table in plan.study.tables]
    return tuple(checks)


def _stranger_state(path: Path) -> str:
    named = CHUNK_NAME.fullmatch(path.name)
    state = _state(path, named["digest"], "damaged") if named else UNKNOWN
    return UNKNOWN if state == SAME else state


def _table_check(run: FinishedRun, table: Table, store: ChunkStore, paths: Iterable[Path]) -> Check:
    digest = hashlib.sha256(header_line(table.header))
    for path in paths:
        digest.update(store.lines(path, table.name))
    return Check(f"{_csv(table)} from {CHUNKS}/", SAME if digest.hexdigest() == run.files[_csv(table)] else "changed")


def _measure_again(
    run: FinishedRun, part: Plan, tables: list[Table], jobs: int, progress: Progress
) -> list[TrialDifference]:
    """Measure the trials of `part` into a store of their own, and compare their rows with those in the run's files."""
    from nnsim.experiment.executors.warm_up import warm_up  # numba, half a second

    warm_up(part.study, jobs, progress)
    with TemporaryDirectory(prefix="nnsim-verify-", ignore_cleanup_errors=True) as scratch:
        store = ChunkStore(Path(scratch))
        progress.begin(sum(part.counts.values()), 0, part.seconds)
        try:
            run_chunks(part, part.chunks, store, jobs, progress)
        finally:
            progress.end()
        return [found for table in tables for found in _differences(run, table, part, store)]


def _differences(run: FinishedRun, table: Table, part: Plan, store: ChunkStore) -> Iterator[TrialDifference]:
    ids = [trial.id for trial in part.trials]
    columns = [column.name for column in table.header]
    with (run.folder / _csv(table)).open("rb") as file:
        recorded = rows_by_trial(split_rows(file), ids)
        measured = rows_by_trial(split_rows(_lines(part, table, store)), ids)
        for trial, old, new in zip(ids, recorded, measured, strict=True):
            if old != new and (table.canonical or not same_to_nine_digits(old, new)):
                yield TrialDifference(trial, table.name, first_difference(columns, old, new))


def _lines(part: Plan, table: Table, store: ChunkStore) -> Iterator[bytes]:
    for chunk in part.chunks:
        path = store.find(chunk)
        if path is None:
            raise StoreError(f"a chunk in '{store.folder}' went away while it was read: run the same command again")
        yield from io.BytesIO(store.lines(path, table.name))
