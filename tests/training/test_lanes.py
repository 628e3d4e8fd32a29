"""Networks trained side by side, one in each lane of a vector: each comes to the bits that it comes to alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cuda_cases import CASES, LOOKS, ROWS, bits, job_of, ranked_job

from nnsim.core.errors import UsageError
from nnsim.kernels.formulas.columns import VALIDATION_METRIC
from nnsim.networks.spec import NetworkSpec
from nnsim.training.lane_populations import group_size, lanes_of, train_population, train_side_by_side
from nnsim.training.trainer import Run, TrainRequest, train_on_cpu

pytestmark = pytest.mark.bits

Trainer = Callable[[list[TrainRequest]], list[Run]]
LANES = lanes_of(NetworkSpec((1, 2)))


def side_by_side(jobs: list[TrainRequest]) -> list[Run]:
    """Train in lanes, as many at a time as there are, whether it pays or not."""
    lanes = lanes_of(jobs[0].spec)
    return [run for i in range(0, len(jobs), lanes) for run in train_side_by_side(jobs[i : i + lanes])]


def different(runs: list[Run], others: list[Run]) -> list[int]:
    """Return which runs have other bits."""
    return [i for i, (run, other) in enumerate(zip(runs, others, strict=True)) if bits(run) != bits(other)]


def expect_equal(jobs: list[TrainRequest], train: Trainer = side_by_side) -> list[Run]:
    """Train together and each alone, compare, and return the runs."""
    together = train(jobs)
    assert different(together, [train_on_cpu(job) for job in jobs]) == []
    return together


def with_own_data(job: TrainRequest, network: int) -> TrainRequest:
    """Return a network's request with its own share of the rows, in its own order, and other numbers in them."""
    rng = np.random.default_rng(network)
    data, order = job.data, rng.permutation(ROWS)
    X = (data.X[order] + rng.normal(size=data.X.shape)).astype(data.X.dtype)
    looks = (data.X_validation * network).astype(data.X.dtype)
    return replace(job, data=replace(data, X=X, Y=data.Y[order], X_validation=looks))


@pytest.mark.parametrize("networks", [1, 5, 16])
@pytest.mark.parametrize("name", CASES)
def test_a_group_of_one_kind(name: str, networks: int) -> None:
    expect_equal([job_of(name, network) for network in range(networks)])


@pytest.mark.parametrize("name", CASES)
def test_each_with_its_own_data(name: str) -> None:
    expect_equal([with_own_data(job_of(name, network), network) for network in range(7)])


def at_rates(job: TrainRequest, *rates: float) -> list[TrainRequest]:
    """Return requests that differ in key and learning rate."""
    return [
        replace(job, key=key, recipe=replace(job.recipe, learning_rate=rate)) for key, rate in enumerate(rates, start=1)
    ]


def test_those_that_diverge_leave_and_the_others_go_on() -> None:
    job = job_of("diverges")
    longer = replace(job, recipe=replace(job.recipe, epochs=8), last=8)
    runs = expect_equal(at_rates(longer, 0.01, 1e30, 0.02, 1e12, 0.1, 1e4))
    assert [run.status for run in runs].count("done") == 2
    assert len({run.diverged_at for run in runs}) > 3


def test_those_that_stop_early_leave_and_the_others_go_on() -> None:
    job = job_of("early stopping")
    longer = replace(job, recipe=replace(job.recipe, epochs=12, patience=2), last=12)
    runs = expect_equal(at_rates(longer, 2.0, 0.01, 5.0, 0.1, 0.5))
    assert {run.stopped_early for run in runs} == {True, False}
    assert len({len(run.history) for run in runs}) > 2


def test_early_stopping_that_keeps_the_running_statistics() -> None:
    job = job_of("early stopping by the metric")
    expect_equal(at_rates(job, 2.0, 0.01, 5.0, 0.1, 0.5))


def on_threads(jobs: list[TrainRequest]) -> list[Run]:
    return train_population(jobs, threads=2)


def test_more_than_there_are_lanes_on_threads() -> None:
    expect_equal([job_of("clip norm", network) for network in range(2 * LANES + 1)], on_threads)


