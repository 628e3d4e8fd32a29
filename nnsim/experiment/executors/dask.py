"""Chunks on a Dask cluster: data travel to the workers, lines of CSV come back, and this process alone writes."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from nnsim.core.errors import NnsimError, UsageError
from nnsim.core.progress import Progress
from nnsim.experiment.chunks import Chunk
from nnsim.experiment.config import to_json
from nnsim.experiment.executors.dask_worker import measure_chunk
from nnsim.experiment.executors.threads import FailedTrialError, Failure, is_kept
from nnsim.experiment.inputs import renamed
from nnsim.experiment.plan import Plan
from nnsim.experiment.store import ChunkStore

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as Promise

ADDRESS = re.compile(r"(tcp|tls)://([^\s/:\[\]]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}")
CONNECT_SECONDS = 6
CLOSE_SECONDS = 2

TALKATIVE = frozenset({"distributed", "tornado", "asyncio"})
"""Packages whose loggers write to the terminal by themselves."""


class ClusterError(NnsimError):
    """A Dask cluster that cannot be reached, went away, or would measure something else; finished chunks are kept."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        self.exit_code = exit_code
        super().__init__(sentence)


def check_address(address: str) -> None:
    """Raise UsageError where `address` is none of a scheduler, or where the package for it is not installed."""
    if ADDRESS.fullmatch(address) is None:
        raise UsageError(f"--dask takes the address of a scheduler, such as tcp://127.0.0.1:8786, got '{address}'")
    if find_spec("distributed") is None:
        raise UsageError("--dask needs the package distributed, which is not installed: pip install 'nnsim[dask]'")


def make_order(study: str, preset: str, plan: Plan) -> str:
    """Return all that a worker has to know of a run, as JSON.

    Parameters
    ----------
    study : str
        Name of an installed study, or the path of a file, whose text then travels along.
    preset : str
        Size of the study.
    plan : Plan
        What is run: its identity travels, and each worker plans again.
    """
    # Every byte is a character of Latin-1, so the text is the file's bytes whatever its own encoding.
    source = Path(study).read_bytes().decode("latin-1") if study.endswith(".py") else None
    config = to_json(renamed(plan.config, {path: os.path.abspath(path) for path in plan.files}))
    order = {"study": study, "source": source, "preset": preset, "config": config, "identity": plan.identity}
    return json.dumps(order)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Yield a client of the scheduler at `address`; what is not finished at the end of the block is cancelled.

    Raises
    ------
    ClusterError
        Nobody answers there within `CONNECT_SECONDS`.
    """
    answer: Future[Client] = Future()
    # The client's own limit does not cover a stranger that takes the connection and says nothing.
    Thread(target=_connect, args=(address, answer), daemon=True).start()
    try:
        client = answer.result(CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at '{address}': start one there, or name another") from error
    with _silent_logs():
        try:
            yield client
        finally:
            client.close(timeout=CLOSE_SECONDS)  # the scheduler drops what only this client waits for


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Let Dask and what it runs on log nothing: they write tracebacks where one sentence of ours follows."""
    known = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.split(".")[0] in TALKATIVE]
    before = [log.disabled for log in known]
    try:
        for log in known:
            log.disabled = True
        yield
    finally:
        for log, disabled in zip(known, before, strict=True):
            log.disabled = disabled


def _connect(address: str, answer: Future[Client]) -> None:
    from distributed import Client

    try:
        answer.set_result(Client(address, timeout=CONNECT_SECONDS, set_as_default=False))
    except Exception as error:  # whoever waits for the answer handles it
        answer.set_exception(error)


def run_on_cluster(
    client: Client,
    order: str,
    chunks: Sequence[Chunk],
    store: ChunkStore,
    progress: Progress,
    fail_fast: bool = False,
) -> list[Failure]:
    """Measure `chunks` on the workers of `client`, in any order, and keep each in `store` as soon as it is back.

    A chunk whose worker is lost is measured again by another one. Workers that join later take part.

    Parameters
    ----------
    client : distributed.Client
        From `connected`.
    order : str
        From `make_order`.
    chunks : sequence of Chunk
        Those that are not in the store yet.
    store : ChunkStore
        Where finished chunks are kept; no worker needs to see it.
    progress : Progress
        Is told of each finished chunk's trials.
    fail_fast : bool
        Whether the first trial that raises ends the run.

    Returns
    -------
    list of Failure
        The trials that raised, in the order of the trials.

    Raises
    ------
    ClusterError
        The scheduler went away, workers die of one chunk again and again, or one would measure something else.
    FailedTrialError, StoreError
        As `nnsim.experiment.executors.threads.run_chunks`.
    """
    from distributed import as_completed

    if not client.nthreads():
        progress.phase("waiting for a worker: the scheduler has none yet")
    numbers, keys = [chunk.number for chunk in chunks], [chunk.key for chunk in chunks]
    futures = client.map(measure_chunk, numbers, keys, order=order, fail_fast=fail_fast, pure=False)
    of_future = dict(zip(futures, chunks, strict=True))
    failures: dict[int, list[Failure]] = {}
    for future in as_completed(futures, loop=client.loop):
        chunk = of_future.pop(future)
        failures[chunk.number] = _keep(store, chunk, _outcome(future))
        future.release()
        for trial in chunk.trials:
            progress.advance(trial.seconds)
    return [failure for number in sorted(failures) for failure in failures[number]]


def _outcome(future: Promise) -> dict[str, Any]:
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        return future.result()
    except KilledWorker as error:
        raise ClusterError(
            f"workers of the Dask cluster keep dying over one chunk, the last was {error.last_worker.address}: "
            "see its log; the same command goes on where it stopped"
        ) from error
    except (CancelledError, CommClosedError) as error:  # it died between two results, or while it sent one
        raise ClusterError("the Dask scheduler went away: the same command goes on where it stopped") from error
    except ImportError as error:
        raise ClusterError(f"the Dask cluster cannot import nnsim ({error}): install it there as it is here") from error


def _keep(store: ChunkStore, chunk: Chunk, outcome: dict[str, Any]) -> list[Failure]:
    if "refusal" in outcome:
        raise ClusterError(outcome["refusal"], outcome["exit_code"])
    failures = [Failure(**failure) for failure in outcome["failures"]]
    if outcome["tables"] is None:
        raise FailedTrialError(failures[0])
    if not is_kept(store, chunk):
        store.add(chunk, outcome["tables"], errors=len(failures))
    return failures
