"""Many networks trained at once on a GPU: the same bits as `nnsim.training.train_on_cpu`, a thread block for each.

Networks of one shape, recipe and data become one launch, whatever their parameters, keys and learning rates; a launch
that would not fit into the device's memory, or would take long, is split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnsim.devices import Device, current_device
from nnsim.errors import UsageError
from nnsim.kernels.cpu.metrics import spread_of
from nnsim.kernels.cpu.network import Architecture
from nnsim.kernels.cpu.optimizers import Rule
from nnsim.kernels.cpu.training import COLUMNS, Course, Data, State
from nnsim.kernels.cuda.network import END, Places, places
from nnsim.kernels.cuda.training import STATIC_BYTES, Population, train_epochs
from nnsim.training import Job, Run, begin, finish, finished

LAUNCH_OPERATIONS = 2e12
"""Multiply-adds of one launch, some seconds' worth at most, so that a run can be stopped between two."""

SHARE = 0.8
"""Of the device's free memory that a launch may take."""

LARGEST_ROWS = 2**24
"""Row numbers up to this are exact in float32, in which the shuffle keeps them."""


@dataclass
class _Member:
    """A network in training: what it was asked for, and how far it is."""

    job: Job
    state: State
    history: np.ndarray
    stopped: int = -1
    over: bool = False


def train_population(jobs: Sequence[Job]) -> list[Run]:
    """Train all on the current GPU and return what each came to, in order.

    Parameters
    ----------
    jobs : sequence of Job
        Of any shapes; the more of them are alike, the better.

    Returns
    -------
    list of Run
        Equal to the bit to what the CPU makes of them.

    Raises
    ------
    UsageError
        As `nnsim.training.train` does, or a network is too large for the device.
    DeviceError
        The device failed.
    """
    device = current_device()
    members = [_Member(job, *begin(job), over=finished(job) is not None) for job in jobs]
    groups: dict[tuple, list[_Member]] = {}
    for member in members:
        groups.setdefault(_kind(member), []).append(member)
    for group in groups.values():
        _train_group(device, group)
    return [finished(m.job) or finish(m.job, m.state, m.history, m.stopped) for m in members]


def _kind(member: _Member) -> tuple:
    """Return what two networks must share to go into one launch."""
    job = member.job
    rule = tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in job.recipe.rule(job.spec))
    steps = job.recipe.steps(job.data.X.shape[0])
    return job.spec, rule, job.recipe.course(job.auc), steps, id(job.data), len(member.history), job.last


def _train_group(device: Device, group: list[_Member]) -> None:
    """Train networks of one kind in launches, those that go on in the next."""
    plan = _plan(device, group[0].job)
    while going_on := [m for m in group if not m.over and len(m.history) < m.job.last]:
        first = len(going_on[0].history)
        parts = [going_on[i : i + plan.networks] for i in range(0, len(going_on), plan.networks)]
        epochs = min(plan.epochs(len(parts[0])), going_on[0].job.last - first)
        with device.guarded():
            launches = [_Launch(device, plan, part, first, epochs) for part in parts]
            for launch in launches:
                launch.collect()


@dataclass(frozen=True)
class _Plan:
    """How networks of one kind use the device; arrays are on it."""

    net: Architecture
    rule: Rule
    course: Course
    data: Data
    layout: Places
    memory: int
    deviation: float
    resident: bool
    networks: int
    operations: float

    def epochs(self, networks: int) -> int:
        """Return for how many epochs a launch of so many networks trains."""
        return max(1, int(LAUNCH_OPERATIONS / (self.operations * networks)))


def _plan(device: Device, job: Job) -> _Plan:
    spec, recipe, rows, size = job.spec, job.recipe, job.data.X.shape[0], job.spec.numpy_dtype().itemsize
    if rows > LARGEST_ROWS:
        raise UsageError(f"a GPU trains on at most {LARGEST_ROWS} rows, got {rows}: use the CPU")
    data = Data(job.data.X, job.data.Y, job.data.X_validation, job.data.Y_validation)
    moments = (recipe.entry.first, recipe.entry.second)
    layout = places(spec.architecture, spec.n_parameters, moments, data.Y.shape[1], rows, recipe.batch_size)
    memory = int(layout.network[END])
    resident = memory * size + STATIC_BYTES <= device.shared_bytes
    net, rule = spec.architecture, recipe.rule(spec)
    return _Plan(
        net=net._replace(widths=device.put(net.widths), loss_weights=device.put(net.loss_weights)),
        rule=rule._replace(
            starts=device.put(rule.starts), rates=device.put(rule.rates), decays=device.put(rule.decays)
        ),
        course=recipe.course(job.auc),
        data=Data(*map(device.put, data)),
        layout=Places(*map(device.put, layout)),
        memory=memory,
        deviation=float(spread_of(data.Y_validation)),
        resident=resident,
        networks=_networks(device, job, data, memory * size, resident),
        operations=3.0 * spec.n_parameters * rows,
    )


