"""What a network specification accepts, and where its weights stand in the flat vector."""

from __future__ import annotations

import naive
import naive_training
import numpy as np
import pytest
from cases import NORMS, twin

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.kernels.formulas.losses import LOSSES
from nnsim.networks.spec import ROLES, NetworkSpec

WIDTHS = [(3, 2), (1, 1, 1), (4, 3, 2), (5, 1, 7, 2), (64, 32, 32, 10)]


def ids(widths):
    return "-".join(map(str, widths))


class TestValidation:
    @pytest.mark.parametrize("width", [0, -3, True, False, 2.0, 2.5, None], ids=repr)
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_width_that_is_not_a_positive_whole_number_is_refused(self, width, place):
        widths = [4, 3, 2]
        widths[place] = width
        with pytest.raises(UsageError) as refusal:
            NetworkSpec(tuple(widths))
        assert str(refusal.value) == f"a width must be a whole number of at least 1, got {width}"

    @pytest.mark.parametrize("widths", [(), (5,)], ids=["none", "one"])
    def test_fewer_than_two_widths_are_refused(self, widths):
        with pytest.raises(UsageError) as refusal:
            NetworkSpec(widths)
        assert str(refusal.value) == f"a network has at least an input and an output width, got {list(widths)}"

    def test_numpy_whole_numbers_are_widths(self):
        assert NetworkSpec((np.int64(3), np.int32(2))).n_parameters == 8

    @pytest.mark.parametrize(
        ("options", "kind", "nearest"),
        [
            ({"activation": "tahn"}, "activation", "tanh"),
            ({"activation": "leaky-relu"}, "activation", "leaky_relu"),
            ({"loss": "crossentropy"}, "loss", "cross_entropy"),
            ({"dtype": "float46"}, "dtype", "float64"),
        ],
        ids=["activation", "punctuation", "loss", "dtype"],
    )
    def test_an_unknown_name_is_refused_with_the_nearest_one(self, options, kind, nearest):
        with pytest.raises(UnknownNameError) as refusal:
            NetworkSpec((3, 2), **options)
        (given,) = options.values()
        assert str(refusal.value).startswith(f"unknown {kind} '{given}': did you mean '{nearest}'? known are ")

    def test_a_name_like_no_other_lists_the_known_ones(self):
        with pytest.raises(UnknownNameError) as refusal:
            NetworkSpec((3, 2), loss="zzz")
        assert str(refusal.value) == "unknown loss 'zzz': known are bce, cross_entropy, huber, mae, mse"

    def test_a_parameter_for_an_activation_without_one_is_refused(self):
        with pytest.raises(UsageError, match=r"^activation 'tanh' takes no parameter, got 0\.3$"):
            NetworkSpec((3, 2, 1), "tanh", parameter=0.3)


class TestLayout:
    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize("widths", WIDTHS, ids=ids)
    def test_parameters_are_counted(self, widths, norm):
        spec = NetworkSpec(widths, loss="mse", **NORMS[norm])
        theta = np.arange(spec.n_parameters, dtype=float)
        assert naive_training.flatten(naive_training.unflatten(theta, twin(spec))) == theta.tolist()

    @pytest.mark.parametrize("widths", WIDTHS, ids=ids)
    def test_layers_stand_one_after_the_other_row_by_row(self, widths):
        spec = NetworkSpec(widths, loss="mse")
        theta = np.arange(spec.n_parameters, dtype=np.float32)
        found = [(W.tolist(), b.tolist()) for W, b in spec.layers(theta)]
        assert found == naive.unflatten(theta.tolist(), widths)

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize("widths", WIDTHS, ids=ids)
    def test_a_scale_and_a_shift_follow_the_bias_of_a_hidden_layer(self, widths, norm):
        spec = NetworkSpec(widths, loss="mse", **NORMS[norm])
        theta = np.arange(spec.n_parameters, dtype=float)
        layers = naive_training.unflatten(theta.tolist(), twin(spec))
        for role, place in (("weight", 0), ("bias", 1), ("scale", 2), ("shift", 3)):
            expected = [layer[place] for layer in layers if layer[place]]
            assert [part.tolist() for part in spec.views(theta, role)] == expected

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize("widths", WIDTHS, ids=ids)
    def test_views_write_through_to_every_place_once(self, widths, norm):
        spec = NetworkSpec(widths, loss="mse", **NORMS[norm])
        theta = np.zeros(spec.n_parameters)
        for role in ROLES:
            for part in spec.views(theta, role):
                part += 1
        assert (theta == 1).all()

    def test_a_network_without_hidden_layers_has_depth_zero(self):
        assert NetworkSpec((3, 2)).depth == 0

    def test_depth_counts_hidden_layers(self):
        assert NetworkSpec((3, 5, 5, 5, 2)).depth == 3

    def test_fans_pair_neighbouring_widths(self):
        assert NetworkSpec((3, 5, 2)).fans == [(3, 5), (5, 2)]


class TestArchitecture:
    def test_widths_are_an_int64_vector(self):
        widths = NetworkSpec((3, 5, 2)).architecture.widths
        assert (widths.dtype, widths.tolist()) == (np.dtype(np.int64), [3, 5, 2])

    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_the_activation_is_its_code(self, name):
        assert NetworkSpec((3, 2), name).architecture.activation == ACTIVATIONS.code(name)

    @pytest.mark.parametrize("name", LOSSES)
    def test_the_loss_is_its_code(self, name):
        assert NetworkSpec((3, 2), loss=name).architecture.loss == LOSSES[name]

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_the_parameter_has_the_precision_of_the_network(self, dtype):
        parameter = NetworkSpec((3, 2), "leaky_relu", 0.1, dtype=dtype).architecture.parameter
        assert (type(parameter), parameter) == (getattr(np, dtype), getattr(np, dtype)(0.1))

    @pytest.mark.parametrize(("name", "default"), [("leaky_relu", 0.01), ("elu", 1.0), ("tanh", 0.0)])
    def test_a_parameter_that_is_not_given_is_the_default(self, name, default):
        assert NetworkSpec((3, 2), name, dtype="float64").architecture.parameter == default

    def test_the_step_alone_passes_no_gradient(self):
        assert [name for name in ACTIVATIONS if not NetworkSpec((3, 2), name).differentiable] == ["step"]


def test_equal_specifications_are_one_key():
    assert len({NetworkSpec((3, 2)), NetworkSpec((3, 2)), NetworkSpec((3, 3))}) == 2
