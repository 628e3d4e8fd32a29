"""Chunks on threads: kernels release the GIL, results land in the store, and order never matters."""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from nnsim.core.errors import NnsimError
from nnsim.core.progress import Progress
from nnsim.experiment.chunks import Chunk, Trial
from nnsim.experiment.config import whole_number
from nnsim.experiment.csv_rows import SchemaError, encode
from nnsim.experiment.inputs import renamed
from nnsim.experiment.plan import Plan
from nnsim.experiment.store import ChunkStore
from nnsim.study.declaration import STATUSES, Column, Study, Table

GRACE_SECONDS = 3.0
"""How long a stopped run waits for the trials under way; what is not in the store by then is computed again."""

REASON_LENGTH = 300

TIMINGS = Table(
    "timings",
    (
        Column("kind", "text", "", "kind of the trial"),
        Column("seconds", "float", "s", "wall-clock time that the trial took"),
        Column("worker", "text", "", "host, process and thread that measured it"),
    ),
    canonical=False,
)


@dataclass(frozen=True)
class Failure:
    """A trial that raised: its id, its settings and the traceback's text."""

    trial: str
    settings: dict[str, Any]
    traceback: str


class FailedTrialError(NnsimError):
    """A trial raised an error, and the run was asked to stop at the first."""

    exit_code = 3

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        cause = " ".join(failure.traceback.strip().splitlines()[-1].split())[:REASON_LENGTH]
        super().__init__(
            f"trial {failure.trial} failed ({cause}); what was finished before is kept, "
            "and the same command without --fail-fast goes on"
        )


@dataclass(frozen=True)
class Task:
    """What all chunks of a run share while they are measured."""

    plan: Plan
    store: ChunkStore
    progress: Progress
    fail_fast: bool
    stop: threading.Event = field(default_factory=threading.Event)


class Work:
    """The rows of one chunk while they are measured.

    Attributes
    ----------
    failures : list of Failure
        The trials that raised so far.
    """

    def __init__(self, plan: Plan, fail_fast: bool = False) -> None:
        self.failures: list[Failure] = []
        self._plan = plan
        self._fail_fast = fail_fast
        self._lines: dict[str, list[bytes]] = {table.name: [] for table in (*plan.study.tables, TIMINGS)}

    @property
    def tables(self) -> dict[str, bytes]:
        """The final CSV lines of each table by its name."""
        return {name: b"".join(lines) for name, lines in self._lines.items()}

    def run(self, trial: Trial) -> None:
        """Measure `trial`; one that raises is a row, or a FailedTrialError where the run is to stop at the first."""
        study = self._plan.study
        start = time.perf_counter()
        rows = renamed(self._measure(trial), self._plan.files)
        seconds = time.perf_counter() - start
        _check_rows(study, rows)
        for name, table_rows in rows.items():
            self._lines[name].append(encode(study.table(name), trial.id, table_rows))
        worker = f"{socket.gethostname()}/{os.getpid()}/{threading.current_thread().name}"
        timing = {"kind": trial.settings["kind"], "seconds": seconds, "worker": worker}
        self._lines[TIMINGS.name].append(encode(TIMINGS, trial.id, [timing]))

    def _measure(self, trial: Trial) -> dict[str, list[dict[str, Any]]]:
        try:
            return self._plan.study.measure({**trial.settings, "id": trial.id, "root_seed": self._plan.seed})
        except NnsimError:  # the user's input: it would be the same sentence for every trial
            raise
        except Exception as error:  # the one place that may catch all: thousands of other trials go on
            failure = Failure(trial.id, trial.settings, traceback.format_exc())
            if self._fail_fast:
                raise FailedTrialError(failure) from error
            self.failures.append(failure)
            return {"trials": [_error_row(self._plan.study, trial, error)]}


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use, which a batch system can set below the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_jobs(jobs: int | None) -> int:
    """Return the number of worker threads; None is one for each usable CPU."""
    return usable_cpus() if jobs is None else whole_number("jobs", jobs, 1)


