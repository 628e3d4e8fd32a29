"""Derive every coefficient of nnsim/kernels/formulas/scalar_math.py from the functions' definitions (needs mpmath).

Each polynomial interpolates its target at Chebyshev nodes in 60-digit arithmetic, which is within a small factor of
the minimax polynomial, and is then rounded coefficient by coefficient to the working precision.

    python tests/extended/fit_polynomials.py
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np

mp.mp.dps = 60


def interpolate(function: Callable, low: float, high: float, terms: int) -> list:
    """Return the monomial coefficients, constant first, of the interpolant at `terms` Chebyshev nodes."""
    middle, radius = mp.mpf(low + high) / 2, mp.mpf(high - low) / 2
    nodes = [middle + radius * mp.cos(mp.pi * (2 * i + 1) / (2 * terms)) for i in range(terms)]
    rows = mp.matrix([[node**power for power in range(terms)] for node in nodes])
    return list(mp.lu_solve(rows, mp.matrix([function(node) for node in nodes])))


def exp_rest(r):
    """(e^r - 1 - r) / r^2."""
    return mp.mpf(1) / 2 + r / 6 if abs(r) < mp.mpf(10) ** -25 else (mp.expm1(r) - r) / r**2


def log_rest(w):
    """(ln((1 + s) / (1 - s)) - 2 s) / s^3 with w = s^2."""
    s = mp.sqrt(w)
    return (mp.log((1 + s) / (1 - s)) - 2 * s) / s**3


def erf_near(w):
    """erf(x) / x - 1 with w = x^2."""
    x = mp.sqrt(w)
    return mp.erf(x) / x - 1


def erf_far(t):
    """ln erfc(1 + t)."""
    return mp.log(mp.erfc(1 + t))


def tanh_rest(w):
    """(tanh(x) / x - 1) / x^2 with w = x^2."""
    x = mp.sqrt(w)
    return (mp.tanh(x) / x - 1) / w


def sin_rest(w):
    """(sin(x) / x - 1) / x^2 with w = x^2."""
    x = mp.sqrt(w)
    return (mp.sin(x) / x - 1) / w


def cos_rest(w):
    """(cos(x) - 1 + x^2 / 2) / x^4 with w = x^2."""
    return (mp.cos(mp.sqrt(w)) - 1 + w / 2) / w**2


def split(value, parts: int, bits: int) -> list:
    """Return `value` as a sum of `parts` numbers of `bits` significant bits each."""
    pieces = []
    for _ in range(parts):
        exponent = mp.floor(mp.log(abs(value), 2))
        unit = mp.mpf(2) ** (exponent - bits + 1)
        pieces.append(mp.nint(value / unit) * unit)
        value -= pieces[-1]
    return pieces


def show(name: str, single: list, double: list) -> None:
    """Print one constant as a pair of tuples, ready for the source."""
    numbers32 = ", ".join(repr(float(str(np.float32(float(c))))) for c in single)
    numbers64 = ", ".join(repr(float(c)) for c in double)
    print(f"{name} = both(({numbers32}), ({numbers64}))\n")


def main() -> None:
    """Print all constants."""
    half_ln2 = float(mp.log(2) / 2) * 1.001
    show("EXP_REST", interpolate(exp_rest, -half_ln2, half_ln2, 6), interpolate(exp_rest, -half_ln2, half_ln2, 11))
    widest = float(((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2) * 1.001
    show("LOG_REST", interpolate(log_rest, 1e-12, widest, 4), interpolate(log_rest, 1e-12, widest, 8))
    show("ERF_NEAR", interpolate(erf_near, 1e-12, 1.0, 7), interpolate(erf_near, 1e-12, 1.0, 14))
    show("ERF_FAR", interpolate(erf_far, 0, 3, 9), interpolate(erf_far, 0, 5, 28))
    show("TANH_REST", interpolate(tanh_rest, 1e-12, 0.365, 5), interpolate(tanh_rest, 1e-12, 0.365, 11))
    quarter = float((mp.pi / 4) ** 2) * 1.001
    show("SIN_REST", interpolate(sin_rest, 1e-12, quarter, 4), interpolate(sin_rest, 1e-12, quarter, 7))
    show("COS_REST", interpolate(cos_rest, 1e-12, quarter, 4), interpolate(cos_rest, 1e-12, quarter, 7))
    show("HALF_PI", split(mp.pi / 2, 3, 24), split(mp.pi / 2, 3, 53))
    ln2 = mp.log(2)
    single, double = split(ln2, 1, 15), split(ln2, 1, 42)
    show("LN2", [*single, ln2 - single[0]], [*double, ln2 - double[0]])


if __name__ == "__main__":
    main()
