"""What a worker of a Dask cluster does: plan the run again from data, refuse it or measure one chunk of it."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from threadpoolctl import threadpool_limits

from nnsim.core.errors import NnsimError
from nnsim.experiment.config import resolve
from nnsim.experiment.executors.threads import FailedTrialError, Work
from nnsim.experiment.plan import Plan, make_plan
from nnsim.study.declaration import Study
from nnsim.study.discovery import find_study

PLANS = 4
"""How many runs a worker remembers; a plan of a million trials takes some hundred megabytes."""

_planning = threading.Lock()


class OtherRunError(NnsimError):
    """The worker would not measure what was ordered."""


def measure_chunk(number: int, key: str, order: str, fail_fast: bool) -> dict[str, Any]:
    """Return what became of a chunk, as data: errors of ours do not survive a pickle.

    Parameters
    ----------
    number, key : int and str
        Which chunk, and what its trials must be.
    order : str
        From `nnsim.experiment.executors.dask.make_order`.
    fail_fast : bool
        Whether the first trial that raises ends the run.

    Returns
    -------
    dict
        ``tables`` (name to CSV lines; None where `fail_fast` ended it) and ``failures``; or ``refusal``, a sentence,
        and ``exit_code``.
    """
    try:
        work = _measure(number, key, order, fail_fast)
    except FailedTrialError as error:
        return {"tables": None, "failures": [asdict(error.failure)]}
    except NnsimError as error:
        return {"refusal": f"Dask worker on {socket.gethostname()}: {error}", "exit_code": error.exit_code}
    return {"tables": work.tables, "failures": [asdict(failure) for failure in work.failures]}


def _measure(number: int, key: str, order: str, fail_fast: bool) -> Work:
    with _planning:  # or each thread of the worker would plan, and compile
        plan = _plan(order)
    if number >= len(plan.chunks) or plan.chunks[number].key != key:
        raise OtherRunError(f"the study '{plan.study.name}' lists other trials there: install the same nnsim and study")
    # Not lifted again: chunks on other threads of this process are not at their ends at the same time.
    threadpool_limits(limits=1)
    work = Work(plan, fail_fast)
    for trial in plan.chunks[number].trials:
        work.run(trial)
    return work


@lru_cache(maxsize=PLANS)
def _plan(order: str) -> Plan:
    """Return the plan of `order` if measuring it here gives the bits that it would give where it comes from."""
    ordered = json.loads(order)
    identity = ordered["identity"]
    study = _study(ordered["study"], ordered["source"])
    plan = make_plan(study, resolve(study, ordered["preset"], ordered["config"]), identity["seed"])
    here = json.loads(json.dumps(plan.identity))
    for name in identity | here:
        if identity.get(name) != here.get(name):
            there, ours = (json.dumps(values.get(name)) for values in (here, identity))
            raise OtherRunError(f"{name} is {there} there and {ours} here: install the same nnsim, study and data")
    from nnsim.experiment.executors.warm_up import warm_up  # numba, half a second

    warm_up(study, _threads())
    return plan


def _threads() -> int:
    """Return the number of threads of this worker: others on the machine compile at the same time."""
    from distributed import get_worker

    try:
        return get_worker().state.nthreads
    except ValueError:  # called without a cluster
        return 1


def _study(name: str, source: str | None) -> Study:
    """Return the installed study, the same file where this machine has it too, or one from the text of the file."""
    if source is None:
        return find_study(name)
    path, content = Path(name), source.encode("latin-1")
    if path.is_file() and path.read_bytes() == content:  # its neighbours can be imported, too
        return find_study(name)
    with TemporaryDirectory(prefix="nnsim-study-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(content)
        return find_study(str(copy))
