"""Elementary functions whose bits depend on the argument alone: explicit fma, no libm, no fast-math.

Every function is one branch-free formula for float32 and float64, so that a loop over it becomes vector code, and
consists of operations that IEEE 754 rounds correctly: the result is the same on every CPU and GPU. A product that
feeds a sum is always spelled fma, which leaves a compiler nothing to contract. NaN goes in and NaN comes out. The
coefficients come from ``tests/extended/fit_polynomials.py`` and the errors quoted, in units in the last place, from
``tests/extended/measure_ulp.py`` (every float32, a dense sample of float64).

References
----------
W. J. Cody and W. Waite, *Software Manual for the Elementary Functions*, 1980 (range reduction);
P. T. P. Tang, ACM TOMS 16 (1990) 378 (the logarithm in s = f / (2 + f)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError

from nnsim.kernels.compiling.decorators import intrinsic, scalar


def both(single: Any, double: Any) -> tuple:
    """Pair a constant, or a tuple of constants, for float32 with the one for float64; `constant` picks."""
    if isinstance(single, tuple):
        return tuple(np.float32(c) for c in single), tuple(np.float64(c) for c in double)
    return np.float32(single), np.float64(double)


def same(value: float) -> tuple:
    """Pair one value in both precisions."""
    return both(value, value)


ZERO, HALF, ONE, TWO = same(0.0), same(0.5), same(1.0), same(2.0)
INFINITY, NAN = same(math.inf), same(math.nan)
# Adding and subtracting this rounds to the nearest integer, which then stands in the low bits.
ROUNDER = both(1.5 * 2**23, 1.5 * 2**52)
LOG2_E = same(1.4426950408889634)
TWO_OVER_PI = same(0.6366197723675814)
LN2 = both((0.69314575, 1.4286068e-06), (0.6931471805598903, 5.497923018708371e-14))
HALF_PI = both(
    (1.5707964, -4.371139e-08, -1.7151245e-15), (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
)
REDUCED = same(0.8)  # a little over pi / 4
TINY_LIFT = both(2.0**24, 2.0**54)  # lifts a subnormal number into the normal range
TINY_LIFT_LOG2 = both(24.0, 54.0)
SMALLEST_NORMAL = both(2.0**-126, 2.0**-1022)
EXP_RANGE = both((-104.0, 89.0), (-746.0, 710.0))
TANH_NEAR = same(0.6)
ERF_FULL = both(4.0, 6.0)
# (e^r - 1 - r) / r^2
EXP_REST = both(
    (0.5, 0.16666667, 0.041666463, 0.0083333105, 0.0013933731, 0.0001989108),
    (
        *(0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326084, 0.0013888888888883711),
        *(0.0001984126987500228, 2.480158732567746e-05, 2.755725517000089e-06, 2.755727347871858e-07),
        *(2.5105312729622103e-08, 2.09147553258932e-09),
    ),
)
# (ln((1 + s) / (1 - s)) - 2 s) / s^3 in s^2
LOG_REST = both(
    (0.6666667, 0.40000123, 0.2855078, 0.23331614),
    (
        *(0.6666666666666666, 0.40000000000000885, 0.28571428570799784, 0.22222222392581045),
        *(0.18181795547521132, 0.15386244737621896, 0.1326863836926161, 0.13088034850974767),
    ),
)
# erf(x) / x - 1 in x^2
ERF_NEAR = both(
    (0.12837917, -0.37612626, 0.11283594, -0.026854211, 0.0051890872, -0.00080168643, 7.875875e-05),
    (
        *(0.1283791670955126, -0.37612638903183754, 0.1128379167095512, -0.02686617064512984, 0.0052239776254232985),
        *(-0.000854832702193483, 0.00012055332902888736, -1.4925647567519332e-05, 1.6462045441468418e-06),
        *(-1.6364642158167608e-07, 1.4792401209404742e-08, -1.2164560057283045e-09, 8.709045129051758e-11),
        -4.230945824293342e-12,
    ),
)
# ln erfc(1 + t) in t
ERF_FAR = both(
    (
        *(-1.8496056, -2.6389678, -0.8431047, -0.04157574, 0.010077808, -0.0020543009),
        *(0.00032023957, -3.296083e-05, 1.6371514e-06),
    ),
    (
        *(-1.8496055099332482, -2.638967514234792, -0.8431072563584461, -0.04156109804734808),
        *(0.01003382544352357, -0.001977903085041993, 0.0002373250077257026, 2.6269360070220478e-05),
        *(-2.7138550745376167e-05, 9.57239072751541e-06, -2.0112495830910767e-06, 9.407171018736897e-08),
        *(1.3487804156178586e-07, -7.371418489327166e-08, 2.4358469339897635e-08, -5.86443950438712e-09),
        *(1.008775428343677e-09, -9.280039575756637e-11, -1.0314936818968728e-11, 6.675534952240956e-12),
        *(-1.6613127426417633e-12, 2.8154390119056217e-13, -3.5425881823840503e-14, 3.3491060950623e-15),
        *(-2.329273769858004e-16, 1.1301880860003152e-17, -3.426185462059797e-19, 4.892850883552152e-21),
    ),
)
# (tanh(x) / x - 1) / x^2 in x^2
TANH_REST = both(
    (-0.3333333, 0.13332893, -0.053870387, 0.021092743, -0.0062405453),
    (
        *(-0.33333333333333326, 0.1333333333332977, -0.053968253964334884, 0.02186948836768389),
        *(-0.008863231803914443, 0.003592079761258541, -0.0014554420976950766, 0.0005879607868935753),
        *(-0.00023201975502172737, 8.123108422130332e-05, -1.8152598772238895e-05),
    ),
)
# (sin(x) / x - 1) / x^2 and (cos(x) - 1 + x^2 / 2) / x^4 in x^2
SIN_REST = both(
    (-0.16666667, 0.008333332, -0.00019840084, 2.724962e-06),
    (
        *(-0.16666666666666666, 0.008333333333333331, -0.0001984126984126504, 2.755731921932058e-06),
        *(-2.50521062259944e-08, 1.6058530596645953e-10, -7.586636882825062e-13),
    ),
)
COS_REST = both(
    (0.041666668, -0.0013888888, 2.4800598e-05, -2.7300703e-07),
    (
        *(0.041666666666666664, -0.0013888888888888887, 2.4801587301584632e-05, -2.755731922139249e-07),
        *(2.0876755787492604e-09, -1.1470460319209511e-11, 4.7458384125309685e-14),
    ),
)


# --- what LLVM is asked for directly ------------------------------------------------------------------------------


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    suffix = "f32" if a.type == ir.FloatType() else "f64"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(a.type, [a.type] * 3), f"llvm.fma.{suffix}"
    )
    return builder.call(function, [a, b, c])


@intrinsic
def _fused(typingctx: Any, a: Any, b: Any, c: Any) -> tuple[Any, Callable]:
    if not (isinstance(a, types.Float) and a == b == c):
        # Numba would convert the others to the first's type, and round before the one rounding.
        raise TypingError(f"fma of {a}, {b} and {c}: all three must have one precision")
    return a(a, a, a), lambda context, builder, signature, args: _fma(builder, *args)


@intrinsic
def constant(typingctx: Any, like: Any, pair: Any) -> tuple[Any, Callable]:
    """Return the member of a pair made by `both` that has the precision of `like`, at compile time."""
    index = 0 if like == types.float32 else 1

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.extract_value(args[1], index)

    return pair.types[index](like, pair), codegen


@intrinsic
def _horner(typingctx: Any, x: Any, coefficients: Any) -> tuple[Any, Callable]:
    """c[0] + x (c[1] + x (c[2] + ...)), unrolled."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.extract_value(args[1], coefficients.count - 1)
        for power in reversed(range(coefficients.count - 1)):
            value = _fma(builder, value, args[0], builder.extract_value(args[1], power))
        return value

    return x(x, coefficients), codegen


