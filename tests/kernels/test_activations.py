"""Activations and their derivatives against the textbook, at kinks, far out, and through every dispatch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from naive_activations import SELU_ALPHA, SELU_LAMBDA, TEXTBOOK, elu, elu_slope, leaky_relu, leaky_relu_slope

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.kernels.cpu.activations import value_and_slope
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate

KINDS = [np.float32, np.float64]
INF, NAN = math.inf, math.nan

all_kinds = pytest.mark.parametrize("kind", KINDS)
all_names = pytest.mark.parametrize("name", TEXTBOOK)


def grid(kind):
    """Return numbers that hold every kink, 0 and +-1, exactly."""
    return np.concatenate([np.arange(-12 * 512, 12 * 512 + 1) / 512, np.linspace(-80, 80, 801)]).astype(kind)


def textbook(function, z):
    return np.array([function(float(x)) for x in z])


def errors(result, exact, scale):
    """Return the errors in units of the machine epsilon times `scale`."""
    return abs(result - exact) / (np.finfo(result.dtype).eps * scale)


def test_the_table_holds_the_textbook():
    assert list(ACTIVATIONS) == list(TEXTBOOK)


def test_codes_count_the_table():
    assert [ACTIVATIONS.code(name) for name in ACTIVATIONS] == list(range(len(ACTIVATIONS)))


@all_names
def test_kinks_are_the_textbook_ones(name):
    assert set(ACTIVATIONS[name].kinks) == set(TEXTBOOK[name].kinks)


# --- values against the textbook -----------------------------------------------------------------------------------


@all_kinds
@all_names
def test_value(name, kind):
    z = grid(kind)
    value, _ = evaluate(name, z)
    assert errors(value, textbook(TEXTBOOK[name].f, z), np.maximum(1, abs(z))).max() < 3


@all_kinds
@all_names
def test_slope(name, kind):
    z = grid(kind)
    _, slope = evaluate(name, z)
    assert errors(slope, textbook(TEXTBOOK[name].df, z), np.maximum(1, abs(z))).max() < 3


# their formulas cancel nowhere, so small values are right to the last places too
EXACT_VALUES = [
    *("identity", "step", "sigmoid", "tanh", "lecun_tanh", "hard_tanh", "softsign", "softplus", "relu"),
    *("leaky_relu", "elu", "selu", "silu", "mish", "erf", "sin"),
]
EXACT_SLOPES = ["identity", "step", "hard_tanh", "softsign", "softplus", "relu", "leaky_relu", "sin"]


@all_kinds
@pytest.mark.parametrize("name", EXACT_VALUES)
def test_value_is_exact_relative_to_its_size(name, kind):
    z = grid(kind)
    exact = textbook(TEXTBOOK[name].f, z)
    value, _ = evaluate(name, z)
    assert errors(value, exact, np.maximum(abs(exact), np.finfo(kind).tiny)).max() < 5


@all_kinds
@pytest.mark.parametrize("name", EXACT_SLOPES)
def test_slope_is_exact_relative_to_its_size(name, kind):
    z = grid(kind)
    exact = textbook(TEXTBOOK[name].df, z)
    _, slope = evaluate(name, z)
    assert errors(slope, exact, np.maximum(abs(exact), np.finfo(kind).tiny)).max() < 5


@all_names
def test_slope_is_the_central_difference_away_from_kinks(name):
    h = 1e-3
    z = np.linspace(-6, 6, 1201) + 0.00123
    for kink in TEXTBOOK[name].kinks:
        z = z[abs(z - kink) > 3 * h]
    value = {step: evaluate(name, z + step * h)[0] for step in (-2, -1, 1, 2)}
    difference = (8 * (value[1] - value[-1]) - (value[2] - value[-2])) / (12 * h)
    np.testing.assert_allclose(evaluate(name, z)[1], difference, rtol=0, atol=3e-11)


# --- kinks ---------------------------------------------------------------------------------------------------------

KINKS = [  # name, parameter, z, f(z), f'(z)
    ("step", None, 0.0, 0.0, 0.0),
    ("relu", None, 0.0, 0.0, 0.0),
    ("relu", None, -0.0, 0.0, 0.0),
    ("leaky_relu", None, 0.0, 0.0, 0.01),
    ("leaky_relu", 0.25, 0.0, 0.0, 0.25),
    ("hard_tanh", None, 1.0, 1.0, 0.0),
    ("hard_tanh", None, -1.0, -1.0, 0.0),
    ("hard_tanh", None, 0.0, 0.0, 1.0),
    ("softsign", None, 0.0, 0.0, 1.0),
    ("elu", None, 0.0, 0.0, 1.0),
    ("elu", 0.5, 0.0, 0.0, 0.5),
    ("selu", None, 0.0, 0.0, SELU_LAMBDA * SELU_ALPHA),
]


@all_kinds
@pytest.mark.parametrize(("name", "parameter", "z", "value", "slope"), KINKS, ids=lambda v: str(v))
def test_kink(name, parameter, z, value, slope, kind):
    f, df = evaluate(name, np.array([z], kind), parameter)
    assert f[0] == kind(value)
    assert df[0] == kind(slope)


SIDES = [  # name, kink, f' just below, f' just above
    ("relu", 0.0, 0.0, 1.0),
    ("leaky_relu", 0.0, 0.01, 1.0),
    ("hard_tanh", -1.0, 0.0, 1.0),
    ("hard_tanh", 1.0, 1.0, 0.0),
    ("elu", 0.0, 1.0, 1.0),
    ("selu", 0.0, SELU_LAMBDA * SELU_ALPHA, SELU_LAMBDA),
]


@all_kinds
@pytest.mark.parametrize(("name", "kink", "below", "above"), SIDES, ids=lambda v: str(v))
def test_slope_on_either_side_of_a_kink(name, kink, below, above, kind):
    z = np.nextafter(kind(kink), np.array([-INF, INF], kind))
    np.testing.assert_allclose(evaluate(name, z)[1], [below, above], rtol=2 * float(np.finfo(kind).eps))


# --- parameters ----------------------------------------------------------------------------------------------------


@all_kinds
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0, -0.5, 3.0])
def test_leaky_relu_of_any_slope(slope, kind):
    z = grid(kind)
    value, derivative = evaluate("leaky_relu", z, slope)
    p = float(kind(slope))
    np.testing.assert_array_equal(value, textbook(lambda x: leaky_relu(x, p), z).astype(kind))
    np.testing.assert_array_equal(derivative, textbook(lambda x: leaky_relu_slope(x, p), z).astype(kind))


@all_kinds
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_elu_of_any_alpha(alpha, kind):
    z = grid(kind)
    value, derivative = evaluate("elu", z, alpha)
    assert errors(value, textbook(lambda x: elu(x, alpha), z), np.maximum(1, abs(z))).max() < 2
    assert errors(derivative, textbook(lambda x: elu_slope(x, alpha), z), np.maximum(1, abs(z))).max() < 2


def test_a_parameter_for_an_activation_that_has_none_is_refused():
    with pytest.raises(UsageError, match=r"activation 'tanh' takes no parameter, got 0\.5"):
        evaluate("tanh", np.zeros(1), 0.5)


def test_an_unknown_activation_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match="did you mean 'softplus'"):
        evaluate("softpluss", np.zeros(1))


# --- far out -------------------------------------------------------------------------------------------------------

FAR = {  # f and f' far to the left, f and f' far to the right; z stands for "grows like z"
    "identity": ("z", 1.0, "z", 1.0),
    "step": (0.0, 0.0, 1.0, 0.0),
    "sigmoid": (0.0, 0.0, 1.0, 0.0),
    "tanh": (-1.0, 0.0, 1.0, 0.0),
    "lecun_tanh": (-1.7159, 0.0, 1.7159, 0.0),
    "hard_tanh": (-1.0, 0.0, 1.0, 0.0),
    "softsign": (-1.0, 0.0, 1.0, 0.0),
    "softplus": (0.0, 0.0, "z", 1.0),
    "relu": (0.0, 0.0, "z", 1.0),
    "leaky_relu": (None, 0.01, "z", 1.0),
    "elu": (-1.0, 0.0, "z", 1.0),
    "selu": (-SELU_LAMBDA * SELU_ALPHA, 0.0, None, SELU_LAMBDA),
    "gelu": (0.0, 0.0, "z", 1.0),
    "gelu_tanh": (0.0, 0.0, "z", 1.0),
    "silu": (0.0, 0.0, "z", 1.0),
    "mish": (0.0, 0.0, "z", 1.0),
    "erf": (-1.0, 0.0, 1.0, 0.0),
}


@all_kinds
@pytest.mark.parametrize("size", [1e3, 1e4, 1e15])
@pytest.mark.parametrize("name", FAR)
def test_far_out(name, size, kind):
    z = np.array([-size, size], kind)
    value, slope = evaluate(name, z)
    left, left_slope, right, right_slope = FAR[name]
    expected = [x if limit == "z" else limit for x, limit in zip(z, (left, right), strict=True)]
    for result, limit in zip(value, expected, strict=True):
        assert limit is None or result == pytest.approx(limit, rel=1e-6, abs=2 / size)
    np.testing.assert_allclose(slope, [left_slope, right_slope], rtol=1e-6, atol=2 / size)


@all_kinds
@pytest.mark.parametrize("size", [10.0, 1e3, 8e3])
def test_sine_far_out(size, kind):
    z = size + np.linspace(-1, 1, 100).astype(kind)
    value, slope = evaluate("sin", z)
    np.testing.assert_allclose(value, np.sin(z.astype(np.float64)), rtol=0, atol=2 * float(np.finfo(kind).eps))
    np.testing.assert_allclose(slope, np.cos(z.astype(np.float64)), rtol=0, atol=2 * float(np.finfo(kind).eps))


MONOTONE = [name for name in TEXTBOOK if name not in {"gelu", "gelu_tanh", "silu", "mish", "sin"}]


@all_kinds
@pytest.mark.parametrize("name", MONOTONE)
def test_slope_of_a_rising_function_is_never_negative(name, kind):
    assert evaluate(name, grid(kind))[1].min() >= 0


@all_kinds
@pytest.mark.parametrize("name", [name for name in TEXTBOOK if name != "step"])
def test_nan_stays_nan(name, kind):
    assert np.isnan(evaluate(name, np.array([NAN], kind))[0][0])


# --- dispatch ------------------------------------------------------------------------------------------------------


@all_names
def test_the_code_runs_the_functions_of_the_table(name):
    activation = ACTIVATIONS[name]
    z = np.concatenate([np.linspace(-9, 9, 181), [-1.0, 0.0, 1.0]])
    p = 0.37
    value, slope = value_and_slope(ACTIVATIONS.code(name), z, p)
    by_scalars = [activation.value(x, p) for x in z]
    np.testing.assert_array_equal(value, by_scalars)
    np.testing.assert_array_equal(slope, [activation.derivative(x, a, p) for x, a in zip(z, by_scalars, strict=True)])


@all_kinds
@all_names
def test_precision_is_kept(name, kind):
    value, slope = evaluate(name, np.zeros(3, kind))
    assert value.dtype == slope.dtype == kind


@all_kinds
@all_names
def test_a_number_does_not_depend_on_its_place(name, kind):
    z = grid(kind)
    backwards = z[::-1].copy()
    for result, reversed_result in zip(evaluate(name, z), evaluate(name, backwards), strict=True):
        np.testing.assert_array_equal(result, reversed_result[::-1])


@all_names
def test_shape_is_kept(name):
    value, slope = evaluate(name, np.zeros((2, 3, 4)))
    assert value.shape == slope.shape == (2, 3, 4)


def test_only_the_step_passes_no_gradient():
    assert [name for name, activation in ACTIVATIONS.items() if not activation.differentiable] == ["step"]
