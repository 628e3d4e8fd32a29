"""Many networks trained at once on a GPU, a thread block for each.

The bits are those of `nnsim.training.trainer.train_on_cpu`. Networks of one shape, recipe and data become one launch,
whatever their parameters, keys and learning rates; a launch that would not fit into the device's memory, or would take
long, is split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.metrics import total_sum_of_squares_of
from nnsim.kernels.cpu.optimizers import OptimizerParams
from nnsim.kernels.cpu.training import Data, RunOptions
from nnsim.kernels.cuda.gemm import STAGED_THREADS, TILES
from nnsim.kernels.cuda.network import END, Places, places
from nnsim.kernels.cuda.probes import probe_layers
from nnsim.kernels.cuda.training import STATIC_BYTES, Population, train_epochs
from nnsim.kernels.formulas.architecture import Architecture
from nnsim.kernels.formulas.columns import N_HISTORY, N_PROBE
from nnsim.networks.spec import NetworkSpec
from nnsim.training.block_size import side_by_side, threads_of_block
from nnsim.training.device import Device, current_device
from nnsim.training.populations import MOMENTS, STATE, Member, alike, members_of, stacked
from nnsim.training.probe_request import ProbeRequest
from nnsim.training.trainer import Run, TrainRequest

LAUNCH_OPERATIONS = 2e12
"""Multiply-adds of one launch, some seconds' worth at most, so that a run can be stopped between two."""

SHARE = 0.8
"""Of the device's free memory that a launch may take."""

CHANGED = (*STATE, *MOMENTS, "history", "ended")
"""What a launch changes of a `Population`."""

LARGEST_ROWS = 2**24
"""Row numbers up to this are exact in float32, in which the shuffle keeps them."""


def train_population(jobs: Sequence[TrainRequest]) -> list[Run]:
    """Train all on the current GPU and return what each came to, in order.

    Parameters
    ----------
    jobs : sequence of TrainRequest
        Of any shapes; the more of them are alike, the better.

    Returns
    -------
    list of Run
        Equal to the bit to what the CPU makes of them.

    Raises
    ------
    UsageError
        As `nnsim.training.trainer.train` does, or a network is too large for the device.
    DeviceError
        The device failed.
    """
    device = current_device()
    members = members_of(jobs)
    for group in alike(members, _kind):
        _train_group(device, group)
    return [member.run for member in members]


def _kind(member: Member) -> tuple:
    """Return what two networks must share to go into one launch."""
    job = member.job
    params = tuple(
        value.tobytes() if isinstance(value, np.ndarray) else value for value in job.recipe.optimizer_params(job.spec)
    )
    steps = job.recipe.steps(job.data.X.shape[0])
    return job.spec, params, job.recipe.run_options(job.auc), steps, id(job.data), len(member.history), job.last


def _train_group(device: Device, group: list[Member]) -> None:
    """Train networks of one kind in launches, those that go on in the next."""
    with device.guarded():
        plan = _plan(device, group[0].job)
        while going_on := [member for member in group if member.goes_on]:
            first = len(going_on[0].history)
            parts = plan.parts(going_on)
            epochs = min(plan.epochs(len(parts[0])), going_on[0].job.last - first)
            under_way: list[_Launch] = []
            for part in parts:
                if len(under_way) == plan.at_once:
                    under_way.pop(0).collect()
                under_way.append(_Launch(device, plan, part, first, epochs))
            for launch in under_way:
                launch.collect()