class _Layout:
    """The bit layout of a float type, as LLVM constants."""

    def __init__(self, kind: Any) -> None:
        single = kind == types.float32
        self.real = ir.FloatType() if single else ir.DoubleType()
        self.integer = ir.IntType(32 if single else 64)
        self.mantissa, self.bias = (23, 127) if single else (52, 1023)
        self.rounder = 0x4B400000 if single else 0x4338000000000000
        self.sqrt_half = 0x3F3504F3 if single else 0x3FE6A09E667F3BCD

    def const(self, value: int) -> Any:
        return ir.Constant(self.integer, value)


@intrinsic
def _times_power_of_two(typingctx: Any, value: Any, shifted: Any) -> tuple[Any, Callable]:
    """value * 2^n for the integer n in the low bits of `shifted`, in two steps, so that the result may be subnormal."""
    layout = _Layout(value)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        n = builder.sub(builder.bitcast(args[1], layout.integer), layout.const(layout.rounder))
        half = builder.ashr(n, layout.const(1))
        result = args[0]
        for part in (half, builder.sub(n, half)):
            bits = builder.shl(builder.add(part, layout.const(layout.bias)), layout.const(layout.mantissa))
            result = builder.fmul(result, builder.bitcast(bits, layout.real))
        return result

    return value(value, value), codegen


