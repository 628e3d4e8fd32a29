"""Whole trainings beside PyTorch and JAX, as `nnsim bench` has them: the same losses first, then the time of a step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnsim.benchmarks.agreement import ready
from nnsim.benchmarks.floors import cpu_ceiling, floor_of
from nnsim.benchmarks.peers import NNSIM, PEERS
from nnsim.benchmarks.workloads import WORKLOADS

CONTENDERS = {contender.name: contender for contender in (NNSIM, *PEERS)}
CASES = [
    (workload.name, contender.name)
    for workload in WORKLOADS.values()
    for contender in CONTENDERS.values()
    if contender.share(workload, "cpu") is not None
]
SEEDS = 8


def installed(name: str):
    contender = CONTENDERS[name]
    if contender.not_installed:
        pytest.skip(contender.not_installed)
    return contender


@pytest.mark.parametrize(("name", "who"), CASES)
def test_training(benchmark, name, who):
    entry = ready(WORKLOADS[name], ["cpu"], [NNSIM, installed(who)], print)[-1]
    assert entry.contender.name == who
    assert entry.difference.small
    benchmark.group = f"{name}, {entry.share.steps} steps"
    benchmark.pedantic(entry.run, rounds=7, warmup_rounds=1)
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.median / (entry.share.steps * entry.share.networks)
        share = floor_of(entry.share, cpu_ceiling(1)).seconds / seconds
        benchmark.extra_info |= {"microseconds_a_step": round(seconds * 1e6, 2), "ceiling_share": round(share, 3)}


@pytest.mark.parametrize("who", ["torch eager", "jax scan"])
def test_with_dropout_the_means_over_masks_agree(who):
    """Each framework draws masks of its own, so that only means can be the same."""
    contender, differences = installed(who), []
    for root in range(SEEDS):
        workload = replace(WORKLOADS["W5"], root=root)
        ours, theirs = (it.make(workload, "cpu")().reshape(workload.recipe.epochs, -1) for it in (NNSIM, contender))
        differences.append(theirs.mean(axis=1) - ours[:, 0])
    error = np.std(differences, axis=0, ddof=1) / np.sqrt(SEEDS)
    assert (np.abs(np.mean(differences, axis=0)) < 5 * error).all()
