"""What surrounds the update rules beside PyTorch: dropout, skips, decay, clipping, schedules; in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from torch_twin import OPTIMIZERS, Case, compare, torch

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe

pytestmark = pytest.mark.torch

KEY = key(0, "tests", "torch", "stack")
ROWS, BATCH, EPOCHS = 41, 9, 20
ADAPTIVE = {"rmsprop", "adam", "adamw"}
schedulers = torch.optim.lr_scheduler


def case(widths=(6, 12, 12, 12, 1), loss="bce", **settings):
    spec = NetworkSpec(widths, loss=loss, dtype="float64", **settings)
    rng = np.random.default_rng(11)
    X = rng.standard_normal((ROWS, widths[0]))
    Y = rng.integers(0, 2, (ROWS, widths[-1])).astype(float)
    return Case(spec, initialize(spec, "torch_default", KEY), X, Y, KEY)


def recipe(optimizer="adamw", **settings):
    rate = 0.003 if optimizer in ADAPTIVE else 0.02
    return Recipe(**({"learning_rate": rate, "batch_size": BATCH, "epochs": EPOCHS} | settings), optimizer=optimizer)


def check_a_hundred_steps(its, how, record_property, scheduler=None):
    found = compare(its, how, 1e-9, scheduler)
    record_property("allowed", found.allowed)
    assert len(found.twin.losses) == 100
    assert found.difference <= found.allowed


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("norm_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
class TestDropoutAndSkips:
    def test_one_step(self, norm, norm_after, residual, record_property):
        its = case(normalization=norm, norm_after=norm_after, residual=residual, dropout=0.3)
        found = compare(its, recipe(batch_size=ROWS, epochs=1), 1e-12)
        record_property("allowed", found.allowed)
        assert found.difference <= found.allowed

    def test_a_hundred_steps(self, norm, norm_after, residual, record_property):
        its = case(normalization=norm, norm_after=norm_after, residual=residual, dropout=0.3)
        check_a_hundred_steps(its, recipe("momentum"), record_property)


def test_skips_pass_only_hidden_layers_of_one_width(record_property):
    its = case((6, 6, 8, 8, 8, 6, 6), residual=True)
    check_a_hundred_steps(its, recipe("momentum"), record_property)


@pytest.mark.parametrize("decayed", ["all", "weights"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_decay(optimizer, decayed, record_property):
    its = case(normalization="layer")
    how = recipe(optimizer, weight_decay=0.05, decayed=decayed)
    check_a_hundred_steps(its, how, record_property)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_rate_for_each_layer(optimizer, record_property):
    its = case(normalization="layer")
    how = recipe(optimizer, layer_rates=(1.0, 0.5, 0.25, 2.0), weight_decay=0.05)
    check_a_hundred_steps(its, how, record_property)


@pytest.mark.parametrize("optimizer", ["momentum", "adamw"])
@pytest.mark.parametrize("clipping", [{"clip_norm": 0.15}, {"clip_value": 0.02}], ids=["norm", "value"])
def test_clipping(clipping, optimizer, record_property):
    its, how = case(), recipe(optimizer, weight_decay=0.01, **clipping)
    check_a_hundred_steps(its, how, record_property)


def test_the_history_of_clipping():
    found = compare(case(), recipe("momentum", clip_norm=0.15), 1e-9)
    norms = np.array(found.twin.norms).reshape(EPOCHS, -1)
    clipped = (norms > 0.15).mean(axis=1)
    assert 0 < clipped.mean() < 1
    np.testing.assert_allclose(found.run.history[:, 5], norms.mean(axis=1), rtol=1e-9)
    np.testing.assert_array_equal(found.run.history[:, 6], clipped)


@pytest.mark.parametrize(
    ("schedule", "scheduler"),
    [
        ("cosine", lambda o: schedulers.CosineAnnealingLR(o, EPOCHS)),
        ("cosine:by=step", lambda o: schedulers.CosineAnnealingLR(o, 100)),
        ("exponential:gamma=0.9", lambda o: schedulers.ExponentialLR(o, 0.9)),
        ("exponential:gamma=0.99,by=step", lambda o: schedulers.ExponentialLR(o, 0.99)),
        ("one_cycle", lambda o: schedulers.OneCycleLR(o, 0.02, 100, cycle_momentum=False)),
    ],
)
def test_schedules(schedule, scheduler, record_property):
    its, how = case(), recipe("momentum", schedule=schedule)
    check_a_hundred_steps(its, how, record_property, scheduler)


def test_the_last_smaller_batch_left_out():
    found = compare(case(), recipe("momentum", drop_last=True), 1e-9)
    assert len(found.twin.losses) == 4 * EPOCHS
    assert found.difference <= found.allowed


def test_the_whole_stack(record_property):
    """BatchNorm, ReLU, dropout, AdamW, clipping by norm and a cosine over the epochs."""
    its = case((6, 16, 12, 8, 1), normalization="batch", dropout=0.3)
    how = recipe(schedule="cosine", weight_decay=1e-4, clip_norm=1.0)
    check_a_hundred_steps(its, how, record_property, lambda o: schedulers.CosineAnnealingLR(o, EPOCHS))
