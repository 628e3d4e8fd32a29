"""The elementary functions against wider arithmetic, the exact fma, and IEEE 754's special values."""

from __future__ import annotations

import math

import naive
import numba
import numpy as np
import pytest
from extended.measure_ulp import CASES, WIDER, bit_patterns, inside, loop_over, sample64, ulps
from numba.core.errors import TypingError

from nnsim.kernels.formulas.scalar_math import fma, horner, sin_cos

KINDS = [np.float32, np.float64]
LOOPS = {name: loop_over(case.function) for name, case in CASES.items()}
INF, NAN = math.inf, math.nan
# where a formula changes, an argument is clamped or a result overflows, underflows or crosses zero
BENDS = [
    *(0.0, 1e-30, 2.0**-12, math.sqrt(0.5), 0.6, 1.0, math.sqrt(2), 2.0, 4.0, 6.0, 9.1, 17.4, 19.1, 36.8, 80.0),
    *(87.3, 88.72, 103.9, 708.3, 709.7, 745.1, 1e4, *(n * math.pi / 2 for n in (1, 2, 3, 4, 100, 1001, 5000))),
]


def apply(name, values, kind):
    """Apply a function to a few numbers through the loop that the kernels use."""
    return LOOPS[name](np.array(values, kind))


def neighbours(points, kind, count=500):
    """Return the `count` numbers on either side of each point and of its negative."""
    points = np.array([*points, *(-p for p in points)], kind)
    around = np.arange(-count, count + 1)
    return (points[:, None] + around * np.spacing(abs(points))[:, None]).ravel().astype(kind)


def sample(kind):
    dense = np.concatenate(list(bit_patterns(9973))) if kind is np.float32 else sample64(200_000)
    return np.concatenate([dense, neighbours(BENDS, kind)])


needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than double on this machine"
)
PRECISIONS = [pytest.param(np.float32, id="float32"), pytest.param(np.float64, id="float64", marks=needs_long_double)]


@pytest.mark.parametrize("kind", PRECISIONS)
@pytest.mark.parametrize("name", CASES)
def test_error_on_the_domain_is_within_the_bound(name, kind):
    case = CASES[name]
    x = inside(sample(kind), case.domain(kind))
    with np.errstate(all="ignore"):
        errors = ulps(LOOPS[name](x), case.exact(x.astype(WIDER[kind])))
    worst = int(np.argmax(errors))
    assert errors[worst] < case.bound, f"{errors[worst]:.3f} ulp at {x[worst]!r}"


SPECIAL = [
    *(("exp", x, y) for x, y in [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (1e30, INF), (-1e30, 0.0)]),
    *(("expm1", x, y) for x, y in [(0.0, 0.0), (-0.0, 0.0), (INF, INF), (-INF, -1.0), (1e30, INF), (-1e30, -1.0)]),
    *(("log", x, y) for x, y in [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN)]),
    *(("log1p", x, y) for x, y in [(0.0, 0.0), (-0.0, 0.0), (-1.0, -INF), (INF, INF), (-1.5, NAN), (-INF, NAN)]),
    *(("tanh", x, y) for x, y in [(0.0, 0.0), (-0.0, 0.0), (INF, 1.0), (-INF, -1.0), (1e30, 1.0), (-1e30, -1.0)]),
    *(("sigmoid", x, y) for x, y in [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (1e30, 1.0), (-1e30, 0.0)]),
    *(("erf", x, y) for x, y in [(0.0, 0.0), (-0.0, 0.0), (INF, 1.0), (-INF, -1.0), (1e30, 1.0), (-1e30, -1.0)]),
    *(("sin", x, y) for x, y in [(0.0, 0.0), (-0.0, 0.0), (INF, NAN), (-INF, NAN)]),
    *(("cos", x, y) for x, y in [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)]),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "x", "value"), SPECIAL, ids=lambda v: str(v))
def test_special_value(name, x, value, kind):
    np.testing.assert_equal(abs(apply(name, [x], kind)[0]) if value == 0 else apply(name, [x], kind)[0], kind(value))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_nan_gives_nan(name, kind):
    assert np.isnan(apply(name, [NAN, -NAN], kind)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["log1p", "tanh", "sin"])
def test_subnormal_numbers_are_their_own_image(name, kind):
    least = np.finfo(kind).smallest_subnormal
    x = np.array([1, 2, 3, 1000, -1, -2, -1000], kind) * least
    np.testing.assert_array_equal(LOOPS[name](x), x)


@pytest.mark.parametrize("kind", KINDS)
def test_log_of_the_smallest_subnormal_number(kind):
    power = {np.float32: -149, np.float64: -1074}[kind]
    np.testing.assert_allclose(apply("log", [2.0**power], kind), power * math.log(2), rtol=float(np.finfo(kind).eps))


