"""The gradient check passes for what is right, and finds what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.networks.spec import NetworkSpec
from nnsim.probes import gradient_check
from nnsim.probes.gradient_check import check_gradient

CASES = {
    "relu": {},
    "batch norm, dropout": {"normalization": "batch", "dropout": 0.3},
    "layer norm after, residual": {"normalization": "layer", "norm_after": True, "residual": True},
    "label smoothing, weights": {"label_smoothing": 0.1, "loss_weights": (1.0, 2.0, 0.5)},
    "bce": {"loss": "bce", "activation": "gelu"},
    "mae": {"loss": "mae", "activation": "tanh"},
    "huber": {"loss": "huber", "huber_delta": 0.5, "activation": "leaky_relu"},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_every_tensor_is_within_the_bound(options):
    spec = NetworkSpec((5, 8, 8, 3), **options)
    checks = check_gradient(spec, "torch_default", entries=20, bound=1e-7)
    assert [(check.layer, check.role) for check in checks] == [(tensor.layer, tensor.role) for tensor in spec.tensors]
    assert max(check.error for check in checks) < 1e-7


@pytest.mark.parametrize("tensor", range(4))
def test_a_wrong_entry_is_found_in_its_tensor(tensor, monkeypatch):
    spec = NetworkSpec((5, 8, 3), "tanh", dtype="float64")
    right = gradient_check.loss_and_gradient

    def wrong(net, theta, X, Y, gradient, key, step):
        loss = right(net, theta, X, Y, gradient, key, step)
        gradient[spec.tensors[tensor].start] += 1e-4
        return loss

    monkeypatch.setattr(gradient_check, "loss_and_gradient", wrong)
    checks = check_gradient(spec, "torch_default")
    assert [check.error > 1e-6 for check in checks] == [number == tensor for number in range(4)]


@pytest.mark.parametrize("offset", [0.0, 0.2, 1 / 3, 0.5, 0.7, 0.95])
def test_an_entry_near_a_kink_is_counted(offset, monkeypatch):
    spec = NetworkSpec((1, 1), loss="mse", dtype="float64")
    kink = {}

    def bent(net, theta, X, Y, gradient, key, step):
        kink.setdefault("at", theta[0] + offset * gradient_check.STEP)
        gradient[:] = 0
        return max(theta[0] - kink["at"], 0.0)

    monkeypatch.setattr(gradient_check, "loss_and_gradient", bent)
    weight, bias = check_gradient(spec, "torch_default")
    assert (weight.compared, weight.kinks, weight.error) == (0, 1, np.inf)
    assert bias.compared == 1


def test_a_step_has_no_gradient_to_check():
    with pytest.raises(UsageError, match="nothing to check"):
        check_gradient(NetworkSpec((2, 3, 2), "step"), "torch_default")