@intrinsic
def _split_power_of_two(typingctx: Any, value: Any) -> tuple[Any, Callable]:
    """(m, k + ROUNDER) with value = m 2^k and m in [sqrt(1/2), sqrt(2)), for a positive normal value."""
    layout = _Layout(value)
    result = types.UniTuple(value, 2)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        offset = (layout.bias << layout.mantissa) - layout.sqrt_half
        bits = builder.add(builder.bitcast(args[0], layout.integer), layout.const(offset))
        k = builder.sub(builder.ashr(bits, layout.const(layout.mantissa)), layout.const(layout.bias))
        fraction = builder.and_(bits, layout.const((1 << layout.mantissa) - 1))
        m = builder.bitcast(builder.add(fraction, layout.const(layout.sqrt_half)), layout.real)
        shifted = builder.bitcast(builder.add(k, layout.const(layout.rounder)), layout.real)
        return context.make_tuple(builder, result, (m, shifted))

    return result(value), codegen


@intrinsic
def _low_bit(typingctx: Any, shifted: Any, position: Any) -> tuple[Any, Callable]:
    """Whether bit `position` of the integer in the low bits of `shifted` is set."""
    layout = _Layout(shifted)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        mask = builder.shl(layout.const(1), builder.trunc(args[1], layout.integer) if layout.bias == 127 else args[1])
        bits = builder.and_(builder.bitcast(args[0], layout.integer), mask)
        return builder.icmp_unsigned("!=", bits, layout.const(0))

    return types.boolean(shifted, types.int64), codegen


# --- the functions -------------------------------------------------------------------------------------------------


@scalar
def fma(a, b, c):
    """Return a * b + c with a single rounding."""
    return _fused(a, b, c)


@scalar
def horner(x, coefficients):
    """Return the polynomial with `coefficients`, constant first, at x, as a chain of fma."""
    return _horner(x, coefficients)


@scalar
def _exp_parts(x):
    """(shifted, p) with e^x = 2^n (1 + p), n in the low bits of `shifted`."""
    shifted = _fused(x, constant(x, LOG2_E), constant(x, ROUNDER))
    n = shifted - constant(x, ROUNDER)
    ln2 = constant(x, LN2)
    r = _fused(-n, ln2[1], _fused(-n, ln2[0], x))
    return shifted, _fused(_horner(r, constant(x, EXP_REST)), r * r, r)


@scalar
def exp(x):
    """Return e^x for every x, subnormal results included, within 1 ulp."""
    low, high = constant(x, EXP_RANGE)
    x = low if x < low else (high if x > high else x)
    shifted, p = _exp_parts(x)
    return _times_power_of_two(p + constant(x, ONE), shifted)


@scalar
def expm1(x):
    """Return e^x - 1 for every x, within 1.7 ulp."""
    low, high = constant(x, EXP_RANGE)
    x = low if x < low else (high if x > high else x)
    shifted, p = _exp_parts(x)
    half = _times_power_of_two(constant(x, HALF), shifted)
    return constant(x, TWO) * _fused(half, p, half - constant(x, HALF))


@scalar
def _log_of_parts(f, correction, k):
    """ln(1 + f) + correction + k ln 2 for 1 + f in [sqrt(1/2), sqrt(2))."""
    ln2 = constant(f, LN2)
    s = f / (constant(f, TWO) + f)
    w = s * s
    half = constant(f, HALF) * f
    rest = _fused(s, _fused(w, _horner(w, constant(f, LOG_REST)), half * f), _fused(k, ln2[1], correction))
    return _fused(k, ln2[0], f - _fused(half, f, -rest))