@threadpool_limits.wrap(limits=1)  # trials are what runs side by side; a BLAS with threads of its own would fight them
def run_chunks(
    plan: Plan,
    chunks: Iterable[Chunk],
    store: ChunkStore,
    jobs: int = 1,
    progress: Progress | None = None,
    fail_fast: bool = False,
) -> list[Failure]:
    """Measure `chunks` of `plan`, in any order, and keep each in `store` as soon as it is finished.

    Parameters
    ----------
    plan : Plan
        What the chunks belong to.
    chunks : iterable of Chunk
        Those that are not in the store yet. One that another process adds before its turn is left alone.
    store : ChunkStore
        Where finished chunks are kept.
    jobs : int
        Number of threads.
    progress : Progress, optional
        Is told of each finished trial.
    fail_fast : bool
        Whether the first trial that raises ends the run.

    Returns
    -------
    list of Failure
        The trials that raised, in the order of the trials.

    Raises
    ------
    NnsimError
        A StoreError, a FailedTrialError, or what a trial says about its user's input: the run stops, finished chunks
        are kept.
    BaseException
        Whatever reaches the calling thread, KeyboardInterrupt for one. The run then stops within `GRACE_SECONDS`; a
        trial that takes longer ends in the background, and its chunk is dropped.
    """
    task = Task(plan, store, progress or Progress(), fail_fast)
    with worker_threads(jobs, task.stop.set) as start:
        futures = {start(_run_chunk, task, chunk): chunk.number for chunk in chunks}
        for future in as_completed(futures):
            future.result()
    return [failure for future in sorted(futures, key=futures.__getitem__) for failure in future.result()]


@contextmanager
def worker_threads(count: int, stop: Callable[[], None]) -> Iterator[Callable[..., Future[Any]]]:
    """Yield what starts a call on one of `count` threads; all calls have ended after the block.

    Where the block raises, `stop` is called, which asks the calls to end; those that have not begun never do, and those
    that take longer than `GRACE_SECONDS` end in the background.
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix="worker")
    unfinished: set[Future[Any]] = set()  # a finished one may hold much

    def start(call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future = pool.submit(call, *arguments)
        unfinished.add(future)
        future.add_done_callback(unfinished.discard)
        return future

    try:
        yield start
    except BaseException:
        stop()
        pool.shutdown(wait=False, cancel_futures=True)
        late = wait([future for future in list(unfinished) if future.running()], GRACE_SECONDS).not_done
        pool.shutdown(wait=not late)
        raise
    pool.shutdown()


def _run_chunk(task: Task, chunk: Chunk) -> list[Failure]:
    if task.stop.is_set():
        return []
    trials = chunk.trials
    if is_kept(task.store, chunk):
        count_kept(task.progress, chunk)
        return []
    work = Work(task.plan, task.fail_fast)
    for trial in trials:
        if task.stop.is_set():
            return []
        try:
            work.run(trial)
        except BaseException:
            task.stop.set()  # here, and not by the calling thread, which may come too late to spare the next chunk
            raise
        task.progress.advance(trial.seconds)
    if not task.stop.is_set():
        task.store.add(chunk, work.tables, errors=len(work.failures))
    return work.failures


def is_kept(store: ChunkStore, chunk: Chunk) -> bool:
    """Return whether another process finished `chunk` in the meantime."""
    store.refresh()
    return store.find_complete(chunk) is not None


def count_kept(progress: Progress, chunk: Chunk) -> None:
    """Tell `progress` of a chunk that need not be measured."""
    for trial in chunk.trials:
        progress.advance(trial.seconds)


def _error_row(study: Study, trial: Trial, error: Exception) -> dict[str, Any]:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:REASON_LENGTH]
    known = {**trial.settings, "status": "error", "reason": reason}
    return {column.name: known.get(column.name) for column in study.table("trials").columns}


def _check_rows(study: Study, rows: dict[str, list[dict[str, Any]]]) -> None:
    unknown = sorted(rows.keys() - set(study.table_names))
    if unknown:
        raise SchemaError(f"study '{study.name}' measured the unknown table '{unknown[0]}'")
    trials = rows.get("trials", [])
    if len(trials) != 1:
        raise SchemaError(f"study '{study.name}' gave {len(trials)} rows of table 'trials' for one trial")
    status = trials[0].get("status")
    if status not in STATUSES:
        raise SchemaError(f"study '{study.name}' gave the status '{status}', allowed are {', '.join(STATUSES)}")
