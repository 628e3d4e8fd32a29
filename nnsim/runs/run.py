"""One call from a question to its report: resolve, plan, measure, write, judge."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from threading import Thread
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.core.output_folders import named, refuse_inputs
from nnsim.core.progress import Progress
from nnsim.data.data_paths import from_folder
from nnsim.experiment.chunks import Chunk
from nnsim.experiment.config import resolve
from nnsim.experiment.executors.dask import check_address, connected, make_order, run_on_cluster
from nnsim.experiment.executors.gpu import run_in_batches
from nnsim.experiment.executors.threads import Failure, check_jobs, run_chunks
from nnsim.experiment.grid import rule_options
from nnsim.experiment.plan import Plan, make_plan
from nnsim.experiment.results.manifest import now, provenance
from nnsim.experiment.shard import Shard
from nnsim.experiment.store import ChunkStore, Record, open_folder
from nnsim.runs.merge import StudyResult, check_formats, forget_results, result_files, write_results
from nnsim.study.declaration import Study
from nnsim.study.discovery import find_study
from nnsim.training.backend import Backend, choose

RESULTS = Path("nnsim-results")


@dataclass(frozen=True)
class ShardResult:
    """What a finished shard left: its chunks, in the store of `folder`.

    Attributes
    ----------
    folder : Path
        The output folder.
    shard : Shard
        What was run.
    trials, chunks : int
        How many are the shard's.
    failures : tuple of Failure
        The trials that raised an error; their rows have status ``error``.
    """

    folder: Path
    shard: Shard
    trials: int
    chunks: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Job:
    """One run in one folder: what is measured, where, and by how many threads, which GPU or which Dask scheduler."""

    plan: Plan
    folder: Path
    record: Record
    workers: int
    backend: Backend
    dask: str | None
    progress: Progress
    cold: bool


def plan_study(study: str | Study, preset: str = "quick", *, seed: int = 0, **axes: Any) -> Plan:
    """Return what `run_study` would do with the same arguments, without doing it.

    Parameters
    ----------
    study, preset, seed, **axes
        As in `run_study`.

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
    backend: str = "cpu",
    seed: int = 0,
    dask: str | None = None,
    fail_fast: bool = False,
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
    backend : str
        Where networks are trained: ``"cpu"``, ``"cuda"``, or ``"auto"``, which is CUDA where it can be used. Results do
        not depend on it.
    seed : int
        Root of all random draws.
    dask : str, optional
        Address of a Dask scheduler, ``"tcp://host:port"``, whose workers measure in place of threads here. The study
        must be given by its name or file, for only data travel.
    fail_fast : bool
        Whether the first trial that raises ends the run.
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
    ClusterError
        A Dask cluster that does not answer, went away, or would measure something else; finished chunks are kept.
    StoreError
        An output folder that cannot be used, or a disk that refuses; finished chunks are kept.
    FailedTrialError
        A trial raised under `fail_fast`; finished chunks are kept.
    DeviceError
        The GPU failed; finished chunks are kept.
    """
    started = now()
    formats = check_formats(figure_formats, preset)
    job = _open(study, preset, output, jobs, seed, progress, axes, backend=backend, dask=dask)
    failures = _measure(job, job.plan.chunks, fail_fast, report_follows=True)
    here = {"jobs": job.workers, "backend": job.backend.facts} if dask is None else {}
    manifest = provenance(job.plan, job.record.command) | here | {"preset": preset, "started": started}
    return write_results(job.folder, job.plan, job.record, manifest, formats, job.progress, failures)


def run_shard(
    study: str | Study,
    preset: str = "quick",
    *,
    shard: str | Shard,
    output: str | PathLike[str] | None = None,
    jobs: int | None = None,
    backend: str = "cpu",
    seed: int = 0,
    fail_fast: bool = False,
    progress: Progress | None = None,
    **axes: Any,
) -> ShardResult:
    """Measure one shard's share of a study and write no tables: `nnsim.runs.merge.merge_study` does when all are done.

    Parameters
    ----------
    shard : str or Shard
        ``"i/N"`` with i from 0: every N-th chunk from chunk i on. The chunks themselves depend on neither.
    study, preset, output, jobs, backend, seed, fail_fast, progress, **axes
        As in `run_study`.

    Returns
    -------
    ShardResult
        What is in the store now.

    Raises
    ------
    UsageError, StoreError, FailedTrialError, DeviceError
        As `run_study` does; a shard that does not exist is a UsageError.
    """
    share = Shard.parse(shard) if isinstance(shard, str) else shard
    job = _open(study, preset, output, jobs, seed, progress, axes, share.count, backend)
    chunks = share.of(job.plan.chunks)
    failures = _measure(job, chunks, fail_fast)
    return ShardResult(job.folder, share, sum(chunk.size for chunk in chunks), len(chunks), tuple(failures))


def prepare_shards(
    study: str | Study, preset: str = "quick", *, shards: int, output: Path, seed: int = 0, **axes: Any
) -> None:
    """Make `output` the folder of a study that `shards` shards will fill.

    Parameters
    ----------
    study, preset, seed, **axes
        As in `run_study`.
    shards : int
        How many there will be.
    output : Path
        New, empty, or the folder of the same run.

    Raises
    ------
    UsageError, StoreError
        As `run_study` does.
    """
    _open(study, preset, output, None, seed, None, axes, shards)


def default_output(study: Study, preset: str) -> Path:
    """Return the folder that is used where none is named."""
    return RESULTS / f"{study.name}-{preset}"


def command_line(study: str | Study, preset: str, plan: Plan, chosen: Iterable[str]) -> str:
    """Return the command that runs the same trials.

    Parameters
    ----------
    study : str or Study
        By its name or file, or itself; a study is called by its name.
    preset : str
    plan : Plan
        Of that study and preset.
    chosen : collection of str
        Names of the axes that were set by hand.
    """
    name = study if isinstance(study, str) else study.name
    words = ["nnsim", "study", *(["run", name] if name.endswith(".py") else [name]), "--preset", preset]
    for axis in plan.study.axes:
        if axis.name in chosen:
            value = plan.config[axis.name]
            words += [axis.option, str(value) if axis.scalar else ",".join(map(str, value))]
    words += [word for option in rule_options(plan.config) for word in option]
    return shlex.join([*words, "--seed", str(plan.seed)])


def _open(
    study: str | Study,
    preset: str,
    output: str | PathLike[str] | None,
    jobs: int | None,
    seed: int,
    progress: Progress | None,
    axes: dict[str, Any],
    shards: int = 1,
    backend: str = "cpu",
    dask: str | None = None,
) -> Job:
    """Check everything that was asked for, and make the folder this configuration's."""
    from nnsim.kernels.compiling.compile_cache import is_empty  # numba, half a second

    if dask is not None:
        _check_dask(study, dask, jobs, backend)
    cold = is_empty()  # asked before the data are read, which compiles the first kernels
    plan = plan_study(study, preset, seed=seed, **axes)
    workers, listener = check_jobs(jobs), progress or Progress()
    chosen = choose(backend, listener.phase)
    folder = named(output) if output is not None else default_output(plan.study, preset)
    command = command_line(study, preset, plan, [name for name, value in axes.items() if value is not None])
    files = {name: from_folder(path, folder) for path, name in plan.files.items()}
    record = Record(_findable(study), preset, command, now(), plan.size, len(plan.chunks), shards, files)
    refuse_inputs([folder / name for name in result_files(plan.study)], map(Path, plan.files))
    open_folder(folder, plan.identity, record)
    return Job(plan, folder, record, workers, chosen, dask, listener, cold)