@scalar
def _log_special(x, result):
    """`result` where x is positive and finite; ln 0 = -inf, ln of a negative number is NaN, ln inf = inf."""
    result = result if x < constant(x, INFINITY) else x
    result = result if x != constant(x, ZERO) else -constant(x, INFINITY)
    return constant(x, NAN) if x < constant(x, ZERO) else result


@scalar
def log(x):
    """Return the natural logarithm for every x >= 0, within 0.9 ulp."""
    tiny = x < constant(x, SMALLEST_NORMAL)
    lifted = x * constant(x, TINY_LIFT) if tiny else x
    m, shifted = _split_power_of_two(lifted)
    k = shifted - constant(x, ROUNDER)
    k = k - constant(x, TINY_LIFT_LOG2) if tiny else k
    result = _log_of_parts(m - constant(x, ONE), constant(x, ZERO), k)
    return _log_special(x, result)


@scalar
def log1p(x):
    """Return ln(1 + x) for every x >= -1, within 0.9 ulp."""
    one = constant(x, ONE)
    u = one + x
    m, shifted = _split_power_of_two(u)
    k = shifted - constant(x, ROUNDER)
    lost = x - (u - one) if x < one else one - (u - x)  # what rounding 1 + x threw away
    result = _log_of_parts(m - one, lost / u, k)
    return _log_special(u, result) if u != one else x


@scalar
def tanh(x):
    """Return the hyperbolic tangent for every x, within 1.4 ulp.

    A polynomial near zero, 1 - 2 / (e^(2|x|) + 1) elsewhere.
    """
    one, two = constant(x, ONE), constant(x, TWO)
    a, w = abs(x), x * x
    near = _fused(a * w, _horner(w, constant(x, TANH_REST)), a)
    far = one - two / (exp(two * a) + one)
    r = near if a < constant(x, TANH_NEAR) else far
    return -r if x < constant(x, ZERO) else r


@scalar
def sigmoid(x):
    """Return 1 / (1 + e^-x) within 2.5 ulp for every x; 0 where the result would be subnormal."""
    return constant(x, ONE) / (constant(x, ONE) + exp(-x))


@scalar
def erf(x):
    """Return the error function for every x, within 1.1 ulp."""
    one, full = constant(x, ONE), constant(x, ERF_FULL)
    a = abs(x)
    a = full if a > full else a
    near = _fused(a, _horner(a * a, constant(x, ERF_NEAR)), a)
    far = one - exp(_horner(a - one, constant(x, ERF_FAR)))
    r = near if a < one else far
    return -r if x < constant(x, ZERO) else r


@scalar
def sin_cos(x):
    """Return (sin x, cos x), within 1.6 ulp for |x| up to 8000 in float32 and 10^5 in float64.

    Farther out the results lose digits, but stay within [-1, 1]; infinity gives NaN.
    """
    shifted = _fused(x, constant(x, TWO_OVER_PI), constant(x, ROUNDER))
    n = shifted - constant(x, ROUNDER)
    half_pi = constant(x, HALF_PI)
    r = _fused(-n, half_pi[2], _fused(-n, half_pi[1], _fused(-n, half_pi[0], x)))
    largest = constant(x, REDUCED)  # beyond the domain the reduction fails, and results must still stay within +-1
    r = largest if r > largest else (-largest if r < -largest else r)
    w = r * r
    sine = _fused(r * w, _horner(w, constant(x, SIN_REST)), r)
    cosine = _fused(w * w, _horner(w, constant(x, COS_REST)), _fused(-constant(x, HALF), w, constant(x, ONE)))
    odd, second_half = _low_bit(shifted, 0), _low_bit(shifted, 1)
    s, c = (cosine, sine) if odd else (sine, cosine)
    return (-s if second_half else s), (-c if odd != second_half else c)


@scalar
def sin(x):
    """Return the sine, on the domain of `sin_cos`."""
    return sin_cos(x)[0]


@scalar
def cos(x):
    """Return the cosine, on the domain of `sin_cos`."""
    return sin_cos(x)[1]


@scalar
def sqrt(x):
    """The square root, which IEEE 754 rounds correctly: `math.sqrt`, which CUDA knows, too, in x's precision."""
    return math.sqrt(x)