def test_networks_of_several_kinds() -> None:
    names = ["clip norm", "mse", "float64", "wide", "clip norm", "whole batch"] * 3
    expect_equal([job_of(name, network) for network, name in enumerate(names)], on_threads)


def test_large_networks_do_not_wait_for_others() -> None:
    job = job_of("wide")
    assert group_size(job) == LANES
    assert group_size(replace(job, spec=replace(job.spec, widths=(3, 999, 999, 3)))) == 1


def test_a_population_of_none() -> None:
    assert train_population([]) == []


def test_another_decay_in_every_lane() -> None:
    job = job_of("optimizer adamw")
    expect_equal([replace(job, recipe=replace(job.recipe, weight_decay=decay)) for decay in (0.1, 0.0, 0.3, 0.2)])


@pytest.mark.parametrize("name", ["schedule", "plateau", "optimizer adam", "batch norm"])
def test_a_run_that_goes_on_from_an_earlier_one(name: str) -> None:
    whole = [job_of(name, network) for network in range(3)]
    whole = [replace(job, recipe=replace(job.recipe, epochs=5), last=5) for job in whole]
    begun = side_by_side([replace(job, last=2) for job in whole])
    ended = side_by_side([replace(job, start=run) for job, run in zip(whole, begun, strict=True)])
    assert different(ended, [train_on_cpu(job) for job in whole]) == []


def test_a_run_that_is_over_is_not_trained() -> None:
    over = train_on_cpu(job_of("diverges"))
    assert over.status == "diverged"
    runs = side_by_side([replace(job_of("diverges"), start=over), job_of("diverges", 1)])
    assert runs[0] is over


@pytest.mark.parametrize(("loss", "outputs"), [("bce", 1), ("cross_entropy", 2)])
def test_the_area_under_the_curve(loss: str, outputs: int) -> None:
    job = ranked_job(loss, outputs)
    expect_equal([replace(job, key=key) for key in range(5)])


def test_no_rows_to_look_at() -> None:
    jobs = [job_of("clip norm", network) for network in range(3)]
    nothing = {"X_validation": jobs[0].data.X[:0], "Y_validation": jobs[0].data.Y[:0]}
    expect_equal([replace(job, data=replace(job.data, **nothing)) for job in jobs])


def test_rows_that_are_not_one_after_the_other_in_memory_are_refused() -> None:
    job = job_of("clip norm")
    spread = replace(job.data, X=np.repeat(job.data.X, 2, axis=1)[:, ::2])
    with pytest.raises(UsageError, match="X of the training rows must be C-contiguous"):
        side_by_side([job, replace(job, data=spread)])


def test_targets_that_are_all_equal_in_one_lane() -> None:
    jobs = [job_of("mse", network) for network in range(3)]
    equal = replace(jobs[1].data, Y_validation=np.full((LOOKS, 3), 0.1, np.float32))
    runs = expect_equal([jobs[0], replace(jobs[1], data=equal), jobs[2]])
    assert [bool(np.isnan(run.history[:, VALIDATION_METRIC]).all()) for run in runs] == [False, True, False]


def test_many_rows_and_columns() -> None:
    """More columns than a vector has lanes, and a last batch of fewer rows."""
    rng = np.random.default_rng(0)
    job = job_of("wide")
    spec = replace(job.spec, widths=(37, 33, 21, 10))
    X, Y = rng.normal(size=(130, 37)).astype(np.float32), rng.integers(0, 10, (130, 1)).astype(np.float32)
    data = replace(job.data, X=X[:100], Y=Y[:100], X_validation=X[100:], Y_validation=Y[100:])
    thetas = (rng.normal(0, 0.3, spec.n_parameters).astype(np.float32) for _ in range(LANES))
    recipe = replace(job.recipe, batch_size=32, epochs=3, momentum=0.9)
    jobs = [TrainRequest(spec, theta, data, recipe, key, 3, False) for key, theta in enumerate(thetas)]
    expect_equal([with_rows(each, number) for number, each in enumerate(jobs)])


def with_rows(job: TrainRequest, number: int) -> TrainRequest:
    """Return every second request with rows of its own."""
    return replace(job, data=replace(job.data, X=job.data.X[::-1].copy())) if number % 2 else job
