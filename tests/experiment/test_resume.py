"""A run in pieces, also through a checkpoint, is the run in one piece."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.apps.checkpoints import load_checkpoint, save_checkpoint
from nnsim.core.errors import DataError, StoreError
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, train

KEY = 5
SPEC = NetworkSpec((3, 6, 6, 2), normalization="batch", dropout=0.2, residual=True)
RECIPE = Recipe(0.01, optimizer="adamw", weight_decay=0.1, batch_size=8, epochs=6, schedule="cosine", patience=4)


def data(rows=30, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, 3)).astype(np.float32)
    Y = (X[:, :1] > 0).astype(np.float32)
    return Batches(X[:22], Y[:22], X[22:], Y[22:])


def start(spec=SPEC):
    return initialize(spec, "he_normal", KEY)


def bits(run):
    state = (*run.state[:2], *run.state.moments, *run.state[3:])
    status = (run.status, int(run.diverged_at), bool(run.stopped_early))
    return [part.tobytes() for part in (run.theta, run.statistics, run.history, *state)], status


@pytest.mark.parametrize("epoch", range(7))
def test_a_checkpoint_after_any_epoch_goes_on_with_the_same_bits(epoch, tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, train(SPEC, start(), data(), RECIPE, KEY, until=epoch), "id")
    resumed = load_checkpoint(path, "id", train(SPEC, start(), data(), RECIPE, KEY, until=0))
    assert bits(train(SPEC, resumed, data(), RECIPE, KEY)) == bits(train(SPEC, start(), data(), RECIPE, KEY))


def test_a_checkpoint_is_the_same_bytes_each_time(tmp_path):
    run = train(SPEC, start(), data(), RECIPE, KEY, until=2)
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, run, "id")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    fresh = train(SPEC, start(), data(), RECIPE, KEY, until=0)
    save_checkpoint(tmp_path / "c", fresh, "id")
    with pytest.raises(StoreError, match="another configuration"):
        load_checkpoint(tmp_path / "c", "other", fresh)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_checkpoint_is_refused(keep, tmp_path):
    fresh = train(SPEC, start(), data(), RECIPE, KEY, until=0)
    save_checkpoint(tmp_path / "c", fresh, "id")
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:keep])
    with pytest.raises(DataError, match="damaged"):
        load_checkpoint(tmp_path / "c", "id", fresh)


def test_validation_rows_that_overflow_for_a_while_do_not_end_a_run_that_is_stopped_between():
    spec = NetworkSpec((3, 1), loss="mse")
    rows = data()
    rows = Batches(rows.X, rows.Y, np.full_like(rows.X_validation, 1e30), rows.Y_validation)
    recipe = Recipe(0.01, batch_size=8, epochs=3)
    whole = train(spec, start(spec), rows, recipe, KEY)
    parts = train(spec, train(spec, start(spec), rows, recipe, KEY, until=1), rows, recipe, KEY)
    assert (len(whole.history), whole.status) == (3, "diverged")
    assert bits(parts) == bits(whole)
