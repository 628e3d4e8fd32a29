"""One call from a question to its report: resolve, plan, measure, write, judge."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from nnsim.errors import StoreError, UnknownNameError
from nnsim.experiment.catalogue import find_study
from nnsim.experiment.config import resolve
from nnsim.experiment.executor import Failure, check_jobs, run_chunks
from nnsim.experiment.files import publish, writing
from nnsim.experiment.grid import rule_options
from nnsim.experiment.manifest import file_hashes, now, provenance
from nnsim.experiment.plan import Plan, make_plan
from nnsim.experiment.progress import Progress
from nnsim.experiment.results import DICTIONARY, MANIFEST, dictionary, measured_columns, read_table, write_tables
from nnsim.experiment.settings import CONFIG_FILE, to_toml
from nnsim.experiment.store import ChunkStore, open_folder
from nnsim.experiment.study import Column, Study

if TYPE_CHECKING:
    import pandas as pd

FIGURE_FORMATS = ("png", "pdf", "svg")
QUICK_FORMATS = ("png",)
RESULTS = Path("nnsim-results")


@dataclass(frozen=True)
class StudyResult:
    """What a finished run left.

    Attributes
    ----------
    folder : Path
        The output folder.
    study : Study
        What was run.
    config : dict
        The resolved value of each axis.
    tables : dict
        Table name to DataFrame, as `nnsim.load` reads them.
    files : tuple of Path
        All files written, the manifest last.
    manifest : dict
        The content of ``manifest.json``.
    failures : tuple of Failure
        The trials that raised an error; their rows have status ``error``.
    """

    folder: Path
    study: Study
    config: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    files: tuple[Path, ...]
    manifest: dict[str, Any]
    failures: tuple[Failure, ...]

    @property
    def claims(self) -> pd.DataFrame:
        """One row a claim, with its verdict."""
        return self.tables["claims"]


def plan_study(study: str | Study, preset: str = "quick", *, seed: int = 0, **axes: Any) -> Plan:
    """Return what `run_study` would do with the same arguments, without doing it.

    Raises
    ------
    UsageError
        An unknown study, preset or axis, or a value that is not allowed.
    """
    found = find_study(study) if isinstance(study, str) else study
    return make_plan(found, resolve(found, preset, axes), seed)


def run_study(
    study: str | Study,
    preset: str = "quick",
    *,
    output: str | PathLike[str] | None = None,
    jobs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    figure_formats: Sequence[str] | None = None,
    **axes: Any,
) -> StudyResult:
    """Run a study and write its tables, claims, figures and report; finished work in the same folder is kept.

    Parameters
    ----------
    study : str or Study
        The name of an installed study, the path of a Python file, or a study itself.
    preset : str
        ``"quick"``, ``"standard"`` or ``"paper"``.
    output : path, optional
        The folder; by default ``nnsim-results/<study>-<preset>``.
    jobs : int, optional
        Number of threads; by default one for each usable CPU. Results do not depend on it.
    seed : int
        Root of all random draws.
    progress : Progress, optional
        Is told where the run stands.
    figure_formats : sequence of str, optional
        Of ``png``, ``pdf``, ``svg``; by default PNG for ``quick``, else all.
    **axes
        Values of the study's axes, e.g. ``depth=[5, 30]`` or ``learning_rate="log:1e-4:1:9"``, and ``zip`` and
        ``exclude``, the rules of its grid (`nnsim.experiment.config.resolve`).

    Returns
    -------
    StudyResult
        The tables, files and verdicts.

    Raises
    ------
    UsageError
        A name or value that cannot be used.
    StoreError
        An output folder that cannot be used, or a disk that refuses; finished chunks are kept.
    """
    from nnsim.kernels.compile_cache import is_empty  # numba, half a second

    started = now()
    cold = is_empty()  # asked before the data are read, which compiles the first kernels
    plan = plan_study(study, preset, seed=seed, **axes)
    workers = check_jobs(jobs)
    formats = _formats(figure_formats, preset)
    folder = Path(output) if output is not None else default_output(plan.study, preset)
    listener = progress or Progress()
    open_folder(folder, plan.identity)
    publish(folder / CONFIG_FILE, [to_toml(plan, preset)])

    store = ChunkStore(folder)
    failures = _measure(plan, store, workers, listener, cold)
    listener.phase("writing tables")
    write_tables(folder, plan.study, store, _complete(plan, store))

    command = command_line(study, preset, plan, [name for name, value in axes.items() if value is not None])
    manifest = provenance(plan, command, workers) | {"preset": preset, "started": started}
    listener.phase("judging claims, drawing figures")
    return _report(folder, plan, manifest, formats, failures)


def default_output(study: Study, preset: str) -> Path:
    """Return the folder that is used where none is named."""
    return RESULTS / f"{study.name}-{preset}"


def command_line(study: str | Study, preset: str, plan: Plan, chosen: Iterable[str]) -> str:
    """Return the command that runs the same trials; `chosen` are the axes that were set by hand."""
    name = study if isinstance(study, str) else study.name
    words = ["nnsim", "study", *(["run", name] if name.endswith(".py") else [name]), "--preset", preset]
    for axis in plan.study.axes:
        if axis.name in chosen:
            value = plan.config[axis.name]
            words += [axis.option, str(value) if axis.scalar else ",".join(map(str, value))]
    words += [word for option in rule_options(plan.config) for word in option]
    return shlex.join([*words, "--seed", str(plan.seed)])


def _formats(given: Sequence[str] | None, preset: str) -> tuple[str, ...]:
    if given is None:
        return QUICK_FORMATS if preset == "quick" else FIGURE_FORMATS
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    for name in names:
        if name not in FIGURE_FORMATS:
            raise UnknownNameError("figure format", name, FIGURE_FORMATS)
    return tuple(names)


def _finished(plan: Plan, store: ChunkStore) -> dict[int, Path]:
    """Return the verified file of each finished chunk by its number, in order."""
    found = ((chunk.number, store.find(chunk)) for chunk in plan.chunks)
    return {number: path for number, path in found if path is not None}


def _complete(plan: Plan, store: ChunkStore) -> list[Path]:
    """Return the verified file of every chunk; raises StoreError where one went missing while others were measured."""
    found = _finished(plan, store)
    missing = len(plan.chunks) - len(found)
    if missing:
        raise StoreError(f"{missing} chunks of '{store.folder}' are damaged or gone: run the same command again")
    return list(found.values())


def _measure(plan: Plan, store: ChunkStore, jobs: int, progress: Progress, cold: bool) -> list[Failure]:
    """Fill the store; a chunk with a failed trial in it is tried again."""
    kept = {number for number, path in _finished(plan, store).items() if not store.has_errors(path)}
    pending = [chunk for chunk in plan.chunks if chunk.number not in kept]
    if not pending:
        return []
    with writing(store.folder.parent / MANIFEST):  # from here on the tables are not what it says
        (store.folder.parent / MANIFEST).unlink(missing_ok=True)
    if plan.study.warm_up is not None:
        progress.phase("compiling kernels (first run only)" if cold else "loading kernels")
        plan.study.warm_up()
    trials = sum(len(chunk.trials) for chunk in plan.chunks)
    finished = trials - sum(len(chunk.trials) for chunk in pending)
    progress.begin(trials, finished, sum(chunk.seconds for chunk in pending))
    # The report needs pandas and matplotlib, a second of imports: kernels leave the interpreter free for it.
    Thread(target=import_module, args=("nnsim.report.render",), daemon=True).start()
    try:
        return run_chunks(plan, pending, store, jobs, progress)
    finally:
        progress.end()


def _report(
    folder: Path, plan: Plan, manifest: dict[str, Any], formats: tuple[str, ...], failures: list[Failure]
) -> StudyResult:
    """Judge and draw from the CSV files alone, and write the manifest last: it says that the run is finished."""
    from nnsim.report.claims import CLAIM_COLUMNS, summary_columns  # pandas and matplotlib, over a second
    from nnsim.report.render import write_report

    measured = measured_columns(plan.study)
    tables = {name: read_table(folder / f"{name}.csv", columns) for name, columns in measured.items()}
    counts = tables["trials"]["status"].value_counts().sort_index()
    table_files = [folder / f"{name}.csv" for name in measured]
    manifest = manifest | {
        "trials": {str(status): int(count) for status, count in counts.items()},
        "finished": now(),
        "files": file_hashes(folder, table_files),
    }
    written = write_report(folder, plan.study, tables, plan.config, manifest, formats)

    summary = read_table(folder / "summary.csv")
    tables |= {"summary": summary, "claims": read_table(folder / "claims.csv", CLAIM_COLUMNS)}
    described: dict[str, tuple[Column, ...]] = measured | {
        "summary": summary_columns(plan.study, list(summary.columns)),
        "claims": CLAIM_COLUMNS,
    }
    publish(folder / DICTIONARY, [dictionary(described)])
    files = [*table_files, *written, folder / CONFIG_FILE, folder / DICTIONARY]
    manifest = manifest | {"files": file_hashes(folder, files)}
    publish(folder / MANIFEST, [(json.dumps(manifest, indent=2) + "\n").encode()])
    return StudyResult(folder, plan.study, plan.config, tables, (*files, folder / MANIFEST), manifest, tuple(failures))