@dataclass(frozen=True)
class _Plan:
    """How networks of one kind use the device; arrays are on it."""

    net: Architecture
    params: OptimizerParams
    options: RunOptions
    data: Data
    layout: Places
    deviation: float
    room: _Room
    networks: int
    operations: float

    @property
    def at_once(self) -> int:
        """How many launches are under way at once: two, where there is room, so that one works while one is made."""
        return min(2, self.networks)

    def parts(self, members: list[Member]) -> list[list[Member]]:
        """Return the networks of each launch: one if all fit, else of half the room."""
        size = self.networks if len(members) <= self.networks else max(1, self.networks // 2)
        return [members[i : i + size] for i in range(0, len(members), size)]

    def epochs(self, networks: int) -> int:
        """Return for how many epochs a launch of so many networks trains."""
        return max(1, int(LAUNCH_OPERATIONS / (self.operations * networks)))


def _plan(device: Device, job: TrainRequest) -> _Plan:
    spec, recipe, rows = job.spec, job.recipe, job.data.X.shape[0]
    if rows > LARGEST_ROWS:
        raise UsageError(f"a GPU trains on at most {LARGEST_ROWS} rows, got {rows}: use the CPU")
    data = Data(job.data.X, job.data.Y, job.data.X_validation, job.data.Y_validation)
    entry, steps = recipe.entry, recipe.steps(rows)
    moments = (entry.first, entry.second)
    layout = places(spec.architecture, spec.n_parameters, moments, data.Y.shape[1], rows, recipe.batch_size)
    room = _Room(device, int(layout.network[END]), spec, recipe.batch_size)
    own = (2 + sum(moments)) * job.theta.nbytes + 8 * recipe.epochs * (steps + N_HISTORY)
    own += 16 * data.X_validation.shape[0] if job.auc else 0
    networks = room.networks(own, sum(array.nbytes for array in data))
    params = recipe.optimizer_params(spec)
    vectors = {name: device.put(getattr(params, name)) for name in ("starts", "rates", "decays")}
    return _Plan(
        net=_on(device, spec.architecture),
        params=params._replace(**vectors),
        options=recipe.run_options(job.auc),
        data=Data(*map(device.put, data)),
        layout=Places(*map(device.put, layout)),
        deviation=float(total_sum_of_squares_of(data.Y_validation)),
        room=room,
        networks=networks,
        operations=3.0 * spec.n_parameters * rows,
    )


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


class _Launch:
    """One launch under way: networks of one kind for some epochs, on a stream of its own."""

    def __init__(self, device: Device, plan: _Plan, part: list[Member], first: int, epochs: int) -> None:
        self._device, self._part, self._stream = device, part, device.stream()
        self._population = Population(*(device.put(array, self._stream) for array in _gathered(part, first, epochs)))
        plan.room.launch(
            train_epochs, len(part), self._stream,
            plan.net, plan.params, plan.options, plan.data, plan.layout, self._population, first, plan.deviation,
        )  # fmt: skip

    def collect(self) -> None:
        """Wait for the launch, and bring every network as far as it came."""
        left = self._population._asdict()
        found = Population(**left | {name: self._device.get(left[name], self._stream) for name in CHANGED})
        self._device.wait(self._stream)
        for i, member in enumerate(self._part):
            member.take(found, i)


def _gathered(part: list[Member], first: int, epochs: int) -> Population:
    """Return what the networks of a launch begin with, on the host."""
    job = part[0].job
    ranked = job.data.X_validation.shape[0] if job.auc else 0
    return Population(**stacked(part, first, epochs), ranking=np.empty((len(part), 2, ranked)))


def probe_population(looks: Sequence[ProbeRequest]) -> list[np.ndarray]:
    """Look at many networks on the current GPU; each answer equals `nnsim.probes.layers.probe_on_cpu`'s to the bit.

    Raises
    ------
    UsageError
        A network is too large for the device.
    DeviceError
        The device failed.
    """
    device = current_device()
    answers: dict[int, np.ndarray] = {}
    groups: dict[tuple, list[int]] = {}
    for number, look in enumerate(looks):
        groups.setdefault((look.spec, look.X.shape, look.Y.shape, look.signal.shape), []).append(number)
    for numbers in groups.values():
        with device.guarded():
            answers.update(zip(numbers, _looks(device, [looks[number] for number in numbers]), strict=True))
    return [answers[number] for number in range(len(looks))]


def _looks(device: Device, looks: list[ProbeRequest]) -> list[np.ndarray]:
    """Look at networks of one kind, as many at a time as the device's memory holds."""
    spec, rows = looks[0].spec, looks[0].X.shape[0]
    layout = places(spec.architecture, spec.n_parameters, (False, False), looks[0].Y.shape[1], 0, rows)
    room = _Room(device, int(layout.network[END]), spec, rows)
    own = sum(array.nbytes for array in (looks[0].theta, looks[0].X, looks[0].Y, looks[0].signal))
    at_once = room.networks(own, 0)
    found: list[np.ndarray] = []
    for begin_at in range(0, len(looks), at_once):
        part = looks[begin_at : begin_at + at_once]
        out = device.put(np.zeros((len(part), len(spec.fans), N_PROBE)))
        arrays = (np.stack([getattr(look, name) for look in part]) for name in ("theta", "X", "Y", "signal"))
        room.launch(
            probe_layers, len(part), 0,
            _on(device, spec.architecture), Places(*map(device.put, layout)), *map(device.put, arrays),
            spec.numpy_dtype(part[0].threshold), out,
        )  # fmt: skip
        found += list(device.get(out))
    return found


def serve(wishes: Sequence[TrainRequest | ProbeRequest]) -> list[Run | np.ndarray]:
    """Train what is to be trained and look at what is to be looked at; return the answers in order."""
    jobs = {number: wish for number, wish in enumerate(wishes) if isinstance(wish, TrainRequest)}
    looks = {number: wish for number, wish in enumerate(wishes) if isinstance(wish, ProbeRequest)}
    answers: dict[int, Run | np.ndarray] = {}
    answers.update(zip(jobs, train_population([*jobs.values()]), strict=True))
    answers.update(zip(looks, probe_population([*looks.values()]), strict=True))
    return [answers[number] for number in range(len(wishes))]


class _Room:
    """The memory of a block: shared where a network fits, else a part of the device's; and launches with it."""

    def __init__(self, device: Device, numbers: int, spec: NetworkSpec, rows: int) -> None:
        self._device, self._numbers, self._spec, self._rows = device, numbers, spec, rows
        size = np.dtype(spec.dtype).itemsize
        self._bytes = numbers * size
        self._resident = self._bytes + STATIC_BYTES <= device.shared_bytes
        self._shared_bytes = STATIC_BYTES + (self._bytes if self._resident else TILES * size)

    def launch(self, kernel_of: Any, networks: int, stream: Any, *arguments: Any) -> None:
        """Launch a kernel, whose last argument is the blocks' memory, for so many networks."""
        device, spec, limits = self._device, self._spec, self._device.limits
        kernel = kernel_of(spec.dtype, self._resident)
        registers = device.registers(kernel, *arguments, self._scratch(0))
        if self._resident:
            threads = threads_of_block(spec.widths, self._rows, networks, registers, self._shared_bytes, limits)
            device.launch(kernel, networks, threads, stream, self._bytes, *arguments, self._scratch(0))
        else:
            at_once = limits.processors * side_by_side(STAGED_THREADS, registers, self._shared_bytes, limits)
            blocks = min(networks, at_once)
            device.launch(kernel, blocks, STAGED_THREADS, stream, 0, *arguments, self._scratch(blocks))

    def _scratch(self, blocks: int) -> Any:
        """Return memory on the device for so many blocks."""
        return self._device.empty((blocks, self._numbers), self._spec.dtype)

    def networks(self, own: int, common: int) -> int:
        """Return how many networks fit beside `common` bytes, each with so many bytes of its `own`.

        Raises
        ------
        UsageError
            Not one.
        """
        needed, free = own + (0 if self._resident else self._bytes), int(SHARE * self._device.free_bytes())
        if needed + common > free:
            raise UsageError(
                f"the network needs {_mebibytes(needed)} and its data {_mebibytes(common)} of the GPU's memory, "
                f"of which {_mebibytes(free)} may be used: choose a smaller network or batch, or the CPU"
            )
        return (free - common) // max(needed, 1)


def _on(device: Device, net: Architecture) -> Architecture:
    """Return what the kernels know of a network, its vectors on the device."""
    return net._replace(widths=device.put(net.widths), loss_weights=device.put(net.loss_weights))