def either_side(kind, point):
    """Return the adjacent numbers below and above a point given in long double."""
    nearest = kind(point)
    other = np.nextafter(nearest, kind(-INF if nearest > point else INF))
    return sorted([nearest, other])


@pytest.mark.parametrize("kind", PRECISIONS)
def test_exp_overflows_where_the_largest_number_ends(kind):
    below, above = apply("exp", either_side(kind, np.log(np.longdouble(2)) * np.finfo(kind).maxexp), kind)
    assert np.isfinite(below)
    assert above == INF


@pytest.mark.parametrize("kind", PRECISIONS)
def test_exp_underflows_below_half_of_the_smallest_number(kind):
    power = {np.float32: -150, np.float64: -1075}[kind]
    below, above = apply("exp", either_side(kind, np.log(np.longdouble(2)) * power), kind)
    assert below == 0
    assert above == np.finfo(kind).smallest_subnormal


@pytest.mark.parametrize("kind", KINDS)
def test_sigmoid_below_its_domain_is_less_than_the_smallest_normal_number(kind):
    low = CASES["sigmoid"].domain(kind)[0]
    y = LOOPS["sigmoid"](np.linspace(low - 100, low - 0.8, 1000, dtype=kind))
    assert (y >= 0).all()
    assert (y < np.finfo(kind).tiny).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_odd_function(name, kind):
    x = inside(sample(kind), CASES[name].domain(kind))
    np.testing.assert_array_equal(LOOPS[name](-x), -LOOPS[name](x))


@pytest.mark.parametrize("kind", KINDS)
def test_cosine_is_even(kind):
    x = inside(sample(kind), CASES["cos"].domain(kind))
    np.testing.assert_array_equal(LOOPS["cos"](-x), LOOPS["cos"](x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "cos", "sigmoid"])
def test_bounded_function_stays_in_its_range(name, kind):
    x = inside(sample(kind), CASES[name].domain(kind))
    y = LOOPS[name](x)
    assert y.min() >= (0 if name == "sigmoid" else -1)
    assert y.max() <= 1


@pytest.mark.parametrize("name", CASES)
def test_called_from_python(name):
    assert CASES[name].function(0.5) == apply(name, [0.5], np.float64)[0]


def test_sin_cos_is_the_pair():
    assert sin_cos(0.7) == (CASES["sin"].function(0.7), CASES["cos"].function(0.7))


# --- fma and polynomials -------------------------------------------------------------------------------------------


@numba.njit(error_model="numpy")
def fma_over(a, b, c, out):
    for i in range(out.size):
        out[i] = fma(a[i], b[i], c[i])


@numba.njit(error_model="numpy")
def cubic_over(x, coefficients, out):
    for i in range(out.size):
        out[i] = horner(x[i], coefficients)


FORMATS = {np.float32: naive.FLOAT32, np.float64: naive.FLOAT64}


def factors(kind):
    """Return triples whose product and addend nearly cancel, differ in size, are subnormal or are ties."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 400)).astype(kind)
    c = rng.standard_normal(400).astype(kind)
    c[:100] = -(a[:100] * b[:100])
    c[100:200] *= np.logspace(-20, 20, 100).astype(kind)
    a[200:250] *= np.finfo(kind).tiny
    c[200:250] *= np.finfo(kind).tiny
    a[250:300] = 1 + np.arange(50, dtype=kind) * np.finfo(kind).eps
    b[250:300], c[250:300] = 1 + np.finfo(kind).eps, np.finfo(kind).eps ** 2 / 2
    return a, b, c


@pytest.mark.parametrize("kind", KINDS)
def test_fma_rounds_once(kind):
    a, b, c = factors(kind)
    out = np.empty_like(a)
    fma_over(a, b, c, out)
    exact = [naive.fma(float(x), float(y), float(z), FORMATS[kind]) for x, y, z in zip(a, b, c, strict=True)]
    np.testing.assert_array_equal(out, np.array(exact, kind))


@pytest.mark.parametrize("numbers", [(np.float32(1), 2.0, 3.0), (1.0, np.float32(2), 3.0), (1.0, 2.0, 3)])
def test_fma_of_mixed_precisions_is_refused_when_compiled(numbers):
    with pytest.raises(TypingError, match="all three must have one precision"):
        fma(*numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_horner_is_a_chain_of_fma_from_the_highest_power(kind):
    rng = np.random.default_rng(6)
    x = rng.standard_normal(100).astype(kind)
    coefficients = tuple(rng.standard_normal(4).astype(kind))
    out = np.empty_like(x)
    cubic_over(x, coefficients, out)
    for value, result in zip(x, out, strict=True):
        chain = float(coefficients[3])
        for power in (2, 1, 0):
            chain = naive.fma(chain, float(value), float(coefficients[power]), FORMATS[kind])
        assert result == chain
