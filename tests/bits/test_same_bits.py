"""One result everywhere: kernels compiled for this CPU, for AVX2 and for plain x86-64 give the same bits.

Run as a script with "whole" or "small", this file prints the SHA-256 of every part of the arithmetic as JSON.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import platform
import sys

import kept
import llvmlite.binding
import numpy as np
import pytest
import reference_runs
from reference_runs import KEY, drawn

from nnsim.kernels.cpu.activations import value_and_slope
from nnsim.kernels.cpu.draws import fill_permutation, fill_uniform
from nnsim.kernels.cpu.gemm import matrix_product
from nnsim.kernels.cpu.simd import VECTOR_BYTES
from nnsim.kernels.cpu_only.linalg import orthonormal_columns
from nnsim.kernels.formulas.activations import ACTIVATIONS

pytestmark = pytest.mark.bits


def draws(kind):
    uniform, order = np.empty(1001, kind), np.empty(777, np.int64)
    fill_uniform(uniform, KEY, 2, 0)
    fill_permutation(order, KEY, 3, 0)
    return uniform, drawn(10_007, kind), order


def activations(kind):
    """Every value and slope on a grid, tails included: through them every scalar function."""
    z = np.concatenate([np.arange(-3000, 3001) / 256, np.arange(-120, 121)]).astype(kind)
    return [array for name in ACTIVATIONS for array in value_and_slope(ACTIVATIONS.code(name), z, kind(0.3))]


def products(kind):
    """All transpositions, at sizes that no tile divides, more than one block deep."""
    results = []
    for m, n, k in [(1, 1, 1), (7, 13, 5), (37, 71, 300)]:
        A, B = drawn(m * k, kind, 1), drawn(k * n, kind, 2)
        for transpose_a, transpose_b in itertools.product((False, True), repeat=2):
            C = np.empty((m, n), kind)
            left, right = A.reshape((k, m) if transpose_a else (m, k)), B.reshape((n, k) if transpose_b else (k, n))
            matrix_product(left, right, C, transpose_a, transpose_b)
            results.append(C)
    return results


def runs(kind):
    return reference_runs.plain(kind.__name__)


def everything(kind):
    """Norms, dropout, skips, adaptive optimizers, clipping, schedules."""
    name = kind.__name__
    return [*reference_runs.batch_normalized(name), *reference_runs.layer_normalized(name)]


def orthogonal(kind):
    return [orthonormal_columns(drawn(23 * 11, np.float64, 6).reshape(23, 11))]


WHOLE = {
    f"{part.__name__}-{kind.__name__}": functools.partial(part, kind)
    for kind in (np.float32, np.float64)
    for part in (draws, activations, products, runs, everything)
}
WHOLE["orthogonal"] = functools.partial(orthogonal, np.float64)
SMALL = {name: WHOLE[name] for name in WHOLE if name.endswith("float32") or name in {"draws-float64", "orthogonal"}}


def digest(arrays):
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


# --- the tests -----------------------------------------------------------------------------------------------------


@functools.cache
def digests(cpu):
    """Return the digests of a process that compiles for `cpu`; "host" is this machine."""
    choice = {} if cpu == "host" else {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""}
    return kept.json_of("bits/test_same_bits.py", "small" if cpu == "generic" else "whole", **choice)


x86 = pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="names of x86 CPUs")
avx2 = pytest.mark.skipif(
    not all(llvmlite.binding.get_host_cpu_features().get(feature) for feature in ("avx2", "fma", "bmi2")),
    reason="this machine cannot run AVX2 code",
)


@x86
@avx2
@pytest.mark.parametrize("part", WHOLE)
def test_avx2_code_gives_the_same_bits(part):
    assert digests("haswell")[part] == digests("host")[part]


@x86
@pytest.mark.parametrize("part", SMALL)
def test_plain_code_gives_the_same_bits(part):
    assert digests("generic")[part] == digests("host")[part]


@x86
@avx2
@pytest.mark.parametrize(("cpu", "size"), [("haswell", 32), ("generic", 16)])
def test_other_code_is_made_for_another_cpu(cpu, size):
    assert digests(cpu)["vector bytes"] == size


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_digests_tell_results_apart(kind):
    array = np.zeros(3, kind)
    other = array.copy()
    other[2] = np.nextafter(array[2], array.dtype.type(1))
    assert digest([array]) != digest([other])


if __name__ == "__main__":
    parts = SMALL if sys.argv[1] == "small" else WHOLE
    print(json.dumps({"vector bytes": VECTOR_BYTES} | {name: digest(part()) for name, part in parts.items()}))
