"""A process that shares its cache of compiled kernels: ``python tests/shared_cache.py fill|use SEED WORKS ORDERS``.

``fill`` compiles some functions of its own, then does the works that are named, in random order: their kernels are
kept, under numbers that depend on what was compiled before. ``use`` forks a process for each of so many random orders,
which loads them all and must find what is written here and in the golden files; it prints the seeds of those that fail.
"""

from __future__ import annotations

import json
import os
import random
import sys
import traceback
import warnings
from collections.abc import Callable

import numba
import numpy as np


def compile_own(random_state: random.Random) -> None:
    """Compile functions of the user's, which use up numbers of Numba's and bring closures of its own."""
    for i in range(random_state.randrange(12)):
        numba.njit(lambda x: x + 1)(i)
    if random_state.random() < 0.5:
        numba.njit(lambda x: np.sum(np.maximum(x, 0)) + x.max() + np.ones_like(x).size)(np.ones(3))


RANDOM = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
compile_own(RANDOM)  # before anything of nnsim is imported

import test_golden  # noqa: E402
from naive_activations import TEXTBOOK  # noqa: E402
from sklearn.utils.estimator_checks import check_estimators_pickle  # noqa: E402

import nnsim  # noqa: E402
from nnsim.kernels.cpu.activations import value_and_slope  # noqa: E402
from nnsim.kernels.cpu.training import logits  # noqa: E402
from nnsim.kernels.cpu_only.units import unit_facts  # noqa: E402
from nnsim.kernels.formulas.activations import ACTIVATIONS  # noqa: E402
from nnsim.networks.initializers import initialize  # noqa: E402
from nnsim.networks.spec import NetworkSpec  # noqa: E402

HIDDEN = NetworkSpec((2, 100, 1), loss="bce")


def tables() -> None:
    """Measure the tiny study: all probes, training, initial draws."""
    test_golden.expect_golden("tiny", test_golden.digests(test_golden.TINY))


def training(name: str) -> None:
    """Train with norms, dropout, optimizers, clipping and schedules."""
    expected = json.loads((test_golden.GOLDEN / "training.json").read_text())["runs"][name]
    assert test_golden.training_digest(name) == expected


def pickles() -> None:
    """Answer from parameters that may be written, and from those of a file that may only be read."""
    for estimator in (nnsim.MLPClassifier(max_iter=3), nnsim.MLPRegressor(max_iter=3)):
        for readonly_memmap in RANDOM.sample([True, False], 2):
            check_estimators_pickle(type(estimator).__name__, estimator, readonly_memmap=readonly_memmap)


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return parameters of `HIDDEN`, 30 rows of data, and what NumPy makes of them before the hidden activation."""
    theta = initialize(HIDDEN, "he_normal", key=1)
    X = np.random.default_rng(0).standard_normal((30, 2)).astype(np.float32)
    W, b = next(iter(HIDDEN.layers(theta)))
    return theta, X, X.astype(float) @ W + b


def answers() -> None:
    """Compute a network's answers, from parameters of both kinds."""
    theta, X, Z = rows()
    W, b = list(HIDDEN.layers(theta))[1]
    frozen = theta.copy()
    frozen.flags.writeable = False
    for parameters in RANDOM.sample([theta, frozen], 2):
        found = logits(HIDDEN.architecture, parameters, np.empty(0, np.float32), X, 1024)
        np.testing.assert_allclose(found, np.maximum(Z, 0) @ W + b, atol=1e-5)


def units() -> None:
    """Count the rows on which each hidden unit is active."""
    theta, X, Z = rows()
    facts = unit_facts(HIDDEN.architecture, theta, np.empty(0, np.float32), X, True)
    np.testing.assert_array_equal(facts[:, 0], (Z > 0).sum(axis=0))


def activations() -> None:
    """Compute every activation and its slope."""
    z = np.float32([-2.5, -0.3, 0.4, 1.7])
    for name, (f, df, _) in TEXTBOOK.items():
        entry = ACTIVATIONS[name]
        found = value_and_slope(ACTIVATIONS.code(name), z, np.float32(entry.parameter or 0))
        np.testing.assert_allclose(found, [list(map(f, z)), list(map(df, z))], rtol=1e-5, atol=1e-6, err_msg=name)


WORKS: dict[str, Callable[[], None]] = {work.__name__: work for work in (tables, pickles, answers, units, activations)}
WORKS |= {name: lambda name=name: training(name) for name in test_golden.training_names()}


def do(names: list[str]) -> None:
    """Do some works in random order; raises what goes wrong, with the order."""
    order = RANDOM.sample(names, len(names))
    for name in order:
        try:
            WORKS[name]()
        except AssertionError as error:
            raise AssertionError(f"{name} goes wrong in the order {order}") from error


def succeeds_in_a_fork(seed: int, names: list[str]) -> bool:
    """Do all works in a process of its own, in the order of this seed; a crash is a failure, too."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    try:
        RANDOM.seed(seed)
        compile_own(RANDOM)
        do(names)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main(mode: str, seed: int, names: list[str], orders: int) -> None:
    if mode == "fill":
        do(names)
        return
    failed = [each for each in range(seed, seed + orders) if not succeeds_in_a_fork(each, names)]
    print(json.dumps({"orders": orders, "failed": failed}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of networks that are not trained to the end
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3].split(","), int(sys.argv[4]))