def _networks(device: Device, job: Job, data: Data, memory: int, resident: bool) -> int:
    """Return how many networks a launch may hold; raises UsageError where it is not one."""
    spec, recipe, steps = job.spec, job.recipe, job.recipe.steps(job.data.X.shape[0])
    vectors = 2 + recipe.entry.first + recipe.entry.second  # parameters, the best ones, and moments
    kept = vectors * spec.n_parameters * spec.numpy_dtype().itemsize + 8 * recipe.epochs * (steps + COLUMNS)
    ranking = 16 * data.X_validation.shape[0] if job.auc else 0
    needed = kept + ranking + (0 if resident else memory)
    free, data_bytes = int(SHARE * device.free_bytes()), sum(array.nbytes for array in data)
    if needed + data_bytes > free:
        raise UsageError(
            f"the network needs {_mebibytes(needed)} and its data {_mebibytes(data_bytes)} of the GPU's memory, "
            f"of which {_mebibytes(free)} may be used: choose a smaller network or batch, or the CPU"
        )
    return (free - data_bytes) // needed


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


class _Launch:
    """One launch under way: networks of one kind for some epochs, on a stream of its own."""

    def __init__(self, device: Device, plan: _Plan, part: list[_Member], first: int, epochs: int) -> None:
        self._device, self._part, self._stream = device, part, device.stream()
        self._population = Population(*(device.put(array, self._stream) for array in _gathered(part, first, epochs)))
        dtype, memory = part[0].job.spec.dtype, plan.memory
        blocks = device.blocks(len(part), plan.resident)
        shared = memory * part[0].state.theta.itemsize if plan.resident else 0
        scratch = device.empty((0 if plan.resident else blocks, memory), dtype)
        device.launch(
            train_epochs(dtype, plan.resident), blocks, self._stream, shared,
            plan.net, plan.rule, plan.course, plan.data, plan.layout, self._population, first, plan.deviation, scratch,
        )  # fmt: skip

    def collect(self) -> None:
        """Wait for the launch, and bring every network as far as it came."""
        found = Population(*(self._device.get(array, self._stream) for array in self._population))
        self._device.wait(self._stream)
        for i, member in enumerate(self._part):
            epochs, member.stopped = map(int, found.ended[i])
            member.history = np.concatenate([member.history, found.history[i, :epochs]])
            member.over = member.stopped >= 0 or epochs < found.history.shape[1]
            _scatter(found, i, member.state)


def _gathered(part: list[_Member], first: int, epochs: int) -> Population:
    """Return what the networks of a launch begin with, on the host."""
    states, job = [member.state for member in part], part[0].job
    rows, networks = job.data.X_validation.shape[0], len(part)
    steps = job.recipe.steps(job.data.X.shape[0])
    window = slice(first * steps, (first + epochs) * steps)
    return Population(
        theta=np.stack([state.theta for state in states]),
        first=np.stack([state.moments.first for state in states]),
        second=np.stack([state.moments.second for state in states]),
        powers=np.stack([state.moments.powers for state in states]),
        statistics=np.stack([state.statistics for state in states]),
        plateau=np.stack([state.plateau for state in states]),
        stopping=np.stack([state.stopping for state in states]),
        best_theta=np.stack([state.best_theta for state in states]),
        best_statistics=np.stack([state.best_statistics for state in states]),
        keys=np.array([member.job.key for member in part], np.uint64),
        rates=np.stack([member.job.recipe.rates(job.data.X.shape[0])[window] for member in part]),
        history=np.full((networks, epochs, COLUMNS), np.nan),
        ended=np.zeros((networks, 2), np.int64),
        ranking=np.empty((networks, 2, rows if job.auc else 0)),
    )


def _scatter(found: Population, i: int, state: State) -> None:
    """Write what network `i` came to into its state."""
    for name in ("theta", "statistics", "plateau", "stopping", "best_theta", "best_statistics"):
        getattr(state, name)[:] = getattr(found, name)[i]
    for name in ("first", "second", "powers"):
        getattr(state.moments, name)[:] = getattr(found, name)[i]
