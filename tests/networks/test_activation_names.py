"""Activations by name: what a name means, what its parameter may be, and what arrays come back."""

from __future__ import annotations

import numpy as np
import pytest
from naive_activations import TEXTBOOK, elu, elu_slope, leaky_relu, leaky_relu_slope

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate, parse, resolve

Z = np.linspace(-6.0, 6.0, 241) + 1e-3  # no kink among them


class TestResolve:
    def test_no_two_names_share_a_code(self):
        assert sorted(resolve(name)[0] for name in ACTIVATIONS) == list(range(len(ACTIVATIONS)))

    @pytest.mark.parametrize(("name", "default"), [("leaky_relu", 0.01), ("elu", 1.0)])
    def test_the_default_parameter_stands_in(self, name, default):
        assert resolve(name)[1] == default

    def test_a_given_parameter_counts_even_if_it_is_zero(self):
        assert resolve("leaky_relu", 0)[1] == 0.0

    def test_the_nearest_name_is_offered(self):
        with pytest.raises(UnknownNameError, match=r"^unknown activation 'sigmiod': did you mean 'sigmoid'\? known"):
            resolve("sigmiod")


class TestParse:
    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_a_bare_name_has_no_parameter(self, name):
        assert parse(name) == (name, None)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("leaky_relu:0.2", ("leaky_relu", 0.2)), ("elu:2", ("elu", 2.0)), ("leaky_relu:-1e-3", ("leaky_relu", -1e-3))],
    )
    def test_a_number_after_the_colon_is_the_parameter(self, text, expected):
        assert parse(text) == expected

    @pytest.mark.parametrize("given", ["abc", "", "nan", "inf", "-inf", "1:2"])
    def test_what_is_not_a_finite_number_is_refused(self, given):
        with pytest.raises(UsageError) as refusal:
            parse(f"elu:{given}")
        assert str(refusal.value) == f"the parameter of activation 'elu' must be a finite number, got '{given}'"

    def test_a_parameter_for_a_function_without_one_is_refused(self):
        with pytest.raises(UsageError, match=r"^activation 'relu' takes no parameter, got 0\.2$"):
            parse("relu:0.2")

    @pytest.mark.parametrize("text", ["rleu", "leaky_rely:0.2", "", ":1"])
    def test_an_unknown_name_is_refused(self, text):
        with pytest.raises(UnknownNameError, match=r"^unknown activation"):
            parse(text)


class TestEvaluate:
    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_a_name_means_its_textbook_formula(self, name):
        a, slope = evaluate(name, Z)
        np.testing.assert_allclose(a, [TEXTBOOK[name].f(z) for z in Z], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(slope, [TEXTBOOK[name].df(z) for z in Z], rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize(
        ("name", "f", "df"), [("leaky_relu", leaky_relu, leaky_relu_slope), ("elu", elu, elu_slope)]
    )
    def test_a_given_parameter_is_used(self, name, f, df):
        a, slope = evaluate(name, Z, 0.37)
        np.testing.assert_allclose(a, [f(z, 0.37) for z in Z], rtol=1e-12)
        np.testing.assert_allclose(slope, [df(z, 0.37) for z in Z], rtol=1e-12)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 0, 3)], ids=str)
    def test_shape_and_precision_are_kept(self, shape, dtype):
        a, slope = evaluate("leaky_relu", np.ones(shape, dtype), 0.1)
        assert (a.shape, slope.shape, a.dtype, slope.dtype) == (shape, shape, dtype, dtype)

    def test_memory_order_does_not_matter(self):
        z = np.arange(-6.0, 6.0).reshape(3, 4)
        np.testing.assert_array_equal(evaluate("tanh", z.T)[0], evaluate("tanh", z)[0].T)

    def test_the_argument_is_left_as_it_was(self):
        z = Z.copy()
        evaluate("gelu", z)
        np.testing.assert_array_equal(z, Z)
