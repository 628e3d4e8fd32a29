"""Many networks trained at once on a CPU, one in each lane of its vector unit.

The bits are those of `nnsim.training.trainer.train_on_cpu`. Networks of one shape and recipe share a vector, whatever
their parameters, data, keys, learning rates and decay. Too few of a kind, or large ones, are trained by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Event
from typing import Any

import numpy as np

from nnsim.kernels.cpu.metrics import total_sum_of_squares_of
from nnsim.kernels.cpu.simd import VECTOR_BYTES
from nnsim.kernels.lanes.training import Group, train_epochs
from nnsim.networks.spec import NetworkSpec
from nnsim.training.populations import Member, alike, members_of, params_of, stacked
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import CALL_OPERATIONS, Batches, Run, TrainRequest, train_on_cpu

SHARE_AT_SMALLEST, SHARE_A_DECADE, SMALLEST, LARGEST = 0.24, 0.295, 720, 250_000
"""Share of the lanes from which on they pay, at so many multiply-adds a step, and more of it a decade; none beyond.

Measured on a Zen 4, with batches of 8, 32 and 128 rows, two hidden layers of 4 to 512 units and ten classes.
"""


def lanes_of(spec: NetworkSpec) -> int:
    """Return how many networks of this precision fit into a vector."""
    return VECTOR_BYTES // np.dtype(spec.dtype).itemsize


def fewest_in_lanes(spec: NetworkSpec, batch: int) -> int:
    """Return from how many networks on lanes are faster than one after the other; more than there are: never."""
    operations, lanes = spec.n_parameters * batch, lanes_of(spec)
    if operations > LARGEST:
        return lanes + 1
    share = SHARE_AT_SMALLEST + SHARE_A_DECADE * math.log10(operations / SMALLEST)
    return max(2, math.ceil(share * lanes))


def group_size(job: TrainRequest) -> int:
    """Return how many networks like this one are best trained at once."""
    lanes = lanes_of(job.spec)
    return lanes if fewest_in_lanes(job.spec, job.recipe.batch_size) <= lanes else 1


def train_population(jobs: Sequence[TrainRequest], threads: int = 1) -> list[Run]:
    """Train all and return what each came to, in order.

    Parameters
    ----------
    jobs : sequence of TrainRequest
        Of any shapes; the more of them are alike, the better.
    threads : int
        How many groups, or networks alone, are trained at once.

    Returns
    -------
    list of Run
        Equal to the bit to what `nnsim.training.trainer.train_on_cpu` makes of them.

    Raises
    ------
    UsageError
        As `nnsim.training.trainer.train` does.
    """
    parts = [part for kind in alike(range(len(jobs)), lambda i: kind_of(jobs[i])) for part in _parts(jobs, kind)]
    stop = Event()
    runs: dict[int, Run] = {}
    with ThreadPoolExecutor(threads, thread_name_prefix="lanes") as pool:
        try:
            for part, future in [(part, pool.submit(train_group, [jobs[i] for i in part], stop)) for part in parts]:
                runs.update(zip(part, future.result(), strict=True))
        except BaseException:
            stop.set()  # those under way end after their kernel call
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [runs[i] for i in range(len(jobs))]


def _parts(jobs: Sequence[TrainRequest], kind: list[int]) -> list[list[int]]:
    """Return the numbers of jobs of one kind in groups, full ones first; the rest alone where they are too few."""
    size = group_size(jobs[kind[0]])
    parts = [kind[i : i + size] for i in range(0, len(kind), size)]
    if len(parts[-1]) < fewest_in_lanes(jobs[kind[0]].spec, jobs[kind[0]].recipe.batch_size):
        parts[-1:] = [[i] for i in parts[-1]]
    return parts


def train_group(jobs: Sequence[TrainRequest], stop: Event | None = None) -> list[Run]:
    """Train networks of one kind, at most as many as there are lanes, side by side or, if that is faster, not.

    Parameters
    ----------
    jobs : sequence of TrainRequest
        All with one `kind_of`.
    stop : threading.Event, optional
        Ends the training early when it is set; what is returned then is of no use.

    Returns
    -------
    list of Run
    """
    if len(jobs) < fewest_in_lanes(jobs[0].spec, jobs[0].recipe.batch_size):
        return [train_on_cpu(job) for job in jobs]
    return train_side_by_side(jobs, stop)


def train_side_by_side(jobs: Sequence[TrainRequest], stop: Event | None = None) -> list[Run]:
    """Train networks in lanes, however many there are; arguments as for `train_group`."""
    members = members_of(jobs)
    while (going_on := [member for member in members if member.goes_on]) and not (stop and stop.is_set()):
        _train_for_a_while(going_on)
    return [member.run for member in members]


@lru_cache(maxsize=64)
def _kind_of_recipe(spec: NetworkSpec, recipe: Recipe, auc: bool) -> Hashable:
    """Return what of a recipe the networks of one vector share: all but learning rates and decay."""
    params = params_of(recipe, spec)._replace(decays=np.empty(0))
    shared = tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in params)
    return spec, shared, recipe.run_options(auc), recipe.drop_last


def kind_of(job: TrainRequest) -> Hashable:
    """Return what networks must share to be trained side by side: all but parameters, keys, rates, decay and data."""
    data, earlier = job.data, job.earlier
    shapes = data.X.shape, data.Y.shape, data.X_validation.shape
    begun = 0 if earlier is None else len(earlier.history)
    return _kind_of_recipe(job.spec, job.recipe, job.auc), shapes, begun, job.last


def _train_for_a_while(members: list[Member]) -> None:
    """Train a group in one kernel call, short enough to stop after it."""
    job, first = members[0].job, len(members[0].history)
    operations = 3 * job.spec.n_parameters * job.data.X.shape[0] * lanes_of(job.spec)
    epochs = min(max(1, int(CALL_OPERATIONS / operations)), job.last - first)
    arguments = arguments_of(members, epochs)
    train_epochs(*arguments)
    for i, member in enumerate(members):
        member.take(arguments[1], i)


def arguments_of(members: Sequence[Member], epochs: int) -> tuple[Any, Group, Any, Any, tuple[int, ...], int]:
    """Return what `train_epochs` wants, to train a group for so many epochs more."""
    jobs, first = [member.job for member in members], len(members[0].history)
    recipe, spec, data = jobs[0].recipe, jobs[0].spec, jobs[0].data
    different = {id(job.data): job.data for job in jobs}
    addresses = {key: _addresses(each) for key, each in different.items()}
    deviations = {key: total_sum_of_squares_of(each.Y_validation) for key, each in different.items()}
    group = Group(
        **stacked(members, first, epochs),
        decays=np.stack([params_of(job.recipe, spec).decays for job in jobs]),
        data=np.array([addresses[id(job.data)] for job in jobs], np.int64),
        deviations=np.array([deviations[id(job.data)] for job in jobs]),
    )
    shapes = data.X.shape[0], data.X.shape[1], data.X_validation.shape[0], data.Y.shape[1]
    return spec.architecture, group, params_of(recipe, spec), recipe.run_options(jobs[0].auc), shapes, first


def _addresses(data: Batches) -> list[int]:
    return [array.ctypes.data for array in (data.X, data.Y, data.X_validation, data.Y_validation)]
