"""Measure the largest error of every function of nnsim/kernels/formulas/scalar_math.py, in units in the last place.

float32: every number of the domain, or each STRIDE-th bit pattern, against the same function in float64.
float64: a dense sample against mpmath, which has to be installed for it.

    python tests/extended/measure_ulp.py
    python tests/extended/measure_ulp.py exp tanh --stride 1001 --samples 2000
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numba
import numpy as np

from nnsim.kernels.formulas import scalar_math

CHUNK = 2**22
WIDER = {np.float32: np.float64, np.float64: np.longdouble}


def erf(x: np.ndarray) -> np.ndarray:
    """erf x = 2 x / sqrt(pi) e^(-x^2) sum of (2 x^2)^n / (2 n + 1)!!, whose terms all have one sign."""
    kind = x.dtype.type
    a = np.minimum(abs(x), kind(7))
    term = a.copy()
    total = term.copy()
    for n in range(1, 220):
        term *= 2 * a * a / (2 * n + 1)
        total += term
    return np.copysign(2 / np.sqrt(kind(np.pi if kind is np.float64 else PI)) * np.exp(-a * a) * total, x)


PI = np.longdouble("3.14159265358979323846264338327950288")


class Case(NamedTuple):
    """A function, its definition for arrays of a wider type, its name in mpmath, its domains and error bound in ulp."""

    function: Any
    exact: Callable[[np.ndarray], np.ndarray]
    mpmath: str
    domain32: tuple[float, float] = (-np.inf, np.inf)
    domain64: tuple[float, float] = (-np.inf, np.inf)
    bound: float = 2.0

    def domain(self, kind: type) -> tuple[float, float]:
        return self.domain32 if kind is np.float32 else self.domain64


POSITIVE, ABOVE_MINUS_ONE = (0.0, np.inf), (-1.0, np.inf)
CASES = {
    "exp": Case(scalar_math.exp, np.exp, "exp"),
    "expm1": Case(scalar_math.expm1, np.expm1, "expm1"),
    "log": Case(scalar_math.log, np.log, "log", POSITIVE, POSITIVE),
    "log1p": Case(scalar_math.log1p, np.log1p, "log1p", ABOVE_MINUS_ONE, ABOVE_MINUS_ONE),
    "tanh": Case(scalar_math.tanh, np.tanh, "tanh"),
    # below, e^-x overflows and the result is zero where the exact one is subnormal; exp and two more roundings add up
    "sigmoid": Case(
        scalar_math.sigmoid, lambda x: 1 / (1 + np.exp(-x)), "sigmoid", (-88.0, np.inf), (-709.0, np.inf), bound=2.5
    ),
    "erf": Case(scalar_math.erf, erf, "erf"),
    "sin": Case(scalar_math.sin, np.sin, "sin", (-8000.0, 8000.0), (-1e5, 1e5)),
    "cos": Case(scalar_math.cos, np.cos, "cos", (-8000.0, 8000.0), (-1e5, 1e5)),
}


def loop_over(function: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that applies a scalar one to a vector, as the kernels do."""

    @numba.njit(error_model="numpy")
    def loop(x):
        out = np.empty_like(x)
        for i in range(x.size):
            out[i] = function(x[i])
        return out

    return loop


def ulps(result: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return |result - exact| in units in the last place of the result's type at the exact value.

    An infinite value counts as the first number that the type cannot hold; the unit of subnormal numbers is the
    smallest of them.
    """
    info, wide = np.finfo(result.dtype), exact.dtype.type
    limit = wide(2) ** info.maxexp
    error = abs(np.clip(result.astype(wide), -limit, limit) - np.clip(exact, -limit, limit))
    unit = np.spacing(np.clip(abs(exact), 0, info.max).astype(result.dtype))
    return error / unit.astype(wide)


def inside(x: np.ndarray, domain: tuple[float, float]) -> np.ndarray:
    """Return the numbers of the domain; drops NaN."""
    with np.errstate(invalid="ignore"):
        return x[(x >= domain[0]) & (x <= domain[1])]


def bit_patterns(stride: int) -> Iterator[np.ndarray]:
    """Yield every `stride`-th float32 in chunks, NaN included."""
    for start in range(0, 2**32, stride * CHUNK):
        yield np.arange(start, min(start + stride * CHUNK, 2**32), stride, dtype=np.uint64).astype(np.uint32).view("f4")


def sample64(count: int) -> np.ndarray:
    """Return float64 numbers: three uniform samples, near zero and wider, and one of random bit patterns."""
    rng = np.random.default_rng(20240607)
    uniform = [rng.uniform(-width, width, count // 4) for width in (1.0, 8.0, 750.0)]
    return np.concatenate([*uniform, rng.integers(0, 2**64, count // 4, dtype=np.uint64).view("f8")])


def worst(case: Case, x: np.ndarray, exact: np.ndarray, loop: Callable) -> tuple[float, float]:
    """Return the largest error in ulp and the argument that has it."""
    errors = ulps(loop(x), exact)
    at = int(np.argmax(errors))
    return float(errors[at]), float(x[at])


def measure32(case: Case, stride: int) -> tuple[int, float, float]:
    """Return (numbers tested, largest error, where) over the float32 domain."""
    loop, count, largest = loop_over(case.function), 0, (0.0, 0.0)
    for chunk in bit_patterns(stride):
        x = inside(chunk, case.domain32)
        if x.size:
            largest = max(largest, worst(case, x, case.exact(x.astype(np.float64)), loop))
        count += x.size
    return count, *largest


def exact64(name: str, x: np.ndarray) -> np.ndarray:
    """Return the function called `name` in mpmath, in long double."""
    import mpmath as mp  # no dependency of the tests, which import this module

    mp.mp.prec = 120
    function = (lambda z: 1 / (1 + mp.exp(-z))) if name == "sigmoid" else getattr(mp, name)
    values = []
    for number in x:
        value = function(mp.mpf(float(number)))
        high = float(value)
        low = float(value - high) if np.isfinite(high) else 0.0
        values.append(np.longdouble(high) + np.longdouble(low))
    return np.array(values)


def measure64(case: Case, samples: int) -> tuple[int, float, float]:
    """Return (numbers tested, largest error, where) over a sample of the float64 domain."""
    x = inside(sample64(samples), case.domain64)
    return x.size, *worst(case, x, exact64(case.mpmath, x), loop_over(case.function))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(CASES), help="functions, all if none is given")
    parser.add_argument("--stride", type=int, default=1, help="test each STRIDE-th float32")
    parser.add_argument("--samples", type=int, default=400_000, help="float64 numbers to test, 0 for none")
    options = parser.parse_args()
    print(f"{'function':<10}{'type':<9}{'numbers':>12}{'max ulp':>9}   at")
    with np.errstate(all="ignore"):
        for name in options.names:
            case = CASES[name]
            rows = {"float32": measure32(case, options.stride)}
            if options.samples:
                rows["float64"] = measure64(case, options.samples)
            for kind, (count, largest, at) in rows.items():
                print(f"{name:<10}{kind:<9}{count:>12}{largest:>9.3f}   {at!r}", flush=True)


if __name__ == "__main__":
    main()
