"""Chunks whose trials are measured side by side, so that what they train becomes populations for a GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed

from threadpoolctl import threadpool_limits

from nnsim.core.errors import NnsimError
from nnsim.core.progress import Progress
from nnsim.experiment.chunks import Chunk
from nnsim.experiment.executors.batcher import DynamicBatcher, Population
from nnsim.experiment.executors.threads import Failure, Task, Work, count_kept, worker_threads
from nnsim.experiment.plan import Plan
from nnsim.experiment.store import ChunkStore

THREADS = 512
"""Threads of a batcher, and so networks that are trained at once, at most."""


class SharedChunk:
    """A chunk whose trials are measured by several threads, each into rows of its own.

    Attributes
    ----------
    number : int
        The chunk's.
    size : int
        Its number of trials.
    """

    def __init__(self, task: Task, chunk: Chunk) -> None:
        self.number, self.size = chunk.number, chunk.size
        self._task, self._chunk, self._trials = task, chunk, chunk.trials
        self._works = [Work(task.plan, task.fail_fast) for _ in self._trials]
        self._left = self.size
        self._counting = threading.Lock()

    @property
    def failures(self) -> list[Failure]:
        """The trials that raised so far, in order."""
        return [failure for work in self._works for failure in work.failures]

    def run(self, position: int) -> None:
        """Measure the trial at `position`; the last one that is finished adds the chunk to the store."""
        trial = self._trials[position]
        self._works[position].run(trial)
        with self._counting:
            self._left -= 1
            is_last = self._left == 0
        self._task.progress.advance(trial.seconds)
        if is_last and not self._task.stop.is_set():
            self._task.store.add(self._chunk, self._tables(), errors=len(self.failures))

    def _tables(self) -> dict[str, bytes]:
        tables = [work.tables for work in self._works]
        return {name: b"".join(lines[name] for lines in tables) for name in tables[0]}


@threadpool_limits.wrap(limits=1)  # trials are what runs side by side; a BLAS with threads of its own would fight them
def run_in_batches(
    plan: Plan,
    chunks: Iterable[Chunk],
    store: ChunkStore,
    jobs: int = 1,
    progress: Progress | None = None,
    fail_fast: bool = False,
) -> list[Failure]:
    """Measure `chunks` of `plan` as `nnsim.experiment.executors.threads.run_chunks` does, with the same rows, on a GPU.

    Trials train together, see `nnsim.experiment.executors.batcher`.

    Parameters
    ----------
    plan, chunks, store, progress, fail_fast
        As in `run_chunks`.
    jobs : int
        How many trials at once do on the CPU what is not training.

    Returns
    -------
    list of Failure
        The trials that raised, in the order of the trials.

    Raises
    ------
    DeviceError
        The GPU failed; finished chunks are kept.
    NnsimError, BaseException
        As `run_chunks`.
    """
    from nnsim.training.cuda_populations import serve  # loads CUDA

    task = Task(plan, store, progress or Progress(), fail_fast)
    failures: dict[int, list[Failure]] = {}
    # One thread alone has to do with the GPU, and it is not this one, which hears signals.
    with worker_threads(1, task.stop.set) as start:
        for group in grouped(chunks):
            failures |= _run_group(task, group, jobs, lambda work: start(serve, work).result())
    return [failure for number in sorted(failures) for failure in failures[number]]


def grouped(chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    """Return `chunks` in groups of at most `THREADS` trials, or of one chunk.

    Neighbours stay together, for their networks are most alike; groups come in the order in which `chunks` has the
    first of each.
    """
    given = list(chunks)
    order = {chunk.number: position for position, chunk in enumerate(given)}
    groups: list[list[Chunk]] = []
    trials = 0
    for chunk in sorted(given, key=lambda chunk: chunk.number):
        if groups and trials + chunk.size <= THREADS:
            groups[-1].append(chunk)
            trials += chunk.size
        else:
            groups.append([chunk])
            trials = chunk.size
    return sorted(groups, key=lambda group: order[group[0].number])


def _run_group(
    task: Task, chunks: Sequence[Chunk], max_running: int, population: Population
) -> dict[int, list[Failure]]:
    shared = _unfinished(task, chunks)
    work = [(chunk, position) for chunk in shared for position in range(chunk.size)]
    threads = min(len(work), THREADS)
    if not threads:
        return {}
    batcher = DynamicBatcher(threads, max_running, task.stop)
    with worker_threads(threads, batcher.stop) as start:
        try:
            futures = [start(_measure, task, batcher, work[first::threads]) for first in range(threads)]
        except RuntimeError as error:
            raise NnsimError(f"the system does not give {threads} threads: raise its limit (ulimit -u)") from error
        batcher.serve(population)
        for future in as_completed(futures):
            future.result()
    return {chunk.number: chunk.failures for chunk in shared}


def _unfinished(task: Task, chunks: Sequence[Chunk]) -> list[SharedChunk]:
    """Return those of `chunks` that no other process has finished in the meantime."""
    task.store.refresh()
    kept = [chunk for chunk in chunks if task.store.find_complete(chunk) is not None]
    for chunk in kept:
        count_kept(task.progress, chunk)
    return [SharedChunk(task, chunk) for chunk in chunks if chunk not in kept]


def _measure(task: Task, batcher: DynamicBatcher, work: Sequence[tuple[SharedChunk, int]]) -> None:
    with batcher.attach():
        for chunk, position in work:
            if task.stop.is_set():
                return
            chunk.run(position)