def _check_dask(study: str | Study, address: str, jobs: int | None, backend: str) -> None:
    if backend != "cpu":
        raise UsageError(f"--dask measures on the CPUs of its workers: leave --backend {backend} out")
    check_address(address)
    if jobs is not None:
        raise UsageError("--dask measures on the threads of its workers: leave --jobs out")
    if not isinstance(study, str):
        raise UsageError(f"only data travel to a Dask cluster: give the name or the file of the study '{study.name}'")


def _findable(study: str | Study) -> str:
    """Return what finds the study again from any working folder."""
    name = study if isinstance(study, str) else study.name
    return str(Path(name).resolve()) if name.endswith(".py") else name


def _measure(job: Job, chunks: Sequence[Chunk], fail_fast: bool, report_follows: bool = False) -> list[Failure]:
    """Fill the store; a chunk with a failed trial in it is tried again."""
    store = ChunkStore(job.folder)
    pending = [chunk for chunk in chunks if store.find_complete(chunk) is None]
    if not pending:
        return []
    with _executor(job) as execute:
        forget_results(job.folder)  # from here on the tables are not what it says
        trials, waiting = (sum(chunk.size for chunk in group) for group in (chunks, pending))
        job.progress.begin(trials, trials - waiting, sum(chunk.seconds for chunk in pending))
        if report_follows:
            # It needs pandas and matplotlib, a second of imports: kernels leave the interpreter free for it.
            Thread(target=import_module, args=("nnsim.report.render",), daemon=True).start()
        try:
            return execute(shuffled(pending), store, progress=job.progress, fail_fast=fail_fast)
        finally:
            job.progress.end()


@contextmanager
def _executor(job: Job) -> Iterator[Callable[..., list[Failure]]]:
    """Make ready what measures chunks, before anything in the folder is changed: a cluster, or kernels here."""
    from nnsim.experiment.executors.warm_up import warm_up  # numba, half a second
    from nnsim.kernels.compiling.compile_cache import is_empty

    if job.dask is not None:
        job.progress.phase(f"connecting to {job.dask}")
        with connected(job.dask) as client:
            yield partial(run_on_cluster, client, make_order(job.record.study, job.record.preset, job.plan))
        return
    warm_up(job.plan.study, job.workers, job.progress, job.cold)
    on_cpu = job.backend.name == "cpu"
    if not on_cpu and is_empty("kernels/cuda"):
        job.progress.phase("the first trials wait for half a minute, while CUDA kernels are compiled (first run only)")
    execute = run_chunks if on_cpu else run_in_batches
    yield partial(execute, job.plan, jobs=job.workers)


def shuffled(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return `chunks` in an order of its own for each run: two in one folder then share the work and seldom collide."""
    return random.sample(chunks, len(chunks))
